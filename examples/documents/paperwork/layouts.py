"""How documents look: two lists, so that nothing is measured on what it was built with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["BUILDING", "MEASURING", "Layout", "as_markdown"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One look: fonts, words for labels, where values stand, how numbers and dates are written.

    `meta` places the document's number and dates: "right" beside their labels in a column at the
    right, "left" under the sender, "above" with each label over its value, "row" in a small table.
    `mark` is the decimal mark. `%` in `money` stands for the amount.
    """

    name: str
    font: str
    bold: str
    size: float
    labels: Mapping[str, str]
    meta: Literal["right", "left", "above", "row"]
    rules: Literal["all", "rows", "head", "none"]
    date: str
    mark: Literal[".", ","]
    money: str
    colon: bool = True
    columns: tuple[str, ...] = ("description", "quantity", "unit_price", "amount")


def _labels(**words: str) -> Mapping[str, str]:
    return words


_HELVETICA = ("Helvetica", "Helvetica-Bold")
_TIMES = ("Times-Roman", "Times-Bold")
_COURIER = ("Courier", "Courier-Bold")

BUILDING = (
    Layout(
        "plain",
        *_HELVETICA,
        10,
        _labels(
            number="Invoice number",
            date="Invoice date",
            due="Due date",
            net="Subtotal",
            tax="VAT",
            total="Total",
            description="Description",
            quantity="Quantity",
            unit_price="Unit price",
            amount="Amount",
        ),
        "right",
        "all",
        "%Y-%m-%d",
        ".",
        "%",
    ),
    Layout(
        "ledger",
        *_TIMES,
        11,
        _labels(
            number="Invoice No.",
            date="Date",
            due="Payable by",
            net="Net amount",
            tax="Tax",
            total="Amount due",
            description="Item",
            quantity="Qty",
            unit_price="Price",
            amount="Total",
        ),
        "left",
        "rows",
        "%d.%m.%Y",
        ",",
        "% EUR",
        columns=("quantity", "description", "unit_price", "amount"),
    ),
    Layout(
        "till",
        *_COURIER,
        9,
        _labels(
            number="Inv. #",
            date="Issued",
            due="Due",
            net="Sub-total",
            tax="Sales tax",
            total="Grand total",
            description="Article",
            quantity="Qty",
            unit_price="Each",
            amount="Amount",
        ),
        "above",
        "head",
        "%m/%d/%Y",
        ".",
        "$%",
        colon=False,
    ),
    Layout(
        "modern",
        *_HELVETICA,
        9.5,
        _labels(
            number="Invoice #",
            date="Date of issue",
            due="Due date",
            net="Subtotal",
            tax="VAT",
            total="Total due",
            description="Product",
            quantity="Quantity",
            unit_price="Unit price",
            amount="Line total",
        ),
        "row",
        "none",
        "%d %B %Y",
        ".",
        "€%",
    ),
)
"""What everything here was built and tuned with."""

MEASURING = (
    Layout(
        "clerk",
        *_TIMES,
        10.5,
        _labels(
            number="Bill number",
            date="Billing date",
            due="Please pay by",
            net="Total net",
            tax="Value added tax",
            total="Total amount",
            description="Details",
            quantity="Units",
            unit_price="Rate",
            amount="Sum",
        ),
        "row",
        "all",
        "%d %b %Y",
        ".",
        "GBP %",
        columns=("description", "unit_price", "quantity", "amount"),
    ),
    Layout(
        "studio",
        *_HELVETICA,
        9,
        _labels(
            number="Invoice ID",
            date="Invoiced on",
            due="Payment due",
            net="Net",
            tax="GST",
            total="Balance due",
            description="Service",
            quantity="Hours",
            unit_price="Hourly rate",
            amount="Amount",
        ),
        "above",
        "rows",
        "%B %d, %Y",
        ".",
        "$ %",
    ),
    Layout(
        "kontor",
        *_COURIER,
        10,
        _labels(
            number="Invoice Nr.",
            date="Dated",
            due="Due on",
            net="Net total",
            tax="VAT amount",
            total="Total to pay",
            description="Goods",
            quantity="Pcs",
            unit_price="Price each",
            amount="Value",
        ),
        "left",
        "head",
        "%d/%m/%Y",
        ",",
        "% EUR",
        columns=("quantity", "description", "unit_price", "amount"),
    ),
    Layout(
        "slim",
        *_HELVETICA,
        8.5,
        _labels(
            number="Document no",
            date="Document date",
            due="Due by",
            net="Subtotal excl. tax",
            tax="Tax amount",
            total="Total incl. tax",
            description="Work done",
            quantity="Quantity",
            unit_price="Unit cost",
            amount="Cost",
        ),
        "right",
        "none",
        "%Y/%m/%d",
        ".",
        "%",
        colon=False,
    ),
)
"""What the figures are measured on, and nothing else."""


def as_markdown() -> str:
    """Both lists as a page; `LAYOUTS.md` is this, word for word."""
    lines = [
        "# Layouts",
        "",
        "Made by `paperwork.layouts.as_markdown()`. What reads and extracts was built and tuned with the",
        "first list; figures are measured on the second.",
    ]
    for title, layouts in (("Building", BUILDING), ("Measuring", MEASURING)):
        lines += [
            "",
            f"## {title}",
            "",
            "| layout | font | labels of a document's head | labels of its sums | rules | dates | money |",
            "|---|---|---|---|---|---|---|",
        ]
        for each in layouts:
            head = ", ".join(each.labels[name] for name in ("number", "date", "due"))
            sums = ", ".join(each.labels[name] for name in ("net", "tax", "total"))
            money = each.money.replace("%", f"1{',.'[each.mark == ',']}234{each.mark}50")
            lines.append(
                f"| {each.name} | {each.font} {each.size:g} | {each.meta}: {head} | {sums} | {each.rules} "
                f"| `{each.date}` | {money} |"
            )
    return "\n".join(lines) + "\n"
