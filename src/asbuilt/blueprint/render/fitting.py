"""Text that fits a width where nothing can measure it: estimates for the common sans-serif fonts."""

from __future__ import annotations

from unicodedata import east_asian_width

__all__ = ["MONOSPACE_EM", "fitted", "width_of", "wrapped"]

MONOSPACE_EM = 0.61
"""Width of a character, as a part of the font's size: DejaVu Sans Mono is among the widest."""

# Parts of the font's size: Arial's and Helvetica's own widths, widened by a tenth for other fonts.
_NARROW, _THIN, _MIDDLE, _WIDE, _WIDEST = 0.28, 0.38, 0.61, 0.76, 1.0
_WIDTHS = {
    **dict.fromkeys("ijlI|!.,:;'`", _NARROW),
    **dict.fromkeys('ftr()[]{}/\\-" ', _THIN),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZw&", _WIDE),
    **dict.fromkeys("mMW@%", _WIDEST),
}
_BOLD = 1.07


def width_of(text: str, size: float, *, bold: bool = False, monospace: bool = False) -> float:
    """Estimated width in the unit of `size`; rather too wide than too narrow."""
    if monospace:
        return size * sum(1.0 if _is_wide(each) else MONOSPACE_EM for each in text)
    ems = sum(_WIDEST if _is_wide(each) else _WIDTHS.get(each, _MIDDLE) for each in text)
    return size * ems * (_BOLD if bold else 1.0)


def _is_wide(character: str) -> bool:
    return east_asian_width(character) in "WF"


def fitted(text: str, width: float, size: float, *, bold: bool = False, monospace: bool = False) -> str:
    """All of `text`, or as much of it as fits with an ellipsis."""
    if width_of(text, size, bold=bold, monospace=monospace) <= width:
        return text
    for end in range(len(text) - 1, 0, -1):
        shorter = text[:end].rstrip() + "…"
        if width_of(shorter, size, bold=bold, monospace=monospace) <= width:
            return shorter
    return "…"


def wrapped(text: str, width: float, size: float, *, lines: int) -> list[str]:
    """`text` on at most `lines` lines, the last with an ellipsis where not all of it fits."""
    words = text.split()
    result: list[str] = []
    while words and len(result) < lines - 1:
        taken = 1
        while taken < len(words) and width_of(" ".join(words[: taken + 1]), size) <= width:
            taken += 1
        result.append(fitted(" ".join(words[:taken]), width, size))
        words = words[taken:]
    return [*result, fitted(" ".join(words), width, size)] if words else result
