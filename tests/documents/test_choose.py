from __future__ import annotations

import pytest
from tests.documents import samples, test_email, test_pptx, test_xlsx
from tests.documents.test_pdf_and_docx import bomb, encrypted_office_file, old_office_file, workbook

from asbuilt.documents import choose_reader
from asbuilt.errors import ReadError
from asbuilt.registry import names, resolve
from asbuilt.roles import Reader


@pytest.fixture(scope="module")
def readers() -> dict[str, Reader]:
    return {name: resolve(name)() for name in names("reader")}


WORD = samples.word()
PDF = samples.pdf([["text"]])
EXCEL = test_xlsx.workbook(test_xlsx.invoice)
SLIDES = test_pptx.show(test_pptx.agenda, layout=1)
MAIL = bytes(test_email.letter())
SAVED_MAIL = b"From: Ann\nSubject: Order\nTo: Bob\n\nHello"
TABLE = b"name,qty\nBolt,2\nNut,3\n"
PNG = b"\x89PNG\r\n\x1a\n"
BMP = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"
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
        ("a.xlsx", EXCEL, "reader/xlsx"),
        ("a.zip", EXCEL, "reader/xlsx"),
        ("a.docx", EXCEL, "reader/xlsx"),
        ("a.txt", SLIDES, "reader/pptx"),
        ("a.xlsm", EXCEL, "reader/xlsx"),
        ("a.xlsx", encrypted_office_file(), "reader/xlsx"),
        ("a.pptx", b"PK\x03\x04 cut", "reader/pptx"),
        ("a.pdf", PNG, "reader/image"),
        ("a", b"\xff\xd8\xff\xe0", "reader/image"),
        ("a.txt", b"MM\0*\0\0\0\x08", "reader/image"),
        ("a.bin", b"RIFF\x10\0\0\0WEBPVP8 ", "reader/image"),
        ("a.bin", BMP, "reader/image"),
        ("a.txt", b"BMW is a car.", "reader/text"),
        ("a.eml", MAIL, "reader/email"),
        ("a.txt", MAIL, "reader/email"),
        ("a", SAVED_MAIL, "reader/email"),
        ("a.md", SAVED_MAIL, "reader/markdown"),
        ("a.eml", SAVED_MAIL, "reader/email"),
        ("a", b"Note: this\nTo: do", "reader/text"),
        ("a.csv", b"anything", "reader/csv"),
        ("a", TABLE, "reader/csv"),
        ("a.xls", TABLE.replace(b",", b"\t"), "reader/csv"),
        ("a.txt", TABLE, "reader/text"),
        ("a.json", b'{"a": 1, "b": 2}\n' * 3, "reader/text"),
        ("a", b"First, a sentence.\nThen, two, commas.\nThe end.", "reader/text"),
        ("a.md", b"A PDF begins with %PDF-1.4, as is known.", "reader/markdown"),
        ("a.htm", b'<?xml version="1.0"?>\n<html xmlns="x"></html>', "reader/html"),
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
        ("a.zip", b"PK\x03\x04 cut", "a ZIP archive that is no Office file"),
        ("a.zip", b"PK\x05\x06".ljust(22, b"\0"), "an empty ZIP"),
        ("a.png", b"GIF89a", "a GIF image; save it as PNG"),
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
        assert ".docx, .eml, .htm, .html" in str(refusal.value)


def test_only_the_given_readers_count(readers: dict[str, Reader]) -> None:
    only = {"reader/markdown": readers["reader/markdown"]}
    assert choose_reader("a.md", b"text", only)[0] == "reader/markdown"
    for name, data in (("a.pdf", PDF), ("a.txt", b"text"), ("a.png", PNG), ("a", TABLE), ("a.bin", bomb())):
        with pytest.raises(ReadError, match=r"Readable: \.markdown, \.md"):
            choose_reader(name, data, only)


def test_the_parts_of_an_archive_decide_wherever_they_are(readers: dict[str, Reader]) -> None:
    assert choose_reader("a.docx", workbook(), readers)[0] == "reader/xlsx"
    with pytest.raises(ReadError, match=r"'a\.png' is a PNG image\. Readable: \.htm"):
        choose_reader("a.png", PNG, {"reader/html": readers["reader/html"]})
