"""How documents look: fonts, words for labels, places, how numbers and dates are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["COURIER", "HELVETICA", "TIMES", "Layout", "labelled"]

HELVETICA = ("Helvetica", "Helvetica-Bold")
TIMES = ("Times-Roman", "Times-Bold")
COURIER = ("Courier", "Courier-Bold")

_USUAL = {
    "receipt_number": "Receipt no",
    "payment": "Payment",
    "cash": "Cash",
    "card": "Card",
    "name": "Full name",
    "company": "Company",
    "phone": "Phone",
    "born": "Date of birth",
    "member": "Member number",
    "accepted": "Terms accepted",
    "agreement": "Agreement number",
    "supplier": "Supplier",
    "buyer": "Buyer",
    "effective": "Effective date",
    "expires": "Expiry date",
    "value": "Contract value",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """One look.

    `meta` places the document's number and dates: "right" beside their labels in a column at the
    right, "left" under the sender, "above" with each label over its value, "row" in a small table,
    "title" with the number in the heading and the dates under it. `sums` says where totals stand.
    `mark` is the decimal mark. `%` in `money` stands for the amount. In the label of the tax `{rate}`
    stands for its percentage, which else follows it; in that of the total `{date}` for the date of
    issue. `others` are labels of the head whose values no schema asks for, "" for a number of any
    kind; `other_column` is a column of the lines that none asks for. `taxed` documents state net and tax.
    """

    name: str
    font: str
    bold: str
    size: float
    labels: Mapping[str, str]
    meta: Literal["right", "left", "above", "row", "title"]
    rules: Literal["all", "rows", "head", "none"]
    date: str
    mark: Literal[".", ","]
    money: str
    colon: bool = True
    columns: tuple[str, ...] = ("description", "quantity", "unit_price", "amount")
    sums: Literal["right", "left", "table"] = "right"
    others: tuple[str, ...] = ()
    other_column: str = ""
    taxed: bool = True
    source: str = ""

    def label(self, name: str) -> str:
        """What the value `name` is called."""
        return self.labels.get(name) or _USUAL[name]


def labelled(**words: str) -> Mapping[str, str]:
    """Labels by what they name."""
    return words
