"""The whole way, on the shipped pattern with its real encoder and on files of several kinds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from reportlab.pdfgen.canvas import Canvas

from asbuilt.blueprint.pattern import write_pattern
from asbuilt.catalog import Catalog
from asbuilt.documents.pdf import PdfReader
from asbuilt.errors import NotFoundError, ReadError, UserError
from asbuilt.modalities import InputFile, Sight, Task, TaskKind
from asbuilt.multimodal.classify import ClassifyHead
from asbuilt.multimodal.formatters import JsonFormatter
from asbuilt.multimodal.fusion import WeightedFusion
from asbuilt.multimodal.processor import MultimodalProcessor
from asbuilt.multimodal.quote import QuoteHead
from asbuilt.multimodal.retrieve import RetrieveHead
from asbuilt.multimodal.router import PageRouter
from asbuilt.pages import PageLayout
from asbuilt.roles import Image as Picture
from asbuilt.roles import Processor
from asbuilt.system import System
from asbuilt.testing.fake_embedder import FakeEmbedder
from asbuilt.types import Vector


class RedEncoder:
    """Knows how red a page is, and whether a query asks for red."""

    name = "red"
    describes = "It knows red."
    recipe = "red 1"

    def __init__(self, *, reads: bool = True) -> None:
        self._reads = reads

    def encode(self, picture: Picture | None, page: PageLayout) -> Sight | None:
        if picture is None:
            return None
        red = float(np.mean((picture[..., 0] > 150) & (picture[..., 1] < 100)))
        return Sight(np.array([red, (1 - red**2) ** 0.5], np.float32))

    def encode_query(self, query: str) -> Vector | None:
        return np.array([1, 0], np.float32) if self._reads else None


def pdf(file: Path, *pages: str, red: bool = False) -> InputFile:
    canvas = Canvas(str(file), invariant=True)
    for page in pages:
        if red:
            canvas.setFillColorRGB(0.9, 0.1, 0.1)
            canvas.rect(100, 100, 400, 500, fill=1)
            canvas.setFillColorRGB(0, 0, 0)
        canvas.drawString(72, 720, page)
        canvas.showPage()
    canvas.save()
    return InputFile(file.name, file.read_bytes)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    opened = Catalog(file=tmp_path / "catalog.sqlite")
    opened.open()
    return opened


def made(catalog: Catalog, *encoders: RedEncoder) -> MultimodalProcessor:
    return MultimodalProcessor(
        router=PageRouter(readers=(PdfReader(),), unnamed_readers={}, catalog=catalog),
        text_encoder=FakeEmbedder(),
        vision_encoders=encoders,
        fusion=WeightedFusion(),
        heads=(RetrieveHead(), ClassifyHead(), QuoteHead()),
        formatters=(JsonFormatter(),),
    )


def test_one_list_over_words_and_pictures(tmp_path: Path, catalog: Catalog) -> None:
    files = (
        pdf(tmp_path / "words.pdf", "About something else", "A page that speaks of apples"),
        pdf(tmp_path / "look.pdf", "Nothing of that", red=True),
    )
    processor = made(catalog, RedEncoder())
    assert isinstance(processor, Processor)
    ranked = processor.process(Task("retrieve", files, query="apples")).output.ranked
    by_page = {(page.source, page.page): page for page in ranked}
    assert by_page["look.pdf", 1].shares["picture"] > 0.5
    assert by_page["words.pdf", 2].shares["text"] > 0.5
    assert {page.rank for page in ranked[:2]} == {1, 2}
    assert {(page.source, page.page) for page in ranked[:2]} == {("look.pdf", 1), ("words.pdf", 2)}


def test_an_encoder_that_cannot_read_a_query_is_noted(tmp_path: Path, catalog: Catalog) -> None:
    result = made(catalog, RedEncoder(reads=False)).process(
        Task("retrieve", (pdf(tmp_path / "a.pdf", "apples"),), query="apples")
    )
    assert result.output.notes == ("red took no part: it cannot compare words with pictures. It knows red.",)
    assert json.loads(result.text)["notes"] == list(result.output.notes)


def test_a_file_that_cannot_be_read_stops_no_other(tmp_path: Path, catalog: Catalog) -> None:
    def gone() -> bytes:
        raise ReadError("'gone.pdf' cannot be read.")

    files = (
        InputFile("broken.pdf", lambda: b"%PDF-1.7 and no more"),
        InputFile("gone.pdf", gone),
        pdf(tmp_path / "a.pdf", "The price is 12 EUR."),
    )
    output = made(catalog).process(Task("answer", files, query="What is the price?")).output
    assert output.answer is not None
    assert output.answer.text == "The price is 12 EUR."
    assert [fault.partition(":")[0] for fault in output.faults] == ["broken.pdf", "gone.pdf"]


def test_classes_by_look_alone(tmp_path: Path, catalog: Catalog) -> None:
    examples = tuple(
        InputFile(file.name, file.load, label)
        for number in (1, 2)
        for label in ("red", "plain")
        for file in [pdf(tmp_path / f"{label}{number}.pdf", "same words", red=label == "red")]
    )
    asked = (pdf(tmp_path / "x.pdf", "same words", red=True), pdf(tmp_path / "y.pdf", "same words"))
    output = made(catalog, RedEncoder()).process(Task("classify", asked, examples=examples)).output
    assert [(each.source, each.label) for each in output.classified] == [
        ("x.pdf", "red"),
        ("y.pdf", "plain"),
    ]
    assert output.classified[0].shares["picture.red"] > 0.9


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("retrieve", "there is no query"),
        ("answer", "there is no question"),
        ("classify", "there are no examples"),
    ],
)
def test_a_task_without_what_it_needs(tmp_path: Path, catalog: Catalog, kind: TaskKind, fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        made(catalog).process(Task(kind, (pdf(tmp_path / "a.pdf", "x"),)))


def test_a_task_that_nobody_does(tmp_path: Path, catalog: Catalog) -> None:
    file = pdf(tmp_path / "a.pdf", "x")
    with pytest.raises(UserError, match="there is no formatter 'xml'; there are: json"):
        made(catalog).process(Task("answer", (file,), query="x", format="xml"))
    with pytest.raises(UserError, match="there is no file to process"):
        made(catalog).process(Task("answer", (), query="x"))
    with pytest.raises(UserError, match="top_k is 0"):
        made(catalog).process(Task("answer", (file,), query="x", top_k=0))
    with pytest.raises(UserError, match="two vision encoders have one name"):
        made(catalog, RedEncoder(), RedEncoder())


def test_pages_are_read_once(tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("retrieve", (pdf(tmp_path / "a.pdf", "apples", "pears"),), query="apples")
    first = made(catalog).process(task)
    monkeypatch.setattr(PdfReader, "pages", lambda *_args, **_more: pytest.fail("it was read again"))
    assert made(catalog).process(task) == first


# ---------------------------------------------------------------- the shipped pattern


def test_the_pattern_runs_on_its_own_documents_and_on_a_picture(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_pattern("multimodal", folder)
    picture = Image.new("RGB", (900, 300), "white")
    ImageDraw.Draw(picture).text((40, 100), "Opening hours: 9 to 17", fill="black", font_size=48)
    picture.save(folder / "documents" / "sign.png")
    files = tuple(InputFile(file.name, file.read_bytes) for file in sorted((folder / "documents").iterdir()))
    examples = tuple(
        InputFile(str(file), file.read_bytes, file.parent.name)
        for file in sorted((folder / "examples").glob("*/*"))
    )
    with System.load(folder / "blueprint.yaml") as system:
        found = system.process(Task("retrieve", files, query="opening hours of the shop", format="text"))
        told = system.process(Task("classify", files[:3], examples=examples))
        answer = system.process(Task("answer", files, query="What is the unit price of the floor lamp?"))
    assert found.output.ranked[0].source == "sign.png"
    assert "page-features took no part" in found.text
    assert [each.label for each in told.output.classified] == ["letter", "invoice", "price-list"]
    assert json.loads(answer.text)["answer"]["text"] == "89.90"


def test_a_blueprint_without_a_processor_says_so(tmp_path: Path) -> None:
    write_pattern("document-intelligence", tmp_path / "mine")
    with (
        System.load(tmp_path / "mine" / "blueprint.yaml") as system,
        pytest.raises(NotFoundError, match="no component that plays 'processor'"),
    ):
        system.process(Task("answer", (), query="x"))
