"""A PDF of the pages as they were read: a picture of each, and its words, invisible, in their places.

Written as PDF 1.5 (ISO 32000-1) without a library: pictures as JPEG, and one font without glyphs, as
text in rendering mode 3 shows none; its ToUnicode map (9.10.3) gives each code its character.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator

from PIL import Image as Pillow

from asbuilt.documents.render import page_picture
from asbuilt.errors import ReadError
from asbuilt.extraction.crops import PagePicture
from asbuilt.pages import PageLayout, Word

__all__ = ["searchable_pdf"]

_DPI = 150.0
_QUALITY = 70
_INVISIBLE, _FILLED = 3, 0
_ADVANCE = 0.6  # of the font size: every character's, stretched then to the word's box
_DESCENT = 0.2  # of the box's height that lies below the baseline
_MOST_CHARACTERS = 65_000


def searchable_pdf(
    pages: Iterable[PageLayout], data: bytes, *, name: str, picture: PagePicture = page_picture
) -> bytes:
    """The pages of the file `name` with the bytes `data`, so that text can be found and selected.

    Pages without a look show their words in a plain font. A page that cannot be drawn is blank, with
    its words. The same pages give the same bytes, with the same Pillow.
    """
    out = _Pdf()
    for page in pages:
        out.page(page, _jpeg(page, data, name, picture))
    return out.finished()


def _jpeg(page: PageLayout, data: bytes, name: str, picture: PagePicture) -> tuple[bytes, int, int] | None:
    """The page's picture with its width and height in pixels."""
    if page.kind == "drawn":
        return None
    try:
        shown = Pillow.fromarray(picture(data, name=name, page=page, dpi=_DPI, box=None))
    except ReadError:
        return None
    out = io.BytesIO()
    shown.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue(), shown.width, shown.height


class _Pdf:
    """A PDF as it grows. Objects 1 to 6 are those that all pages share."""

    _SHARED = 6

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._objects: list[bytes] = []
        self._pages: list[int] = []

    def page(self, page: PageLayout, jpeg: tuple[bytes, int, int] | None) -> None:
        resources = b"/Font << /F 3 0 R /V 6 0 R >>"
        content = b""
        if jpeg is not None:
            pixels, width, height = jpeg
            image = self._add(
                b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB "
                b"/BitsPerComponent 8 /Filter /DCTDecode /Length %d >>\nstream\n%s\nendstream"
                % (width, height, len(pixels), pixels)
            )
            resources += b" /XObject << /I %d 0 R >>" % image
            content = b"q %s 0 0 %s 0 0 cm /I Do Q\n" % (_n(page.width), _n(page.height))
        if page.kind == "drawn":
            content += b"".join(self._visible(word, page.height) for word in page.words)
        content += b"".join(self._invisible(word, page.height) for word in page.words)
        stream = self._add(_stream(content))
        number = self._add(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %s %s] /Resources << %s >> /Contents %d 0 R >>"
            % (_n(page.width), _n(page.height), resources, stream)
        )
        self._pages.append(number)

    def finished(self) -> bytes:
        kids = b" ".join(b"%d 0 R" % number for number in self._pages)
        shared = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(self._pages)),
            b"<< /Type /Font /Subtype /Type0 /BaseFont /Words /Encoding /Identity-H "
            b"/DescendantFonts [4 0 R] /ToUnicode 5 0 R >>",
            b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Words /DW %d /CIDSystemInfo << /Registry "
            b"(Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor << /Type /FontDescriptor "
            b"/FontName /Words /Flags 4 /FontBBox [0 -200 1000 800] /ItalicAngle 0 /Ascent 800 "
            b"/Descent -200 /CapHeight 700 /StemV 80 >> >>" % (1000 * _ADVANCE),
            _stream(self._to_unicode()),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
        ]
        out = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
        offsets = []
        for number, content in enumerate([*shared, *self._objects], start=1):
            offsets.append(len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
        table = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
        out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, table)
        return bytes(out)

    def _add(self, content: bytes) -> int:
        self._objects.append(content)
        return self._SHARED + len(self._objects)

    def _invisible(self, word: Word, height: float) -> bytes:
        coded = "".join(f"{self._code(character):04x}" for character in word.text)
        return _text(b"/F", b"<%s>" % coded.encode(), word, height, _INVISIBLE)

    def _visible(self, word: Word, height: float) -> bytes:
        """Characters that Courier lacks are left out here; the invisible text has them."""
        text = word.text.encode("cp1252", "replace")
        for special in (b"\\", b"(", b")"):
            text = text.replace(special, b"\\" + special)
        return _text(b"/V", b"(%s)" % text, word, height, _FILLED)

    def _code(self, character: str) -> int:
        if character not in self._codes and len(self._codes) >= _MOST_CHARACTERS:
            return 0
        return self._codes.setdefault(character, len(self._codes) + 1)

    def _to_unicode(self) -> bytes:
        pairs = [
            b"<%04x> <%s>" % (code, character.encode("utf-16-be", "replace").hex().encode())
            for character, code in self._codes.items()
        ]
        return b"".join(
            [
                b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n",
                b"/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n",
                b"/CMapName /Words def /CMapType 2 def\n",
                b"1 begincodespacerange <0000> <ffff> endcodespacerange\n",
                *_in_hundreds(pairs),
                b"endcmap CMapName currentdict /CMap defineresource pop end end",
            ]
        )


def _text(font: bytes, string: bytes, word: Word, height: float, mode: int) -> bytes:
    """A word that fills its box from edge to edge."""
    box = word.box
    size = max(box.height, 1.0)
    stretch = 100 * box.width / (_ADVANCE * size * max(1, len(word.text)))
    baseline = height - box.bottom + _DESCENT * size
    shape = (mode, font, _n(size), _n(max(stretch, 1.0)), _n(box.left), _n(baseline), string)
    return b"BT %d Tr %s %s Tf %s Tz 1 0 0 1 %s %s Tm %s Tj ET\n" % shape


def _in_hundreds(pairs: list[bytes]) -> Iterator[bytes]:
    """A section of a CMap has at most 100 entries."""
    for start in range(0, len(pairs), 100):
        some = pairs[start : start + 100]
        yield b"%d beginbfchar\n%s\nendbfchar\n" % (len(some), b"\n".join(some))


def _stream(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    return b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(packed), packed)


def _n(number: float) -> bytes:
    return f"{number:.2f}".rstrip("0").rstrip(".").encode()
