from __future__ import annotations

import pytest
from tests.documents import samples
from tests.documents.test_pdf_and_docx import old_office_file, workbook

from asbuilt.documents import choose_reader
from asbuilt.errors import ReadError
from asbuilt.registry import names, resolve
from asbuilt.roles import Reader


@pytest.fixture(scope="module")
def readers() -> dict[str, Reader]:
    return {name: resolve(name)() for name in names("reader")}


WORD = samples.word()
PDF = samples.pdf([["text"]])
PAGE = b"\xef\xbb\xbf <!-- saved --> <!DOCTYPE HTML><html></html>"


@pytest.mark.parametrize(
    ("name", "data", "chosen"),
    [
        ("a.txt", b"text", "reader/text"),
        ("a.MD", b"# text", "reader/markdown"),
        ("folder.rst/a.rst", b"text", "reader/rst"),
        ("a.htm", b"<p>no doctype", "reader/html"),
        ("a.pdf", PDF, "reader/pdf"),
        ("a.docx", WORD, "reader/docx"),
        ("README", b"no suffix", "reader/text"),
        ("a.yaml", b"key: value", "reader/text"),
        ("wide.txt", "wide".encode("utf-16"), "reader/text"),
        ("a.txt", PDF, "reader/pdf"),
        ("a", b"junk before %PDF-1.4", "reader/pdf"),
        ("a.zip", WORD, "reader/docx"),
        ("a.txt", PAGE, "reader/html"),
        ("a.md", b"<html lang=en>", "reader/html"),
        ("a.md", b"# On <html>", "reader/markdown"),
        ("a.docx", old_office_file(), "reader/docx"),  # which tells a password from an old format
        ("a.pdf", b"not a PDF, says its reader", "reader/pdf"),
    ],
)
def test_suffix_corrected_by_content(name: str, data: bytes, chosen: str, readers: dict[str, Reader]) -> None:
    key, reader = choose_reader(name, data, readers)
    assert (key, reader) == (chosen, readers[chosen])
    assert choose_reader(name, data[:8192], readers) == (key, reader)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "empty"),
        ("a.rtf", b"{\\rtf1 text", "an RTF file"),
        ("a.doc", old_office_file(), "old Office file"),
        ("a.xlsx", workbook(), "a ZIP archive"),
        ("a.txt", b"\x89PNG\r\n", "a PNG image"),
        ("a.txt", b"\x1f\x8b\x08", "gzip"),
        ("a.txt", b"MZ\0\0", "binary"),
        ("a.db", b"SQLite format 3\0", "SQLite"),
    ],
)
def test_what_cannot_be_read_is_named(
    name: str, data: bytes, reason: str, readers: dict[str, Reader]
) -> None:
    with pytest.raises(ReadError, match=reason) as refusal:
        choose_reader(name, data, readers)
    if data:
        assert ".docx, .htm, .html" in str(refusal.value)


def test_only_the_given_readers_count(readers: dict[str, Reader]) -> None:
    only = {"reader/markdown": readers["reader/markdown"]}
    assert choose_reader("a.md", b"text", only)[0] == "reader/markdown"
    for name, data in (("a.pdf", PDF), ("a.txt", b"text")):
        with pytest.raises(ReadError, match=r"Readable: \.markdown, \.md"):
            choose_reader(name, data, only)
