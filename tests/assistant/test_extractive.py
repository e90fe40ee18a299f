"""Answers in the documents' own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from asbuilt.assistant.extractive import ExtractiveAssistant
from asbuilt.catalog import Catalog
from asbuilt.errors import UserError
from asbuilt.roles import Assistant
from asbuilt.testing.assistant_contract import AssistantContract, ask
from asbuilt.testing.fixed_retriever import FixedRetriever
from asbuilt.types import Citation


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    yield catalog
    catalog.close()


def quoting(catalog: Catalog, found: Mapping[str, str], **config: int) -> ExtractiveAssistant:
    retriever = FixedRetriever(catalog=catalog, passages=found)
    retriever.open()
    return ExtractiveAssistant(catalog=catalog, retriever=retriever, **config)


class TestExtractiveAssistant(AssistantContract):
    @pytest.fixture
    def make(self, catalog: Catalog) -> Callable[[Mapping[str, str], Sequence[str]], Assistant]:
        return lambda passages, _replies: quoting(catalog, passages)

    @pytest.fixture
    def document_text(self, catalog: Catalog) -> Callable[[Citation], str]:
        def text(citation: Citation) -> str:
            assert citation.document_id is not None
            assert citation.version is not None
            return catalog.version_text(citation.document_id, citation.version)

        return text


def test_it_quotes_as_many_passages_as_asked_for_and_invents_nothing(catalog: Catalog) -> None:
    passages = {"a.md": "Keys expire after 90 days.", "b.md": "Doors close at 10 pm."}
    answer = ask(quoting(catalog, passages, passages=2), "How long?")
    assert answer.text == "Keys expire after 90 days. [1]\n\nDoors close at 10 pm. [2]"
    assert [(each.number, each.verified, each.by) for each in answer.citations] == [
        (1, True, "asbuilt"),
        (2, True, "asbuilt"),
    ]


@pytest.mark.parametrize(
    ("max_chars", "quote"),
    [(100, "one two\nthree four\nfive"), (18, "one two\nthree four"), (17, "one two"), (4, "one")],
)
def test_a_long_passage_ends_with_a_whole_line(catalog: Catalog, max_chars: int, quote: str) -> None:
    answer = ask(quoting(catalog, {"a.md": "\n one two\nthree four\nfive\n"}, max_chars=max_chars), "What?")
    [citation] = answer.citations
    assert (citation.quote, citation.verified) == (quote, True)


def test_a_passage_that_is_gone_is_not_passed_off_as_checked(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = quoting(catalog, {"a.md": "Keys expire after 90 days."})
    monkeypatch.setattr(catalog, "version_text", lambda *_: "Something else stands here now.")
    [citation] = ask(made, "How long?").citations
    assert (citation.verified, citation.reason) == (False, "the document does not hold it")


@pytest.mark.parametrize("config", [{"passages": 0}, {"max_chars": 0}])
def test_config_must_leave_something_to_quote(catalog: Catalog, config: dict[str, int]) -> None:
    with pytest.raises(UserError, match="at least 1"):
        quoting(catalog, {}, **config)
