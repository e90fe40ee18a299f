from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from asbuilt.documents.ocr_rapid import RapidOcr
from asbuilt.documents.upright import upright
from asbuilt.roles import Image
from asbuilt.testing.ocr_contract import drawn_page

PROSE = (
    "The parties agree that the goods shall be",
    "delivered to the address of the buyer by the",
    "end of the month, and that the price holds.",
    "Payment is due thirty days after delivery.",
    "Any dispute is settled by the courts of Bonn.",
)


@pytest.fixture(scope="module")
def page() -> Image:
    return drawn_page(PROSE, size=22, width=620, height=560)[0]


def laid(image: Image, *, quarter: int = 0, skew: float = 0.0, level: int = 255) -> Image:
    """The page as it lies on a scanner: tilted clockwise by `skew`, then turned by quarters."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -skew, 1)
    tilted = cv2.warpAffine(image, turn, (width, height), borderValue=(level,) * 3)
    return np.ascontiguousarray(np.rot90(tilted, -quarter))


@pytest.mark.parametrize("skew", [0.0, 0.3, -1.7, 6.2, -14.0])
@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_finds_how_the_page_lies(page: Image, quarter: int, skew: float) -> None:
    found = upright(laid(page, quarter=quarter, skew=skew))
    assert found.rotation == 90 * quarter
    assert found.skew == pytest.approx(skew, abs=0.15)


@pytest.mark.parametrize(("quarter", "skew"), [(0, 0.0), (1, 2.5), (2, 0.0), (3, -4.0)])
def test_the_matrix_leads_to_the_same_ink(page: Image, quarter: int, skew: float) -> None:
    source = laid(page, quarter=quarter, skew=skew)
    found = upright(source)
    dark = np.argwhere(source[:, :, 0] < 60)[::50]
    moved = np.column_stack((dark[:, ::-1], np.ones(len(dark)))) @ found.to_upright.T
    x, y = moved.round().astype(int).T
    assert np.median(found.image[y, x, 0]) < 110


@pytest.mark.parametrize("level", [255, 228])
def test_the_background_goes_on_in_the_corners(page: Image, level: int) -> None:
    paper = np.minimum(page, level).astype(np.uint8)
    found = upright(laid(paper, skew=8.0, level=level)).image
    assert [int(found[y, x, 0]) for y in (0, -1) for x in (0, -1)] == [level] * 4


def test_nothing_is_cut_off(page: Image) -> None:
    found = upright(laid(page, skew=10.0))
    assert found.image.shape[0] >= 560 * math.cos(math.radians(10))
    assert found.image.shape[1] >= 620 * math.cos(math.radians(10))


@pytest.mark.parametrize("level", [0, 255])
def test_an_empty_page_is_left_alone(level: int) -> None:
    blank = np.full((300, 200, 3), level, np.uint8)
    found = upright(blank)
    assert (found.rotation, found.skew) == (0, 0.0)
    assert found.image is blank


def test_a_straight_page_keeps_its_pixels(page: Image) -> None:
    assert np.array_equal(upright(page).image, page)


def test_capitals_and_digits_are_decided_by_reading() -> None:
    page, _ = drawn_page(("TOTAL 41.37 EUR", "VAT 19 % 6.61", "CASH 50.00"), size=26)
    assert upright(page, ocr=None).rotation == 0
    assert upright(laid(page, quarter=2)).rotation == 0, "no letter tells, so it is left as it is"
    assert upright(laid(page, quarter=2), ocr=RapidOcr()).rotation == 180
