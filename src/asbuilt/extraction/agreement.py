"""When two readings of one place say the same.

Blanks, case, and the many signs for one dash, quotation mark or ellipsis never count. Beyond that:

- digits must agree one for one, in any text: 4711 is not 4712, whatever its length;
- letters of a text may differ in one of ten (`LETTER_ERROR`), from `LONG` letters on: OCR takes an
  accent or an l for something else without the text becoming another one;
- a digit and the letter of its shape (`_SHAPES`: 0 O, 1 l I, 5 S, 8 B, 2 Z) are one character in texts
  with a word that has letters and digits, as in "INV-0O1": there neither reader can know.
"""

from __future__ import annotations

import re
import unicodedata

from rapidfuzz.distance import Levenshtein

__all__ = ["LETTER_ERROR", "LONG", "agree", "plain"]

LETTER_ERROR = 0.1
LONG = 6

_SIGNS = str.maketrans(
    dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("‘’‚‛`´′", "'") | dict.fromkeys("“”„‟″«»", '"')
)
_SHAPES = str.maketrans("OoQDlI|iSBZ", "00001111582")
_MIXED = re.compile(r"(?=[^\d]*\d)(?=.*[^\W\d_]).+", re.DOTALL)


def plain(text: str) -> str:
    """Without what never counts."""
    return "".join(unicodedata.normalize("NFKC", text).translate(_SIGNS).split()).casefold()


def agree(stated: str, read: str) -> bool:
    """Whether `read` is a reading of `stated`, by the rules above.

    >>> agree("Müller GmbH", "Muller GmbH"), agree("1,234.50", "1,234.80"), agree("INV-001", "INV-0O1")
    (True, False, True)
    """
    if plain(stated) == plain(read):
        return plain(stated) != ""
    mixed = any(_MIXED.fullmatch(word) for word in stated.split())
    if mixed and plain(_shaped(stated)) == plain(_shaped(read)):
        return True
    if re.findall(r"\d", plain(stated)) != re.findall(r"\d", plain(read)):
        return False
    left, right = (re.sub(r"[^\w]|\d", "", plain(text)) for text in (stated, read))
    return len(left) >= LONG and Levenshtein.distance(left, right) <= LETTER_ERROR * len(left)


def _shaped(text: str) -> str:
    """Characters of words that mix letters and digits, by their shape."""
    return text.translate(_SHAPES)
