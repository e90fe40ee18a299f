"""Both lists of layouts as a page."""

from __future__ import annotations

from paperwork.building import BUILDING
from paperwork.measuring import MEASURING

__all__ = ["as_markdown"]

_OTHERS = ("receipt_number", "payment", "name", "company", "phone", "born", "member", "accepted")
_MORE = ("agreement", "supplier", "buyer", "effective", "expires", "value")


def as_markdown() -> str:
    """Both lists as a page; `LAYOUTS.md` is this, word for word."""
    lines = [
        "# Layouts",
        "",
        "Made by `paperwork.lists.as_markdown()`. What reads and extracts was built and tuned with the first",
        "list; figures are measured on the second. Invoices of the second, and of the second half of the",
        "first, have labels of real issuers, as the templates of the project invoice2data describe them.",
        "`docs/log.md` says what was looked at, and when.",
    ]
    for title, layouts in (("Building", BUILDING), ("Measuring", MEASURING)):
        lines += [
            "",
            f"## {title}",
            "",
            "| layout | font | labels of the head | labels of the sums | columns | rules | dates | money |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for each in layouts:
            head = ", ".join(each.labels[name].strip() for name in ("number", "date", "due"))
            sums = ", ".join(each.labels[name].strip() for name in ("net", "tax", "total"))
            columns = ", ".join(each.labels[name] for name in each.columns)
            money = each.money.replace("%", f"1{',.'[each.mark == ',']}234{each.mark}50")
            lines.append(
                f"| {each.name} | {each.font} {each.size:g} | {each.meta}: {head} | {each.sums}: {sums} "
                f"| {columns} | {each.rules} | `{each.date}` | {money} |"
            )
        lines += ["", "| layout | receipts and forms | contracts |", "|---|---|---|"]
        for each in layouts:
            papers = [", ".join(each.label(name) for name in names) for names in (_OTHERS, _MORE)]
            lines.append(f"| {each.name} | {papers[0]} | {papers[1]} |")
    return "\n".join(lines) + "\n"
