"""Words that documents put beside values, made comparable."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["label_of_name", "label_words"]

_SAME = {
    "no": "number", "nr": "number", "num": "number", "#": "number", "nº": "number", "n°": "number",
    "qty": "quantity", "quant": "quantity", "amt": "amount", "inv": "invoice", "bill": "invoice",
    "vat": "tax", "gst": "tax", "mwst": "tax", "sum": "total", "desc": "description",
    "tel": "phone", "telephone": "phone", "addr": "address", "acct": "account", "ref": "reference",
    "e-mail": "email", "mail": "email", "id": "number", "dob": "birth", "pcs": "quantity",
    "hst": "tax", "pst": "tax", "excl": "excluding", "ex": "excluding", "exclusive": "excluding",
    "incl": "including", "inc": "including", "inclusive": "including", "hrs": "hours", "hour": "hours",
    "amts": "amount", "descr": "description", "tot": "total",
    "taxes": "tax",
}  # fmt: skip
_FILLERS = frozenset(["the", "of", "a", "an", "is", "to", "for", "your", "our", "in"])
_APART = re.compile(r"\bsub[ -]total", re.IGNORECASE)
_WORD = re.compile(r"#|[^\W_]+(?:[-'][^\W_]+)*", re.UNICODE)


@lru_cache(maxsize=1 << 14)
def label_words(text: str) -> tuple[str, ...]:
    """The words of a label in one spelling: no case, accents, fillers or punctuation, "No." and "#" as
    "number".

    >>> label_words("Invoice No.:")
    ('invoice', 'number')
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = (_SAME.get(word, word) for word in _WORD.findall(_APART.sub("subtotal", plain)))
    return tuple(word for word in words if word not in _FILLERS)


def label_of_name(name: str) -> str:
    """The name of a property in words.

    >>> label_of_name("invoiceNo"), label_of_name("unit_price")
    ('invoice no', 'unit price')
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(apart.replace("_", " ").replace("-", " ").lower().split())
