from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.extraction.sample_results import PAGE, SCHEMA, invoice, pdf_of

from asbuilt.errors import ReadError
from asbuilt.extraction.export.viewer import HtmlExporter, PageView, page_views, viewer_html
from asbuilt.fields import Extraction
from asbuilt.roles import Image
from asbuilt.testing.exporter_contract import HOSTILE, sample_extraction, sample_schema

WHITE = np.full((200, 140, 3), 255, np.uint8)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Elements(HTMLParser):
    """Tags with attributes, and all text that is no script or style."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data


def test_every_value_has_its_boxes() -> None:
    extraction = invoice()
    elements = Elements(viewer_html([(extraction, [PageView(PAGE, WHITE)])], SCHEMA))
    values = [attrs for tag, attrs in elements.tags if "data-value" in attrs]
    for number, value in enumerate(extraction.values):
        mine = [attrs["class"] for attrs in values if attrs["data-value"] == f"d0v{number}"]
        places = len(value.evidence.boxes) if value.evidence is not None else len(value.searched)
        assert len(mine) == 1 + places
    for said in ("INV-4711", "conflict", "34.5", "not found", "right of 'Note'", "Holds: sum", "page 1: odd"):
        assert said in elements.text


def test_nothing_is_loaded_and_only_our_script_may_run() -> None:
    page = viewer_html([(invoice(), [PageView(PAGE, WHITE)])], SCHEMA)
    elements = Elements(page)
    for _, attrs in elements.tags:
        for name in ("src", "href", "action", "srcset"):
            assert (attrs.get(name) or "data:").startswith("data:")
        assert not [name for name in attrs if name.startswith("on")]
    assert b"http://" not in page
    assert b"https://" not in page
    policy = next(attrs["content"] for tag, attrs in elements.tags if "http-equiv" in attrs)
    assert policy is not None
    assert re.search(r"default-src 'none'.*script-src 'sha256-[^']+'$", policy)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.strip()])
def test_text_of_documents_is_text(text: str) -> None:
    plain = Elements(HtmlExporter().export([sample_extraction()], sample_schema())["viewer.html"])
    page = HtmlExporter().export([sample_extraction(text, document=text)], sample_schema())["viewer.html"]
    hostile = Elements(page)
    named = [tag for tag, attrs in plain.tags if tag not in ("text", "li", "ul", "h3")]
    assert [tag for tag, attrs in hostile.tags if tag not in ("text", "li", "ul", "h3")] == named
    assert b"\x00" not in page


def test_pages_without_a_look_are_drawn_as_words() -> None:
    drawn = replace(PAGE, kind="drawn")
    (view,) = page_views(invoice(drawn), [drawn], b"")
    assert view.picture is None
    page = viewer_html([(invoice(drawn), [view])], SCHEMA)
    assert page.count(b"<text ") == len(PAGE.words)
    assert b"no look of its own" in page


def test_a_page_that_cannot_be_drawn_shows_its_words() -> None:
    def refuse(data: bytes, **about: object) -> Image:
        raise ReadError("damaged")

    (view,) = page_views(invoice(), [PAGE], b"", picture=refuse)
    assert view.picture is None
    assert b"<text " in viewer_html([(invoice(), [view])], SCHEMA)


def test_pages_that_are_not_shown_are_named() -> None:
    assert b"Not shown: pages 1." in viewer_html([(invoice(), [])], SCHEMA)
    faulty = Extraction("bad.pdf", "", SCHEMA.digest, fault="it is encrypted")
    assert b"Not read: it is encrypted" in viewer_html([(faulty, [])], SCHEMA)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize(
    ("act", "pressed"),
    [
        ("document.querySelector('.box[data-value=d0v3]').click()", "d0v3"),
        ("document.querySelector('.value[data-value=d0v1]').click()", "d0v1"),
        (
            "for (let i = 0; i < 3; i++) dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown'}))",
            "d0v2",
        ),
    ],
)
def test_in_a_browser_value_and_box_find_each_other(tmp_path: Path, act: str, pressed: str) -> None:
    views = list(page_views(invoice(), [PAGE], pdf_of(PAGE)))
    page = viewer_html([(invoice(), views)], SCHEMA).decode()
    page = re.sub(r"<meta http-equiv[^>]*>", "", page).replace("</body>", f"<script>{act}</script></body>")
    (tmp_path / "viewer.html").write_text(page)
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=2000", "--dump-dom", (tmp_path / "viewer.html").as_uri()],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    tags = Elements(done.stdout).tags
    assert [attrs["data-value"] for _, attrs in tags if attrs.get("aria-pressed") == "true"] == [pressed]
    chosen = {attrs["data-value"] for _, attrs in tags if "chosen" in (attrs.get("class") or "").split()}
    assert chosen == {pressed}
