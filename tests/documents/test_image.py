from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from tests.documents import hard_files as files

from asbuilt.documents.image import ImageReader
from asbuilt.documents.image_file import ImageFile
from asbuilt.documents.render import page_picture
from asbuilt.errors import ReadError
from asbuilt.pages import Box

PAGE = files.photographed(dpi=100)
CORNER = Pillow.new("RGB", (300, 200), "white")
CORNER.paste((200, 0, 0), (0, 0, 60, 40))  # red at the top left


@pytest.fixture(scope="module")
def reader() -> Iterator[ImageReader]:
    reader = ImageReader(ocr=files.FixedOcr())
    yield reader
    reader.close()


def pixels(data: bytes, number: int = 1, *, dpi: float = 72.0) -> np.ndarray[Any, Any]:
    file = ImageFile(data, name="x", max_pages=100)
    try:
        return file.picture(number, dpi=dpi)
    finally:
        file.close()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_formats(reader: ImageReader, kind: str) -> None:
    document = reader.read(files.encoded(PAGE, kind, dpi=(100, 100)), name="x")
    assert document.text == "read from pixels"
    assert document.media_type == f"image/{kind.lower()}"


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "F"])
def test_modes_give_the_same_page(mode: str) -> None:
    if mode == "I;16":
        image = Pillow.fromarray(np.asarray(PAGE.convert("L")).astype(np.uint16) * 257)
    else:
        image = PAGE.convert(mode)
    data = files.encoded(image, "TIFF" if mode in ("CMYK", "F", "I;16") else "PNG")
    wanted = np.asarray(PAGE.convert("L"), np.int16)
    got = pixels(data, dpi=96)
    assert got.shape[2] == 3
    shrunk = np.asarray(
        PAGE.resize((got.shape[1], got.shape[0]), Pillow.Resampling.LANCZOS).convert("L"), np.int16
    )
    assert wanted.mean() == pytest.approx(got.mean(), abs=3)
    assert np.abs(got.mean(axis=2) - shrunk).mean() < (12 if mode == "1" else 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_of_a_camera_is_undone(kind: str, orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that each one was stored by
    stored = CORNER if orientation == 1 else CORNER.transpose(Pillow.Transpose(undo[orientation]))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    got = pixels(files.encoded(stored, kind, exif=exif.tobytes() if kind == "TIFF" else exif), dpi=96)
    assert got.shape[0] < got.shape[1]
    red = (got[:, :, 0] > 150) & (got[:, :, 1] < 80)
    assert red[:10, :10].all()
    assert not red[-10:].any()
    assert not red[:, -10:].any()


def test_transparent_is_white() -> None:
    assert pixels(files.encoded(Pillow.new("RGBA", (50, 50), (0, 0, 0, 0)))).min() == 255


def test_pages_of_a_tiff() -> None:
    leaves = [PAGE, CORNER.resize((100, 100)), PAGE.rotate(90, expand=True)]
    data = files.encoded(leaves[0], "TIFF", save_all=True, append_images=leaves[1:], dpi=(100, 100))
    file = ImageFile(data, name="x.tiff", max_pages=3)
    contents = file.contents()
    file.close()
    assert contents.pages == 3
    assert contents.sizes[0] == pytest.approx(files.SIZE, abs=1)
    assert contents.sizes[2] == pytest.approx((files.SIZE[1], files.SIZE[0]), abs=1)
    assert pixels(data, 2, dpi=100).shape == (100, 100, 3)


def test_dots_of_a_fax_are_made_square() -> None:
    fax = PAGE.resize((2 * PAGE.width, PAGE.height)).convert("1")
    file = ImageFile(files.encoded(fax, "TIFF", dpi=(200, 100)), name="x.tif", max_pages=1)
    assert file.contents().sizes[0] == pytest.approx(files.SIZE, abs=1)
    assert file.picture(1, dpi=100).shape[:2] == pytest.approx((PAGE.height, PAGE.width), abs=1)
    file.close()


@pytest.mark.parametrize("dpi", [None, (72, 72), (1, 1)])
def test_a_scale_that_cannot_be_believed_makes_a_page_of_eleven_inches(dpi: tuple[int, int] | None) -> None:
    image = Pillow.new("L", (1700, 2200), 255)
    file = ImageFile(files.encoded(image, dpi=dpi or (0, 0)), name="x.png", max_pages=1)
    assert file.contents().sizes == ((612, 792),)
    file.close()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_a_picture_of_many_pixels_is_worked_on_smaller(kind: str) -> None:
    image = Pillow.new("L", (9_000, 8_000), 255)
    image.paste(0, (0, 0, 4_500, 4_000))
    file = ImageFile(files.encoded(image, kind, dpi=(600, 600)), name="x", max_pages=1)
    got = file.picture(1, dpi=72)
    file.close()
    assert got.shape == (960, 1080, 3)
    assert got[:470, :530].max() < 10
    assert got[490:].min() > 245


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no image"),
        (b"GIF89a" + bytes(100), "no image"),
        (b"%PDF-1.7", "no image"),
        (files.encoded(PAGE)[:40], "image"),
    ],
)
def test_what_is_no_image_is_refused(reader: ImageReader, data: bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        reader.read(data, name="x.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_a_cut_picture_is_refused(reader: ImageReader, kind: str) -> None:
    whole = files.encoded(PAGE, kind, **({"compression": "tiff_lzw"} if kind == "TIFF" else {}))
    # What a TIFF has of directories stands at its end, where this would cut them off.
    data = whole.replace(whole[100:400], bytes(300)) if kind == "TIFF" else whole[: len(whole) * 2 // 3]
    with pytest.raises(ReadError, match="no page of 'x' can be read: the image is damaged: "):
        list(reader.pages(data, name="x"))


def test_a_cut_webp_is_refused(reader: ImageReader) -> None:
    with pytest.raises(ReadError, match="image"):
        reader.read(files.encoded(PAGE, "WEBP")[:900], name="x.webp")


@pytest.mark.slow
def test_twenty_thousand_pixels_a_side(reader: ImageReader) -> None:
    data = files.png_of(20_000, 20_000)
    (page,) = reader.pages(data, name="wide.png")
    assert page.text == "read from pixels"
    assert page.width == pytest.approx(page.height)


@pytest.mark.slow
def test_a_bomb_is_refused_in_one_line(reader: ImageReader) -> None:
    with pytest.raises(
        ReadError, match=r"'bomb.png' can be read: the image has 60,000 x 12,000 pixels.*600 MB"
    ):
        reader.read(files.png_of(60_000, 12_000), name="bomb.png")


def test_a_damaged_page_among_good_ones(reader: ImageReader) -> None:
    leaves = [PAGE, PAGE.rotate(180), PAGE]
    data = files.encoded(leaves[0], "TIFF", save_all=True, append_images=leaves[1:], compression="tiff_lzw")
    second = Pillow.open(io.BytesIO(data))
    second.seek(1)
    start = second.tag_v2[273][0]  # type: ignore[attr-defined]  # where its first strip stands
    pages = list(reader.pages(data[:start] + bytes(2_000) + data[start + 2_000 :], name="x.tif"))
    assert [page.text for page in pages] == ["read from pixels", "", "read from pixels"]
    assert pages[1].flags[0].startswith("page could not be read: the image is damaged: ")


def test_a_part_of_a_page_is_what_its_box_shows(reader: ImageReader) -> None:
    data = files.encoded(CORNER, dpi=(100, 100))
    (page,) = reader.pages(data, name="x.png")
    whole = page_picture(data, name="x.png", page=page, dpi=100)
    assert whole.shape == (200, 300, 3)
    assert (whole == np.asarray(CORNER)).all()
    part = page_picture(data, name="x.png", page=page, dpi=100, box=Box(36, 21.6, 72, 36))
    assert (part == whole[30:50, 50:100]).all()
