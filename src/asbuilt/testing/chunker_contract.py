"""What every Chunker must do: spans of the text, in order, that leave nothing out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from asbuilt.roles import Chunker
from asbuilt.types import ChunkDraft, Document, Heading, Page

__all__ = ["ChunkerContract", "check_chunks"]


def check_chunks(document: Document, chunks: Sequence[ChunkDraft], *, max_tokens: int | None = None) -> None:
    """Assert every invariant of a chunking of `document`."""
    covered = 0
    previous = -1
    for chunk in chunks:
        assert 0 <= chunk.start < chunk.end <= len(document.text)
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert chunk.start > previous, "chunks are in order of start, no two of the same"
        assert not document.text[covered : chunk.start].strip(), "a character is in no chunk"
        assert chunk.end > covered, "a chunk that adds nothing"
        previous, covered = chunk.start, chunk.end
        assert chunk.tokens >= 0
        if max_tokens is not None:
            assert chunk.tokens <= max_tokens
        assert chunk.page == _page_at(document, chunk.start)
        _check_headings(document, chunk)
    assert not document.text[covered:].strip(), "a character is in no chunk"


def _page_at(document: Document, offset: int) -> int | None:
    return max((page.number for page in document.pages if page.start <= offset), default=None)


def _check_headings(document: Document, chunk: ChunkDraft) -> None:
    """The headings above the chunk's start come first; whatever follows are titles inside of it."""
    above: list[Heading] = []
    for heading in document.headings:
        if heading.start > chunk.start:
            break
        above = [*(other for other in above if other.level < heading.level), heading]
    titles = [heading.title for heading in above]
    inside = [heading.title for heading in document.headings if chunk.start < heading.start < chunk.end]
    assert list(chunk.headings[: len(titles)]) == titles
    assert all(title in inside for title in chunk.headings[len(titles) :])


def _nasty_documents() -> list[Document]:
    words = "The quick brown fox jumps over the lazy dog. "
    code = "Run this::\n\n" + "".join(f"    step {number} --flag value\n" for number in range(400))
    guide = "# One\n\nIntro.\n\n## Two\n\n" + words * 100 + "\n\n## Three\n\n- a\n- b\n\n# Four\n\nEnd."
    pages = [words * 30, "", "Short page.", words * 60]
    starts = [sum(len(page) + 2 for page in pages[:number]) for number in range(len(pages))]
    texts = {
        "one line": words * 400,
        "no spaces": "abcdefghij" * 2_000,
        "marks only": "=-" * 5_000,
        "CJK": "東京都は日本の首都である。" * 400,
        "emoji": "👩‍👩‍👧‍👦🎉 " * 500,
        "combining": "e\u0301\u0308\u0323" * 3_000,
        "right to left": "שלום עולם " * 800,
        "no tokens": "\u200b\u2060" * 4_000 + "x",
        "gaps": f"start{' ' * 20_000}end{chr(10) * 20_000}last",
        "code": code,
        "indented": "\n\n    first\n        second\n\n\n    third\n",
    }
    documents = [Document(text=text, media_type="text/plain", title=title) for title, text in texts.items()]
    documents.append(
        Document(
            text=guide,
            media_type="text/markdown",
            title="guide",
            headings=tuple(
                Heading(guide.index(f"{marks} {title}"), len(marks), title)
                for marks, title in (("#", "One"), ("##", "Two"), ("##", "Three"), ("#", "Four"))
            ),
        )
    )
    documents.append(
        Document(
            text="\n\n".join(pages),
            media_type="application/pdf",
            title="pages",
            pages=tuple(
                Page(number, start, start + len(page))
                for number, (start, page) in enumerate(zip(starts, pages, strict=True), start=1)
            ),
        )
    )
    return documents


class ChunkerContract:
    """Subclass it in a test module and override the fixtures.

    >>> class TestMyChunker(ChunkerContract):
    ...     @pytest.fixture
    ...     def chunker(self): return MyChunker()
    """

    @pytest.fixture
    def chunker(self) -> Chunker:
        """The chunker under test, open."""
        raise NotImplementedError

    @pytest.fixture
    def max_tokens(self) -> int | None:
        """The most tokens a chunk may have, by the chunker's own count; None for no limit."""
        return None

    def test_plays_the_role(self, chunker: Chunker) -> None:
        assert isinstance(chunker, Chunker)
        assert chunker.recipe == chunker.recipe.strip() != ""

    @pytest.mark.parametrize("document", _nasty_documents(), ids=lambda document: document.title)
    def test_covers_the_text_with_spans_in_order(
        self, chunker: Chunker, max_tokens: int | None, document: Document
    ) -> None:
        check_chunks(document, chunker.chunk(document), max_tokens=max_tokens)

    @pytest.mark.parametrize("text", ["", " ", "\n\n\t \n", "\u2003"])
    def test_makes_nothing_of_nothing(self, chunker: Chunker, text: str) -> None:
        assert chunker.chunk(Document(text=text, media_type="text/plain")) == []

    def test_a_word_is_a_chunk(self, chunker: Chunker) -> None:
        (chunk,) = chunker.chunk(Document(text="word", media_type="text/plain"))
        assert (chunk.text, chunk.start, chunk.end) == ("word", 0, 4)

    def test_chunks_alike_every_time_and_in_every_thread(self, chunker: Chunker) -> None:
        documents = _nasty_documents()
        expected = [chunker.chunk(document) for document in documents]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(chunker.chunk, documents)) == expected
