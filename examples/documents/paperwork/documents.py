"""Records and layouts -> documents: invoices, receipts, forms, contracts, reports and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

from reportlab.pdfbase.pdfmetrics import stringWidth

from paperwork.layouts import Layout
from paperwork.records import Record, make_record
from paperwork.sheet import Align, Made, Sheet

__all__ = ["KINDS", "make"]

_LEFT, _RIGHT = 50.0, 545.0
_Cell = tuple[str, int, Align, str | None, Any]
_Meta = tuple[str, str, str | None, Any]


def make(kind: str, layout: Layout, seed: int) -> Made:
    """A document of one of `KINDS` as a PDF with a text layer; the same arguments, the same bytes."""
    return KINDS[kind](make_record(seed), layout, seed)


def _money(amount: Decimal, layout: Layout, *, plain: bool = False) -> str:
    text = f"{amount:,.2f}"
    if layout.mark == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    return text if plain else layout.money.replace("%", text)


def _day(day: date, layout: Layout) -> str:
    return day.strftime(layout.date)


def _label(text: str, layout: Layout) -> str:
    return text if not layout.colon or text.endswith(":") else f"{text}:"


def _number_of_any_kind(random: Random) -> str:
    return random.choice(("C-{}", "{}", "PO{}", "8-{}")).format(random.randrange(100_000, 9_999_999))


def _invoice(record: Record, layout: Layout, seed: int) -> Made:
    sheet = Sheet(layout.font, layout.bold, layout.size)
    random = Random(f"invoice {seed} {layout.name}")
    leading = layout.size * 1.5
    sheet.logo(_LEFT, 40, 24)
    sheet.text(_LEFT + 34, 58, record.seller, size=layout.size + 5, bold=True)
    sheet.text(_RIGHT, 58, "INVOICE", size=layout.size + 6, bold=True, align="right")
    y = 82.0
    for line in record.seller_place:
        sheet.text(_LEFT, y, line)
        y += leading
    y += leading
    for line in (record.buyer, *record.buyer_place):
        sheet.text(_LEFT, y, line)
        y += leading
    has_due, has_tax = random.random() < 0.6, layout.taxed and random.random() < 0.8
    meta: list[_Meta] = [
        (layout.labels["number"], record.number, "number", record.number),
        (layout.labels["date"], _day(record.issued, layout), "date", record.issued.isoformat()),
    ]
    if has_due:
        meta.append((layout.labels["due"], _day(record.due, layout), "due", record.due.isoformat()))
    meta += [(label, _number_of_any_kind(random), None, None) for label in layout.others]
    y = _meta(sheet, layout, meta, y + leading)
    y = _lines(sheet, layout, record, y + leading, has_tax=has_tax)
    absent = [*(() if has_due else ("due",)), *(() if has_tax else ("net", "tax"))]
    if layout.sums != "table":
        y = _totals(sheet, layout, record, y + leading, has_tax=has_tax)
    sheet.line(_LEFT, 770, _RIGHT, 770, 0.4)
    sheet.text(_LEFT, 784, f"{record.seller}, {', '.join(record.seller_place)}", size=7)
    sheet.text(_RIGHT, 784, f"Phone {record.phone}", size=7, align="right")
    return sheet.made(f"invoice-{seed}", "invoice", layout.name, absent)


def _meta(sheet: Sheet, layout: Layout, meta: list[_Meta], y: float) -> float:
    leading = layout.size * 1.6
    if layout.meta == "title":
        (label, text, key, value), *meta = meta
        wide = sheet.text(_LEFT, y, f"{label} ", size=layout.size + 6, bold=True)
        sheet.text(_LEFT + wide, y, text, size=layout.size + 6, bold=True, key=key, value=value)
        y += 2 * leading
    if layout.meta == "row":
        width = (_RIGHT - _LEFT) / len(meta)
        rows: list[list[_Cell]] = [
            [(label, 1, "left", None, None) for label, *_ in meta],
            [(text, 1, "left", key, value) for _, text, key, value in meta],
        ]
        return sheet.grid(_LEFT, y, [width] * len(meta), rows, rules="all", leading=leading)
    if layout.meta in ("above", "title"):
        width = (_RIGHT - _LEFT) / len(meta)
        for number, (label, *_) in enumerate(meta):
            sheet.text(_LEFT + width * number, y, label, size=layout.size - 1.5)
        for number, (_, text, key, value) in enumerate(meta):
            sheet.text(_LEFT + width * number, y + leading, text, key=key, value=value)
        return y + 2 * leading
    x, gap = (360.0, 105.0) if layout.meta == "right" else (_LEFT, 120.0)
    for label, text, key, value in meta:
        sheet.text(x, y, _label(label, layout))
        sheet.text(x + gap, y, text, key=key, value=value)
        y += leading
    return y


def _lines(sheet: Sheet, layout: Layout, record: Record, y: float, *, has_tax: bool) -> float:
    """The lines, with the sums as their last rows where the layout has them there."""
    names = [*layout.columns[:-1], *([""] if layout.other_column else []), layout.columns[-1]]
    few = len(names) < 4
    widths = {"description": 345.0 if few else 220.0, "": 60.0}
    if layout.other_column:
        widths["description"] -= widths[""]
    rows: list[list[_Cell]] = [
        [
            (layout.labels[name] if name else layout.other_column, 1, _align(name), None, None)
            for name in names
        ]
    ]
    for number, item in enumerate(record.items):
        texts: dict[str, tuple[str, Any]] = {
            "description": (item.description, item.description),
            "quantity": (str(item.quantity), float(item.quantity)),
            "unit_price": (_money(item.unit_price, layout, plain=True), float(item.unit_price)),
            "amount": (_money(item.amount, layout, plain=True), float(item.amount)),
            "": (f"{record.tax_rate}.00%", None),
        }
        rows.append(
            [
                (texts[name][0], 1, _align(name), f"lines[{number}].{name}" if name else None, texts[name][1])
                for name in names
            ]
        )
    if layout.sums == "table":
        for label, amount, key in _sums(layout, record, has_tax=has_tax):
            text = _money(amount, layout)
            rows.append(
                [(label, len(names) - 1, "right", None, None), (text, 1, "right", key, float(amount))]
            )
    widest = [widths.get(name, {"quantity": 70.0, "unit_price": 100.0}.get(name, 105.0)) for name in names]
    return sheet.grid(_LEFT, y, widest, rows, rules=layout.rules)


def _align(column: str) -> Align:
    return "left" if column == "description" else "right"


def _sums(layout: Layout, record: Record, *, has_tax: bool) -> list[tuple[str, Decimal, str]]:
    """Labels and amounts; without tax what is to be paid is the net sum."""
    rate = str(record.tax_rate)
    tax = layout.labels["tax"]
    tax = tax.replace("{rate}", rate) if "{rate}" in tax else f"{tax.rstrip()} {rate}%"
    total = layout.labels["total"].replace("{date}", _day(record.issued, layout))
    if not has_tax:
        return [(total, record.net, "total")]
    return [
        (layout.labels["net"], record.net, "net"),
        (tax, record.tax, "tax"),
        (total, record.total, "total"),
    ]


def _totals(sheet: Sheet, layout: Layout, record: Record, y: float, *, has_tax: bool) -> float:
    left, right = (_LEFT, 330.0) if layout.sums == "left" else (280.0, _RIGHT - 4)
    for label, amount, key in _sums(layout, record, has_tax=has_tax):
        y += layout.size * 1.6
        bold = key == "total"
        sheet.text(left, y, _label(label, layout), bold=bold)
        sheet.text(right, y, _money(amount, layout), bold=bold, align="right", key=key, value=float(amount))
    return y


def _receipt(record: Record, layout: Layout, seed: int) -> Made:
    sheet = Sheet(layout.font, layout.bold, 9, width=240, height=520)
    random = Random(f"receipt {seed} {layout.name}")
    sheet.text(120, 34, record.seller, size=12, bold=True, align="center", key="shop")
    y = 48.0
    for line in record.seller_place:
        sheet.text(120, y, line, align="center")
        y += 12
    y += 10
    sheet.text(16, y, _label(layout.label("receipt_number"), layout))
    sheet.text(224, y, record.number, align="right", key="number", value=record.number)
    y += 13
    sheet.text(16, y, _label(layout.labels["date"], layout))
    sheet.text(
        224, y, _day(record.issued, layout), align="right", key="date", value=record.issued.isoformat()
    )
    y += 12
    sheet.line(16, y, 224, y)
    for item in record.items[:6]:
        y += 14
        sheet.text(16, y, f"{item.quantity} x {item.description}"[:30])
        sheet.text(224, y, _money(item.amount, layout, plain=True), align="right")
    paid = sum((item.amount for item in record.items[:6]), Decimal(0))
    y += 8
    sheet.line(16, y, 224, y)
    y += 16
    total = layout.labels["total"].replace("{date}", "").strip()
    sheet.text(16, y, _label(total, layout), bold=True)
    sheet.text(224, y, _money(paid, layout), bold=True, align="right", key="total", value=float(paid))
    y += 14
    method = random.choice(("cash", "card"))
    has_method = random.random() < 0.6
    if has_method:
        sheet.text(16, y, _label(layout.label("payment"), layout))
        sheet.text(224, y, layout.label(method), align="right", key="method", value=method)
        y += 14
    sheet.text(120, y + 14, "Thank you for your visit", size=8, align="center")
    absent = () if has_method else ("method",)
    made = sheet.made(f"receipt-{seed}", "receipt", layout.name, absent)
    # A shop's name has no label: nothing here claims to find it.
    made.truth.fields.pop("shop")
    made.truth.evidence.pop("shop")
    return made


def _form(record: Record, layout: Layout, seed: int) -> Made:
    sheet = Sheet(layout.font, layout.bold, layout.size)
    random = Random(f"form {seed} {layout.name}")
    sheet.text(_LEFT, 64, "Registration form", size=16, bold=True)
    sheet.text(_LEFT, 84, "Please complete in block letters. Fields that do not apply stay empty.", size=8)
    empty = [name for name in ("company", "phone") if random.random() < 0.4]
    rows = [
        (layout.label("name"), record.person, "name", record.person),
        (layout.label("company"), "" if "company" in empty else record.buyer, "company", record.buyer),
        (layout.label("phone"), "" if "phone" in empty else record.phone, "phone", record.phone),
        (layout.label("born"), _day(date(1960 + seed % 40, 1 + seed % 12, 1 + seed % 28), layout), "born",
         date(1960 + seed % 40, 1 + seed % 12, 1 + seed % 28).isoformat()),
        (layout.label("member"), record.number, "member", record.number),
    ]  # fmt: skip
    y = 120.0
    boxed = layout.rules in ("all", "head")
    labels = [_label(label, layout) for label, *_ in rows] + [_label(layout.label("accepted"), layout)]
    split = max(150.0, *(stringWidth(label, layout.font, layout.size) + 12 for label in labels))
    for label, text, key, value in rows:
        if boxed:
            sheet.box(_LEFT, y - 14, split, 22)
            sheet.box(_LEFT + split, y - 14, 480 - split, 22)
            sheet.text(_LEFT + 6, y, label)
            if text:
                sheet.text(_LEFT + split + 8, y, text, key=key, value=value)
            y += 22
        else:
            sheet.text(_LEFT, y, _label(label, layout))
            sheet.line(_LEFT + split, y + 3, _RIGHT, y + 3, 0.5)
            if text:
                sheet.text(_LEFT + split + 4, y, text, key=key, value=value)
            y += 28
    sheet.text(_LEFT, y + 24, _label(layout.label("accepted"), layout))
    sheet.text(
        _LEFT + split + 4, y + 24, "Yes" if record.agreed else "No", key="accepted", value=record.agreed
    )
    sheet.text(_LEFT, 700, "Signature")
    sheet.line(_LEFT + 60, 702, 300, 702, 0.5)
    return sheet.made(f"form-{seed}", "form", layout.name, empty)


_CLAUSES = (
    "The supplier delivers the goods listed in the annex in good condition and free of rights of others.",
    "The buyer examines the goods without delay and tells the supplier of any defect in writing.",
    "Neither party is liable for delay that is caused by events beyond its reasonable control.",
    "Both parties keep confidential what they learn of each other's business under this agreement.",
    "Changes of this agreement are valid only when both parties have signed them.",
    "The law of the supplier's seat applies, and its courts are competent.",
)


def _contract(record: Record, layout: Layout, seed: int) -> Made:
    sheet = Sheet(layout.font, layout.bold, layout.size)
    random = Random(f"contract {seed} {layout.name}")
    ends = record.due.replace(year=record.due.year + 1, day=min(record.due.day, 28))
    has_end = random.random() < 0.5
    sheet.text(297, 70, "Supply agreement", size=16, bold=True, align="center")
    y = 105.0
    rows: list[tuple[str, str, str, Any]] = [
        ("agreement", record.number, "number", record.number),
        ("supplier", record.seller, "supplier", record.seller),
        ("buyer", record.buyer, "buyer", record.buyer),
        ("effective", _day(record.issued, layout), "effective", record.issued.isoformat()),
        ("value", _money(record.total, layout), "value", float(record.total)),
    ]
    if has_end:
        rows.insert(4, ("expires", _day(ends, layout), "expires", ends.isoformat()))
    for name, text, key, value in rows:
        wide = sheet.text(_LEFT, y, _label(layout.label(name), layout), bold=True)
        sheet.text(_LEFT + max(130, wide + 8), y, text, key=key, value=value)
        y += layout.size * 1.7
    y += 14
    for number, clause in enumerate(_CLAUSES, start=1):
        sheet.text(
            _LEFT,
            y,
            f"{number}. {('Delivery', 'Defects', 'Force majeure', 'Secrecy', 'Changes', 'Law')[number - 1]}",
            bold=True,
            size=layout.size + 1,
        )
        y += layout.size * 1.5
        y = _paragraph(sheet, clause, _LEFT, y, 480, layout.size * 1.35) + 8
    return sheet.made(f"contract-{seed}", "contract", layout.name, () if has_end else ("expires",))


def _paragraph(sheet: Sheet, text: str, x: float, y: float, width: float, leading: float) -> float:
    from reportlab.lib.utils import simpleSplit

    for line in simpleSplit(text, sheet.font, sheet.size, width):
        sheet.text(x, y, line)
        y += leading
    return y


def _report(record: Record, layout: Layout, seed: int) -> Made:
    """Two columns under a title that spans them."""
    sheet = Sheet(layout.font, layout.bold, layout.size)
    random = Random(f"report {seed} {layout.name}")
    sheet.text(297, 60, f"Notes on {record.items[0].description.lower()}", size=17, bold=True, align="center")
    _paragraph(sheet, " ".join(random.sample(_CLAUSES, 2)), _LEFT, 90, 495, layout.size * 1.35)
    for x in (_LEFT, 310.0):
        y = 150.0
        for _ in range(4):
            sheet.text(
                x,
                y,
                random.choice(("Background", "Method", "Results", "Outlook", "Costs")),
                bold=True,
                size=layout.size + 2,
            )
            y = (
                _paragraph(
                    sheet,
                    " ".join(random.sample(_CLAUSES, 3)),
                    x,
                    y + layout.size * 1.7,
                    232,
                    layout.size * 1.35,
                )
                + 12
            )
            if y > 640:
                break
    sheet.text(297, 800, f"Page {sheet.page}", size=8, align="center")
    return sheet.made(f"report-{seed}", "report", layout.name)


def _table(record: Record, layout: Layout, seed: int) -> Made:
    """A table of its own, between two paragraphs; one header cell spans two columns where it is ruled."""
    sheet = Sheet(layout.font, layout.bold, layout.size)
    random = Random(f"table {seed} {layout.name}")
    sheet.text(_LEFT, 60, "Stock by quarter", size=15, bold=True)
    y = _paragraph(sheet, _CLAUSES[seed % len(_CLAUSES)], _LEFT, 86, 495, layout.size * 1.4) + 14
    spanned = layout.rules == "all" and random.random() < 0.5
    rows: list[list[_Cell]] = []
    if spanned:
        rows.append(
            [
                ("", 1, "left", None, None),
                ("First half", 2, "center", None, None),
                ("Second half", 2, "center", None, None),
            ]
        )
    rows.append(
        [
            ("Article", 1, "left", None, None),
            *[(f"Q{quarter}", 1, "right", None, None) for quarter in range(1, 5)],
        ]
    )
    for item in record.items:
        amounts = [
            _money(Decimal(random.randrange(100, 999_900)) / 100, layout, plain=True) for _ in range(4)
        ]
        rows.append(
            [
                (item.description, 1, "left", None, None),
                *[(amount, 1, "right", None, None) for amount in amounts],
            ]
        )
    y = sheet.grid(_LEFT, y, [175, 80, 80, 80, 80], rows, rules=layout.rules, headers=2 if spanned else 1)
    _paragraph(sheet, _CLAUSES[(seed + 1) % len(_CLAUSES)], _LEFT, y + 24, 495, layout.size * 1.4)
    return sheet.made(f"table-{seed}", "table", layout.name)


KINDS: Mapping[str, Callable[[Record, Layout, int], Made]] = {
    "invoice": _invoice,
    "receipt": _receipt,
    "form": _form,
    "contract": _contract,
    "report": _report,
    "table": _table,
}
"""What can be made."""
