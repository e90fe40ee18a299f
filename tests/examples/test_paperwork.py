"""The generator of documents: its truth is the truth, and the two lists of layouts have nothing in common."""

from __future__ import annotations

import sys
from pathlib import Path

import pypdfium2
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "documents"
sys.path.insert(0, str(EXAMPLE))

from paperwork import BUILDING, KINDS, MEASURING, ROUTES, Layout, make, routed  # noqa: E402
from paperwork.lists import as_markdown  # noqa: E402

from asbuilt.extraction.schema import load_schema  # noqa: E402


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", [*BUILDING, *MEASURING], ids=lambda layout: layout.name)
def test_the_truth_is_what_the_file_says(kind: str, layout: Layout) -> None:
    made = make(kind, layout, 5)
    document = pypdfium2.PdfDocument(made.data)
    text = " ".join(page.get_textpage().get_text_bounded() for page in document)
    document.close()
    assert sorted(text.split()) == sorted(made.truth.text.split())
    for path, words in made.truth.evidence.items():
        assert path in made.truth.fields
        assert words
    assert made.truth.fields.keys().isdisjoint(made.truth.absent)


def test_the_same_seed_makes_the_same_bytes() -> None:
    for route in ROUTES:
        made = [routed(make("invoice", BUILDING[0], 3), route) for _ in range(2)]
        assert made[0].data == made[1].data


def test_what_is_measured_on_differs_from_what_it_was_built_with() -> None:
    """Real issuers share words: "Total" is not forbidden, being alike is."""

    def words(layout: Layout) -> set[str]:
        return {text.casefold().strip(": ") for text in layout.labels.values()}

    built = set().union(*map(words, BUILDING))
    for layout in MEASURING:
        assert (layout.font, layout.size) not in {(each.font, each.size) for each in BUILDING}
        assert layout.source
        assert not words(layout) <= built
        for known in BUILDING:
            assert (layout.date, layout.money) != (known.date, known.money)
            assert {layout.label(name) for name in ("number", "date", "due", "net", "tax", "total")} != {
                known.label(name) for name in ("number", "date", "due", "net", "tax", "total")
            }


def test_both_lists_are_written_down() -> None:
    assert (EXAMPLE / "LAYOUTS.md").read_text() == as_markdown()


@pytest.mark.parametrize("schema", sorted((EXAMPLE / "schemas").glob("*.json")), ids=lambda path: path.stem)
def test_schemas_ask_for_what_the_documents_hold(schema: Path) -> None:
    paths = {field.path for field in load_schema(schema).fields}
    for layout in (*BUILDING, *MEASURING):
        truth = make(schema.stem, layout, 2).truth
        stated = {
            path.partition("[")[0] + "[]" + path.partition("]")[2] if "[" in path else path
            for path in truth.fields
        }
        assert stated | set(truth.absent) <= paths
