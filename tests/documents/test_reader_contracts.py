from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from tests.documents import hard_files
from tests.documents import samples as files

from asbuilt.documents.docx import DocxReader
from asbuilt.documents.html import HtmlReader
from asbuilt.documents.image import ImageReader
from asbuilt.documents.markdown import MarkdownReader
from asbuilt.documents.pdf import PdfReader
from asbuilt.documents.rst import RstReader
from asbuilt.documents.text import TextReader
from asbuilt.roles import Reader
from asbuilt.testing.reader_contract import PagedReaderContract, ReaderContract

NOT_TEXT = {"nul.bin": b"abc\0def", "controls.bin": bytes(range(1, 32)) * 20, "blank.txt": b" \n\t\r\n"}


class TestTextReaderContract(ReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return TextReader()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        return {
            "plain.txt": b"One line\r\nand another\rthird",
            "marked.txt": "\ufeffMarked".encode(),
            "wide.txt": "Größe 🎉".encode("utf-16"),
        }

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        return {**NOT_TEXT, "half.txt": "Größe".encode("utf-16")[:-1]}


class TestMarkdownReaderContract(ReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return MarkdownReader()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        return {"guide.md": files.MARKDOWN.encode(), "flat.md": b"No heading at all."}

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        return NOT_TEXT


class TestRstReaderContract(ReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return RstReader()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        return {"guide.rst": files.RST.encode(), "dos.rst": files.RST.replace("\n", "\r\n").encode()}

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        return NOT_TEXT


class TestHtmlReaderContract(ReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return HtmlReader()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        return {"page.html": files.HTML.encode(), "bare.html": b"just text"}

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        return {
            **NOT_TEXT,
            "nothing.html": b"<!doctype html><html><body></body></html>",
            "unseen.html": b"<p hidden>unseen</p><script>x</script>",
            "deep.html": b"<div>" * 3_000 + b"lost",
        }


class TestPdfReaderContract(PagedReaderContract):
    @pytest.fixture
    def reader(self) -> Iterator[Reader]:
        reader = PdfReader(max_pages=5, ocr_pages="never")
        yield reader
        reader.close()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        return {
            "paper.pdf": files.pdf([["# Intro", "Hello"], [], ["## More", "World"]], title="A paper"),
            "owner.pdf": files.pdf([["Anyone may read"]], password=""),
        }

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        good = files.pdf([["Hello"]])
        return {
            "notes.pdf": b"not a PDF at all",
            "junk.pdf": b"%PDF-1.7\nnothing\n%%EOF",
            "cut.pdf": good[: len(good) // 2],
            "tail.pdf": good[:-30],
            "locked.pdf": files.pdf([["secret"]], password="user"),
            "scan.pdf": files.image_pdf(),
            "pageless.pdf": files.pageless_pdf(),
            "long.pdf": files.pdf([["page"]] * 6),
        }


class TestImageReaderContract(PagedReaderContract):
    @pytest.fixture
    def reader(self) -> Iterator[Reader]:
        reader = ImageReader(ocr=hard_files.FixedOcr(), max_pages=2)
        yield reader
        reader.close()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        page = hard_files.photographed(dpi=50)
        return {
            "page.png": hard_files.encoded(page),
            "page.jpg": hard_files.encoded(page, "JPEG"),
            "leaves.tif": hard_files.encoded(page, "TIFF", save_all=True, append_images=[page]),
        }

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        page = hard_files.photographed(dpi=50)
        return {
            "notes.png": b"not an image",
            "cut.png": hard_files.encoded(page)[:200],
            "film.tif": hard_files.encoded(page, "TIFF", save_all=True, append_images=[page] * 2),
        }


class TestDocxReaderContract(PagedReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return DocxReader()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        return {"letter.docx": files.word()}

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        good = files.word()
        return {"notes.docx": b"not a ZIP", "cut.docx": good[: len(good) // 2], "head.docx": good[:200]}
