"""Files of several kinds, made here and read with the real readers."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table

from asbuilt.catalog import Catalog
from asbuilt.documents.csv import CsvReader
from asbuilt.documents.image import ImageReader
from asbuilt.documents.markdown import MarkdownReader
from asbuilt.documents.pdf import PdfReader
from asbuilt.documents.text import TextReader
from asbuilt.errors import ReadError, UserError
from asbuilt.modalities import RoutedPage
from asbuilt.multimodal.router import PageRouter
from asbuilt.pages import PageLayout
from asbuilt.roles import InputRouter, Reader

READERS: dict[str, Reader] = {
    "csv": CsvReader(),
    "images": ImageReader(),
    "markdown": MarkdownReader(),
    "pdf": PdfReader(),
    "text": TextReader(),
}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(file=tmp_path / "catalog.sqlite")
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def router(catalog: Catalog) -> PageRouter:
    return PageRouter(unnamed_readers=READERS, catalog=catalog)


def pdf() -> bytes:
    """Two pages: a sentence over a ruled table, and a sentence alone."""
    written = BytesIO()
    canvas = Canvas(written, pagesize=A4, invariant=True)
    canvas.drawString(72, 770, "What was sold in the first quarter.")
    table = Table([["Item", "Sum"], ["Bolts", "1.20"], ["Nuts", "3.40"]], colWidths=120)
    table.setStyle([("GRID", (0, 0), (-1, -1), 1, colors.black)])
    table.wrapOn(canvas, 400, 400)
    table.drawOn(canvas, 72, 600)
    canvas.showPage()
    canvas.drawString(72, 770, "The second page says nothing.")
    canvas.showPage()
    canvas.save()
    return written.getvalue()


def png(colour: str = "red") -> bytes:
    image = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 149, 199), fill=colour)
    written = BytesIO()
    image.save(written, "PNG", dpi=(144, 144))
    return written.getvalue()


def kinds(page: RoutedPage) -> list[str]:
    return [part.modality for part in page.parts]


def test_plays_the_role(router: PageRouter) -> None:
    assert isinstance(router, InputRouter)


def test_a_pdf_is_taken_apart(router: PageRouter) -> None:
    first, second = router.route(pdf(), name="sold.pdf")
    assert (first.source, first.layout.number, second.layout.number) == ("sold.pdf", 1, 2)
    assert kinds(first) == ["text", "table", "picture"]
    assert kinds(second) == ["text", "picture"]
    passage, table, whole = first.parts
    assert passage.text == "What was sold in the first quarter."
    assert table.rows == (("Item", "Sum"), ("Bolts", "1.20"), ("Nuts", "3.40"))
    assert "Bolts" in whole.text
    assert "quarter" in whole.text
    assert passage.box.bottom < table.box.top
    assert second.picture is not None
    assert second.picture.shape == (842, 595, 3)  # 72 dpi: a point is a pixel
    assert second.picture.dtype == np.uint8
    assert second.picture.flags.c_contiguous


def test_the_picture_is_of_its_page(router: PageRouter) -> None:
    first, _ = router.route(pdf(), name="sold.pdf")
    assert first.picture is not None
    box = first.parts[1].box
    inside = first.picture[int(box.top) : int(box.bottom) + 1, int(box.left) : int(box.right) + 1]
    outside = first.picture[int(box.bottom) + 3 :]
    assert inside.min() < 128
    assert outside.min() == 255


def test_an_image_is_a_page_with_its_picture(router: PageRouter) -> None:
    [page] = router.route(png(), name="photo.png")
    assert page.picture is not None
    assert page.picture.shape[1] / page.picture.shape[0] == pytest.approx(1.5, abs=0.02)
    width = page.picture.shape[1]
    np.testing.assert_array_equal(page.picture[10, width // 4], (255, 0, 0))
    np.testing.assert_array_equal(page.picture[10, 3 * width // 4], (255, 255, 255))
    larger = router.picture(png(), name="photo.png", page=page.layout, dpi=144)
    assert larger is not None
    assert larger.shape == (200, 300, 3)


def test_a_table_of_values_has_no_look_of_its_own(router: PageRouter) -> None:
    data = b"Item,Sum\nBolts,1.20\nNuts,3.40\n"
    [page] = router.route(data, name="sold.csv")
    assert page.picture is None
    assert router.picture(data, name="sold.csv", page=page.layout, dpi=72) is None
    tables = [part for part in page.parts if part.modality == "table"]
    assert [table.rows for table in tables] == [(("Item", "Sum"), ("Bolts", "1.20"), ("Nuts", "3.40"))]


def test_a_format_without_pages_is_drawn_on_some(router: PageRouter) -> None:
    [page] = router.route(b"# Queues\n\nHow to purge a queue.\n", name="queues.md")
    assert page.layout.kind == "drawn"
    assert page.picture is None
    assert "How to purge a queue." in "\n".join(part.text for part in page.parts if part.modality == "text")


def test_it_goes_by_what_a_file_holds(router: PageRouter) -> None:
    assert len(list(router.route(pdf(), name="sold.txt"))) == 2
    [page] = router.route(png(), name="photo")
    assert page.picture is not None


def test_a_named_reader_wins_over_the_others(catalog: Catalog) -> None:
    class Marked(CsvReader):
        def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
            yield PageLayout(1, 100, 100, name="mine", kind="drawn")

    router = PageRouter(readers=(Marked(),), unnamed_readers=READERS, catalog=catalog)
    [page] = router.route(b"a,b\n1,2\n3,4\n", name="x.csv")
    assert page.layout.name == "mine"
    assert page.parts == ()


def test_no_page_is_read_twice(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    first = list(PageRouter(unnamed_readers=READERS, catalog=catalog).route(pdf(), name="sold.pdf"))

    def fail(*_: object, **__: object) -> Iterator[PageLayout]:
        raise AssertionError

    monkeypatch.setattr(PdfReader, "pages", fail)
    again = list(PageRouter(unnamed_readers=READERS, catalog=catalog).route(pdf(), name="other.pdf"))
    assert [page.layout for page in again] == [page.layout for page in first]
    assert [page.parts for page in again] == [page.parts for page in first]


def test_a_file_of_too_many_pages_is_refused_after_those_that_are_allowed(catalog: Catalog) -> None:
    router = PageRouter(unnamed_readers=READERS, catalog=catalog, max_pages=1)
    pages = router.route(pdf(), name="sold.pdf")
    assert next(pages).layout.number == 1
    with pytest.raises(ReadError, match=r"'sold\.pdf' has more than 1 pages\. Raise max_pages"):
        next(pages)


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("no.pdf", b"", "'no.pdf' is empty"),
        ("cut.pdf", b"%PDF-1.7 and no more", "cut.pdf"),
        ("blob", b"\x00\x01\x02" * 99, "'blob' is binary"),
    ],
)
def test_what_cannot_be_read_is_a_read_error(router: PageRouter, name: str, data: bytes, fault: str) -> None:
    with pytest.raises(ReadError, match=fault):
        list(router.route(data, name=name))


def test_a_page_that_cannot_be_drawn_keeps_its_words(router: PageRouter) -> None:
    [page, _] = router.route(pdf(), name="sold.pdf")
    assert router.picture(b"%PDF-1.7 and no more", name="gone.pdf", page=page.layout, dpi=72) is None


def test_its_recipe_says_how_pages_are_read_and_drawn(catalog: Catalog) -> None:
    recipe = PageRouter(unnamed_readers=READERS, catalog=catalog).recipe
    assert "72" in recipe
    assert PdfReader().recipe in recipe
    others = dict(reversed(READERS.items()))
    assert PageRouter(unnamed_readers=others, catalog=catalog).recipe == recipe
    assert PageRouter(unnamed_readers=READERS, catalog=catalog, dpi=150).recipe != recipe


@pytest.mark.parametrize("dpi", [17.9, 301.0, float("nan")])
def test_a_resolution_out_of_range(catalog: Catalog, dpi: float) -> None:
    with pytest.raises(UserError, match="it must be 18 to 300"):
        PageRouter(unnamed_readers=READERS, catalog=catalog, dpi=dpi)


def test_no_page_at_all(catalog: Catalog) -> None:
    with pytest.raises(UserError, match="max_pages is 0; it must be at least 1"):
        PageRouter(unnamed_readers=READERS, catalog=catalog, max_pages=0)
