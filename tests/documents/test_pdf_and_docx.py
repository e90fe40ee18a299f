from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

import docx
import pytest
from tests.documents import samples

from asbuilt.documents.docx import DocxReader
from asbuilt.errors import ReadError
from asbuilt.types import Document


def outline(document: Document) -> list[tuple[int, str, str]]:
    return [
        (heading.level, heading.title, document.text[heading.start :].partition("\n")[0])
        for heading in document.headings
    ]


def test_word_reads_in_document_order() -> None:
    document = DocxReader().read(samples.word(), name="letter.docx")
    assert document.text == (
        "The Title\n\n"
        "Intro with Ünïcode and a\ttab.\n\n"
        "Chapter one\n\n"
        "- first\n- second\n\n"
        "Name | Qty | Note\nBolt | 12 | two lines\n\n"
        "Section in our style\n\n"
        "Seen."
    )
    assert outline(document) == [
        (1, "The Title", "The Title"),
        (2, "Chapter one", "Chapter one"),
        (3, "Section in our style", "Section in our style"),
    ]
    assert document.title == "The Title"


def changed(change: Callable[[str], str]) -> bytes:
    """The sample Word file with its main part changed as text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(samples.word())) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            part = old.read(entry)
            if entry.filename == "word/document.xml":
                part = change(part.decode()).encode()
            new.writestr(entry.filename, part)
    return buffer.getvalue()


def in_body(markup: str) -> bytes:
    return changed(lambda xml: re.sub(r"(<w:body>).*(</w:body>)", rf"\1{markup}\2", xml, flags=re.DOTALL))


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (
            "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>",
            "new",
        ),
        (
            "<w:sdt><w:sdtContent><w:p><w:r><w:t>in a control</w:t></w:r></w:p></w:sdtContent></w:sdt>",
            "in a control",
        ),
        ('<w:p><w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>seen</w:t></w:r></w:p>', "seen"),
        ("<w:p><w:r><w:t>a</w:t><w:br/><w:t>b</w:t><w:noBreakHyphen/><w:t>c</w:t></w:r></w:p>", "a\nb-c"),
        (
            "<w:tbl><w:tr><w:tc><w:tbl><w:tr><w:tc><w:p><w:r><w:t>inner</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:tc>"
            "<w:tc><w:p><w:r><w:t>outer</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
            "inner | outer",
        ),
    ],
)
def test_word_reads_what_is_visible(markup: str, text: str) -> None:
    assert DocxReader().read(in_body(markup), name="x.docx").text == text


def test_word_tables_keep_their_spans() -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"

    down, on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = [
        cell("Name") + cell("Both", '<w:gridSpan w:val="2"/>'),
        cell("tall", down) + cell("x") + cell("1"),
        cell("", on) + cell("y") + cell("2"),
        cell("stray", on.replace("/>", ' w:val="restart"/>')) + cell("z"),
    ]
    body = "".join(f"<w:tr>{row}</w:tr>" for row in rows)
    (page,) = DocxReader().pages(in_body(f"<w:tbl>{body}</w:tbl>"), name="x.docx")
    spans = [(cell.row, cell.column, cell.row_span, cell.column_span) for cell in page.tables[0].cells]
    assert spans[:4] == [(0, 0, 1, 1), (0, 1, 1, 2), (1, 0, 2, 1), (1, 1, 1, 1)]
    assert page.text == "Name | Both\ntall | x | 1\n | y | 2\nstray | z"
    assert page.words[2].place == "table 1, row 2, column 1"


def test_word_reads_headers_footers_and_text_boxes() -> None:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "ACME Ltd"
    document.sections[0].footer.paragraphs[0].text = "Page 1"
    document.add_section()  # whose header is that of the one before
    document.add_paragraph("Body")
    buffer = io.BytesIO()
    document.save(buffer)
    (page,) = DocxReader().pages(buffer.getvalue(), name="x.docx")
    assert [block.kind for block in page.blocks] == ["header", "paragraph", "footer"]
    assert page.text == "ACME Ltd\n\nBody\n\nPage 1"

    box = "<w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:pict>"
    (page,) = DocxReader().pages(in_body(f"<w:p><w:r><w:t>host</w:t>{box}</w:r></w:p>"), name="x.docx")
    assert [(word.text, word.place) for word in page.words] == [
        ("host", "paragraph 1"),
        ("boxed", "paragraph 1, text box"),
    ]


def encrypted_office_file() -> bytes:
    """The first sectors of a compound file whose directory names the encrypted package."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0") + "EncryptedPackage".encode("utf-16-le")


def old_office_file() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(1024, b"\0")


def workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return buffer.getvalue()


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * 4_000_000)
    assert len(buffer.getvalue()) < 10_000
    return buffer.getvalue()


def empty_word() -> bytes:
    buffer = io.BytesIO()
    docx.Document().save(buffer)
    return buffer.getvalue()


ENTITIES = """<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c SYSTEM "file:///etc/hostname">]>"""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encrypted_office_file(), "encrypted.*without a password"),
        (old_office_file(), r"old \.doc format"),
        (b"PK\x03\x04 cut", "not a Word document or is truncated"),
        (samples.word()[:-100], "not a Word document or is truncated"),
        (workbook(), "not a Word document"),
        (changed(lambda xml: xml[: len(xml) // 2]), "damaged"),
        (bomb(), "unpacks to 4,000,000 bytes"),
        (empty_word(), "no text"),
    ],
)
def test_word_refusals_say_what_to_do(data: bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        DocxReader(max_unpacked_bytes=3_000_000).read(data, name="x.docx")


def test_word_expands_no_entities() -> None:
    data = changed(lambda xml: ENTITIES + xml.partition("?>")[2].replace("Intro", "Intro &b;&c;"))
    assert "haha" not in (text := DocxReader().read(data, name="x.docx").text)
    assert "Intro" in text
