"""One HTML file that shows each value and its place on the page; it loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image as Pillow

from asbuilt.documents.render import page_picture
from asbuilt.errors import ReadError
from asbuilt.extraction.crops import PagePicture
from asbuilt.fields import ExtractedValue, Extraction, FieldSchema
from asbuilt.pages import Box, PageLayout, Word, union
from asbuilt.registry import component
from asbuilt.roles import Image

__all__ = ["HtmlExporter", "PageView", "page_views", "viewer_html"]

VIEWER = "viewer.html"

_DPI = 110.0
_QUALITY = 55
_MOST_PAGES = 100  # of a document; each is some 50 kB
_A4 = (595.0, 842.0)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class PageView:
    """A page to show. `picture` is None for a page without a look: its words are drawn then."""

    page: PageLayout
    picture: Image | None = None


@component("exporter/html")
class HtmlExporter:
    """``viewer.html`` from extractions alone: boxes and quotes on blank pages. With pictures of the
    pages it is made by `viewer_html`."""

    def export(self, extractions: Sequence[Extraction], schema: FieldSchema) -> Mapping[str, bytes]:
        """See the role."""
        return {VIEWER: viewer_html([(each, _blank_pages(each)) for each in extractions], schema)}


def page_views(
    extraction: Extraction, pages: Sequence[PageLayout], data: bytes, *, picture: PagePicture = page_picture
) -> Iterator[PageView]:
    """The pages that values of `extraction` stand on or were looked for on, drawn from the file's
    bytes; the first where there are none. A page that cannot be drawn shows its words."""
    wanted = _pages_with_values(extraction) or {1}
    for page in [page for page in pages if page.number in wanted][:_MOST_PAGES]:
        shown = None
        if page.kind != "drawn":
            try:
                shown = picture(data, name=extraction.document, page=page, dpi=_DPI, box=None)
            except ReadError:
                shown = None
        yield PageView(page, shown)


def viewer_html(documents: Sequence[tuple[Extraction, Sequence[PageView]]], schema: FieldSchema) -> bytes:
    """The viewer for these documents. The same ones give the same bytes."""
    shown = [
        _document(f"d{number}", extraction, views) for number, (extraction, views) in enumerate(documents)
    ]
    extractions = [extraction for extraction, _ in documents]
    values = [value for extraction in extractions for value in extraction.values]
    totals = {
        **{status: sum(value.status == status for value in values) for status in _STATUSES},
        "corrected": sum(value.corrected for value in values),
        "repairs": sum(len(each.repairs) for each in extractions),
        "broken": sum(outcome.holds is False for each in extractions for outcome in each.constraints),
        "faults": sum(bool(each.fault) for each in extractions),
    }
    script = _asset("viewer.js")
    page: str = _template().render(
        title=_clean(schema.name) or "Results",
        documents=shown,
        totals=totals,
        style=Markup(_asset("viewer.css")),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page.encode()


_STATUSES = ("found", "conflict", "not_found")


def _document(key: str, extraction: Extraction, views: Sequence[PageView]) -> dict[str, Any]:
    values = [_value(f"{key}v{number}", value) for number, value in enumerate(extraction.values)]
    shown = {view.page.number for view in views}
    missing = sorted(_pages_with_values(extraction) - shown)
    return {
        "name": _clean(extraction.document),
        "fault": _clean(extraction.fault),
        "remarks": list(_remarks(extraction)),
        "stated": values,
        "pages": [_page(key, extraction, view) for view in views],
        "left_out": f"Not shown: pages {', '.join(map(str, missing))}." if missing else "",
    }


def _value(key: str, value: ExtractedValue) -> dict[str, Any]:
    tags = [value.status.replace("_", " ")] if value.status != "found" else []
    if value.corrected:
        tags.append("corrected")
    return {
        "key": key,
        "path": _clean(value.path),
        "status": value.status,
        "tags": tags,
        "sure": f"{value.confidence:.0%}",
        "shown": _clean(_shown(value.value)) if value.status != "not_found" else "–",
        "why": [_clean(line) for line in _why(value)],
    }


def _why(value: ExtractedValue) -> Iterator[str]:
    at = value.evidence
    if at is not None:
        place = f"page {at.page}" + (f", {at.place}" if at.place else "")
        yield f"“{at.quote}”, {place}, read by {at.reader}"
        if at.second is not None:
            yield f"the second reader saw “{at.second}”"
    if value.why:
        yield f"{value.why} ({value.extractor})" if value.extractor else value.why
    for rival in value.rivals:
        yield f"other candidate: {_shown(rival.value)}, “{rival.quote}”, page {rival.page}, {rival.why}"
    for each in value.searched:
        yield f"searched in vain: page {each.page}, {each.what}"


def _remarks(extraction: Extraction) -> Iterator[dict[str, Any]]:
    for outcome in extraction.constraints:
        if outcome.holds is False:
            text = f"Does not hold: {outcome.expression}. {outcome.message}".strip()
        elif outcome.holds is None:
            text = f"Could not be checked, as a value is missing: {outcome.expression}"
        else:
            text = f"Holds: {outcome.expression}"
        yield {"text": _clean(text), "wrong": outcome.holds is False}
    for repair in extraction.repairs:
        text = (
            f"Repaired: {repair.path} was read as “{repair.quote_before}” and taken as "
            f"“{repair.quote_after}”, so that {repair.constraint}"
        )
        yield {"text": _clean(text), "wrong": False}
    for flag in extraction.flags:
        yield {"text": _clean(flag), "wrong": False}


def _page(key: str, extraction: Extraction, view: PageView) -> dict[str, Any]:
    page = view.page
    return {
        "number": page.number,
        "name": _clean(page.name),
        "width": f"{page.width:g}",
        "height": f"{page.height:g}",
        "drawn": page.kind == "drawn",
        "picture": None if view.picture is None else _data_uri(view.picture),
        "texts": [] if view.picture is not None else list(_texts(page, extraction)),
        "boxes": list(_boxes(key, extraction, page)),
    }


def _texts(page: PageLayout, extraction: Extraction) -> Iterator[dict[str, str]]:
    """Words of the page; where only its geometry is known, the quotes of its values."""
    words = page.words or [
        Word(at.quote, union(at.boxes))
        for value in extraction.values
        if (at := value.evidence) is not None and at.page == page.number and at.boxes
    ]
    for word in words:
        box = word.box
        if box.width > 0 and box.height > 0 and word.text.strip():
            yield {
                "text": _clean(word.text),
                "x": f"{box.left:g}",
                "y": f"{box.top + 0.8 * box.height:g}",
                "size": f"{min(box.height, word.font_size or box.height):g}",
                "width": f"{box.width:g}",
            }


def _boxes(key: str, extraction: Extraction, page: PageLayout) -> Iterator[dict[str, Any]]:
    for number, value in enumerate(extraction.values):
        here = {"key": f"{key}v{number}", "status": value.status}
        if value.evidence is not None and value.evidence.page == page.number:
            title = _clean(f"{value.path}: {_shown(value.value)}")
            for box in value.evidence.boxes:
                yield {**here, "title": title, "searched": False, "style": _style(box.grown(1.5), page)}
        for each in value.searched:
            if each.page == page.number:
                box = each.box or Box(0.0, 0.0, page.width, page.height)
                yield {**here, "title": "", "searched": True, "style": _style(box, page)}


def _style(box: Box, page: PageLayout) -> str:
    """Place and size in percent of the page."""
    parts = {
        "left": box.left / page.width,
        "top": box.top / page.height,
        "width": box.width / page.width,
        "height": box.height / page.height,
    }
    return ";".join(f"{name}:{100 * share:.2f}%" for name, share in parts.items())


def _blank_pages(extraction: Extraction) -> list[PageView]:
    boxes: dict[int, list[Box]] = {}
    for value in extraction.values:
        if value.evidence is not None:
            boxes.setdefault(value.evidence.page, []).extend(value.evidence.boxes)
    views = []
    for number, on_page in sorted(boxes.items()):
        edge = union([*on_page, Box(0.0, 0.0, *_A4)])
        views.append(PageView(PageLayout(number, edge.right, edge.bottom)))
    return views


def _pages_with_values(extraction: Extraction) -> set[int]:
    found = {value.evidence.page for value in extraction.values if value.evidence is not None}
    return found | {each.page for value in extraction.values for each in value.searched}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _data_uri(picture: Image) -> str:
    out = io.BytesIO()
    Pillow.fromarray(picture).save(out, "WEBP", quality=_QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def _clean(text: str) -> str:
    """Without characters that no HTML file may hold."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


@cache
def _template() -> Any:
    loader = PackageLoader("asbuilt.extraction.export")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("viewer.html.j2")


def _asset(name: str) -> str:
    return (files("asbuilt.extraction.export") / "templates" / name).read_text(encoding="utf-8")
