"""When two readings of one place say the same.

Blanks, case, and the many signs for one dash, quotation mark never count. Beyond that:

- accents do not count, nor do `. , ; :` and apostrophes at the ends of words of letters: scans lose them;
- characters of one shape (`_SHAPES`: 0 O, 1 l I i |, 5 S, 8 B, 2 Z) are one, but only where a letter
  stands against a letter, or in a text with a word that has letters and digits, as in "INV-0O1": there
  no reader can know. Between digits nothing is forgiven, in any text: 4711 is not 4712.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["agree", "plain"]

_SIGNS = str.maketrans(
    dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("‘’‚‛`´′", "'") | dict.fromkeys("“”„‟″«»", '"')
)
_SHAPES = str.maketrans("OoQDlI|i!SBZ", "000011111582")
_LETTER_SHAPES = str.maketrans("I|!", "lll")
_MIXED = re.compile(r"(?=[^\d]*\d)(?=.*[^\W\d_]).+", re.DOTALL)
_EDGES = re.compile(r"(?<=[^\W\d_])[.,;:']+(?=\s|$)|(?<!\S)[.,;:']+(?=[^\W\d_])")


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
    if re.findall(r"\d", plain(stated)) == re.findall(r"\d", plain(read)):
        left, right = (_bare(text).translate(_LETTER_SHAPES) for text in (stated, read))
        if plain(left).replace("i", "l") == plain(right).replace("i", "l") != "":
            return True
    mixed = any(_MIXED.fullmatch(word) for word in stated.split())
    return mixed and plain(_bare(stated).translate(_SHAPES)) == plain(_bare(read).translate(_SHAPES))


def _bare(text: str) -> str:
    """Without accents, and without small signs at the ends of words."""
    apart = unicodedata.normalize("NFKD", text.translate(_SIGNS))
    return _EDGES.sub("", "".join(each for each in apart if not unicodedata.combining(each)))
