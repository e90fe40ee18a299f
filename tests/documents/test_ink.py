from __future__ import annotations

import cv2
import numpy as np
import pytest

from asbuilt.documents.ink import has_ink, pictures, rulings
from asbuilt.pages import Box, Word
from asbuilt.roles import Image
from asbuilt.testing.ocr_contract import drawn_page

DPI = 200


@pytest.fixture
def blank() -> Image:
    return np.full((900, 1200, 3), 250, np.uint8)


def speckled(image: Image, *, seed: int = 3) -> Image:
    noise = np.random.default_rng(seed).normal(0, 5, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.7) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("level", [0, 120, 190])
@pytest.mark.parametrize("width", [1, 3, 6])
def test_finds_a_grid(blank: Image, scan: bool, level: int, width: int) -> None:
    for at in (100, 300, 500):
        blank[at : at + width, 100:1100] = level
    for at in (100, 600, 1100):
        blank[100 : 500 + width, at : at + width] = level
    found = rulings(speckled(blank) if scan else blank, dpi=DPI)
    across = [line for line in found if line.horizontal]
    down = [line for line in found if not line.horizontal]
    assert [round(line.y0) for line in across] == pytest.approx([100, 300, 500], abs=3)
    assert sorted(round(line.x0) for line in down) == pytest.approx([100, 600, 1100], abs=3)
    for line in across:
        assert (line.x0, line.x1) == pytest.approx((100, 1100), abs=8)
        assert line.width == pytest.approx(width, abs=1.6)
    for line in down:
        assert (line.y0, line.y1) == pytest.approx((100, 500), abs=8)


def test_a_broken_line_is_one(blank: Image) -> None:
    cv2.line(blank, (100, 300), (1100, 300), (0, 0, 0), 2)
    for at in range(150, 1100, 90):
        blank[:, at : at + 5] = 250
    found = rulings(blank, dpi=DPI)
    assert len(found) == 1
    assert (found[0].x0, found[0].x1) == pytest.approx((100, 1100), abs=2)


def test_a_tilted_line_is_one(blank: Image) -> None:
    cv2.line(blank, (100, 300), (1100, 308), (0, 0, 0), 2)
    (line,) = rulings(blank, dpi=DPI)
    assert (line.y0, line.y1) == pytest.approx((300, 308), abs=1.5)


def test_letters_are_not_lines() -> None:
    page, _ = drawn_page(
        ("HELLO LITTLE TEETH", "EFFECT --- FIFTH TILE", "delivery illicit"), size=30, width=900
    )
    assert rulings(page, dpi=DPI) == ()


def test_blurred_small_print_is_no_line() -> None:
    page, _ = drawn_page(("the amount of an invoice is due within thirty days of its date",) * 6, size=14)
    assert rulings(speckled(np.asarray(cv2.GaussianBlur(page, (0, 0), 1.2), np.uint8)), dpi=DPI) == ()


def test_filled_bands_are_not_lines(blank: Image) -> None:
    blank[200:260, 100:1000] = 40
    assert rulings(blank, dpi=DPI) == ()


def photograph(width: int, height: int) -> Image:
    grain = np.random.default_rng(1).integers(0, 200, (6, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("scan", [False, True])
def test_finds_a_photograph_between_words(blank: Image, scan: bool) -> None:
    text, truth = drawn_page(("An invoice with", "a logo beside it"))
    blank[:400, :640] = text
    blank[450:700, 700:1100] = photograph(400, 250)
    words = [Word(each, box) for each, box in truth]
    (found,) = pictures(speckled(blank) if scan else blank, words, dpi=DPI)
    assert found.iou(Box(700, 450, 1100, 700)) > 0.9


def test_a_stamp_is_a_picture_though_it_has_a_word(blank: Image) -> None:
    cv2.circle(blank, (600, 400), 90, (200, 40, 40), 5)
    cv2.putText(blank, "PAID", (550, 410), 0, 1.2, (200, 40, 40), 3)
    (found,) = pictures(blank, [Word("PAID", Box(548, 380, 652, 414))], dpi=DPI)
    assert found.iou(Box(508, 308, 693, 493)) > 0.85


def test_words_and_tables_are_no_pictures(blank: Image) -> None:
    text, truth = drawn_page(("An invoice with", "no logo at all"))
    blank[:400, :640] = text
    for at in (450, 550, 650):
        cv2.line(blank, (100, at), (1100, at), (0, 0, 0), 2)
    for at in (100, 600, 1100):
        cv2.line(blank, (at, 450), (at, 650), (0, 0, 0), 2)
    assert pictures(blank, [Word(each, box) for each, box in truth], dpi=DPI) == ()


def test_an_empty_page_has_neither(blank: Image) -> None:
    assert rulings(blank, dpi=DPI) == ()
    assert pictures(blank, [], dpi=DPI) == ()


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (400, 2)])
def test_tiny_pictures(shape: tuple[int, int]) -> None:
    tiny = np.full((*shape, 3), 255, np.uint8)
    assert rulings(tiny, dpi=DPI) == ()
    assert pictures(tiny, [], dpi=DPI) == ()


def test_ink_is_what_can_be_seen(blank: Image) -> None:
    cv2.putText(blank, "Total", (100, 100), 0, 1.0, (0, 0, 0), 2)
    cv2.putText(blank, "Total", (100, 300), 0, 1.0, (245, 245, 245), 2)
    assert has_ink(blank, Box(95, 75, 190, 105))
    assert not has_ink(blank, Box(95, 275, 190, 305)), "white on white"
    assert not has_ink(blank, Box(2000, 2000, 2100, 2100)), "outside of the page"
    blank[400:500, 90:300] = 20
    cv2.putText(blank, "Total", (100, 460), 0, 1.0, (255, 255, 255), 2)
    assert has_ink(blank, Box(95, 435, 190, 465)), "white on black"
