from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from asbuilt.documents import ocr_models
from asbuilt.documents.ocr_rapid import RapidOcr
from asbuilt.documents.ocr_tesseract import TesseractOcr
from asbuilt.errors import MissingError, WorldError
from asbuilt.resources.demand import Assumptions
from asbuilt.roles import Ocr
from asbuilt.testing.ocr_contract import OcrContract, drawn_page

rapid = RapidOcr()


class TestRapidOcr(OcrContract):
    @pytest.fixture
    def ocr(self) -> Ocr:
        return rapid


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="the program is not installed")
class TestTesseractOcr(OcrContract):
    @pytest.fixture
    def ocr(self) -> Ocr:
        return TesseractOcr()


def test_sides_of_cells_are_not_read() -> None:
    page, truth = drawn_page(("25.70", "19.05", "70.11"), size=26)
    left, right = min(box.left for _, box in truth), max(box.right for _, box in truth)
    for x in (round(left) - 5, round(right) + 4):
        page[10:300, x : x + 2] = 150
    assert [word.text for word in rapid.recognize(page, dpi=200)] == [text for text, _ in truth]


@pytest.mark.parametrize("turns", [1, 3])
def test_a_line_that_stands_on_end_is_read(turns: int) -> None:
    page, truth = drawn_page(("Registered office Bonn",), size=26)
    upended = np.ascontiguousarray(np.rot90(page, turns))
    assert sorted(word.text for word in rapid.recognize(upended, dpi=200)) == sorted(
        text for text, _ in truth
    )


def test_a_tilted_line_has_its_words_where_they_are() -> None:
    page, truth = drawn_page(("Total amount due",), size=30)
    turn = cv2.getRotationMatrix2D((320, 200), -4, 1)
    tilted = cv2.warpAffine(page, turn, (640, 400), borderValue=(255, 255, 255))
    words = rapid.recognize(np.asarray(tilted, np.uint8), dpi=200)
    assert [word.text for word in words] == [text for text, _ in truth]
    for word, (_, box) in zip(words, truth, strict=True):
        x, y = turn @ ((box.left + box.right) / 2, (box.top + box.bottom) / 2, 1)
        assert ((word.box.left + word.box.right) / 2, (word.box.top + word.box.bottom) / 2) == pytest.approx(
            (x, y), abs=4
        )


def test_a_doubtful_character_comes_with_its_rivals() -> None:
    page, _ = drawn_page(("8B1O0 l1I 0O",), size=22)
    words = rapid.recognize(page, dpi=200)
    assert any(word.alternatives for word in words)
    for word in words:
        assert sum(other.probability for other in word.alternatives) + word.confidence <= 1.01


def test_nothing_is_loaded_before_the_first_page() -> None:
    reader = RapidOcr()
    assert "rapidocr 3." in reader.recipe
    assert vars(reader)["_models"] is None


def test_open_survives_a_round_trip_through_pickle() -> None:
    reader = RapidOcr(threads=1)
    reader.open()
    again = pickle.loads(pickle.dumps(reader))
    assert vars(again)["_models"] is None
    reader.close()
    reader.close()
    assert again.recognize(drawn_page()[0], dpi=200)


def test_a_model_that_was_changed_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for file in (ocr_models._package() / "models").glob("PP-*.onnx"):
        (tmp_path / "models" / file.name).write_bytes(file.read_bytes()[:-1] + b"?")
    stated = (ocr_models._package() / "default_models.yaml").read_text()
    (tmp_path / "default_models.yaml").write_text(stated)
    monkeypatch.setattr(ocr_models, "_package", lambda: tmp_path)
    with pytest.raises(MissingError, match="SHA-256"):
        RapidOcr().recognize(drawn_page()[0], dpi=200)


def test_without_the_extra_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr_models, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"asbuilt\[ocr\]"):
        RapidOcr().recognize(drawn_page()[0], dpi=200)
    with pytest.raises(MissingError):
        _ = RapidOcr().recipe


def test_without_tesseract_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingError, match="apt install tesseract-ocr"):
        TesseractOcr().open()


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="the program is not installed")
class TestTesseractFailures:
    def test_a_language_that_is_not_there(self) -> None:
        with pytest.raises(MissingError, match="tesseract-ocr-xyz"):
            TesseractOcr(languages="xyz").open()

    def test_a_page_that_takes_too_long(self) -> None:
        with pytest.raises(WorldError, match=r"more than 0\.001 s"):
            TesseractOcr(timeout_s=0.001).recognize(drawn_page()[0], dpi=200)


def test_both_say_what_they_take() -> None:
    config = {"min_confidence": 0.5, "max_megapixels": 24.0, "threads": None}
    parts = RapidOcr.demand(config, Assumptions(chunks=0)).all_parts()
    assert 300 << 20 < sum(part.bytes for part in parts) < 1 << 30
    assert TesseractOcr.demand({}, Assumptions(chunks=0)).all_parts()
