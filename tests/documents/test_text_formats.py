from __future__ import annotations

import pytest
from tests.documents import samples

from asbuilt.documents.html import HtmlReader
from asbuilt.documents.markdown import MarkdownReader
from asbuilt.documents.text import TextReader
from asbuilt.errors import ReadError
from asbuilt.types import Document


def outline(document: Document) -> list[tuple[int, str, str]]:
    """(level, title, the line of the text that the heading starts at)."""
    return [
        (heading.level, heading.title, document.text[heading.start :].partition("\n")[0])
        for heading in document.headings
    ]


def html(markup: str) -> Document:
    return HtmlReader().read(markup.encode(), name="page.html")


def test_plain_text_is_the_file_and_named_after_it() -> None:
    document = TextReader().read(b"a\r\nb", name="notes/todo.txt")
    assert (document.text, document.title, document.headings) == ("a\nb", "todo", ())


def test_markdown_headings_stand_in_the_source() -> None:
    document = MarkdownReader().read(samples.MARKDOWN.encode(), name="guide.md")
    assert document.text == samples.MARKDOWN
    assert outline(document) == [
        (1, "First heading with code", "# First *heading* with `code`"),
        (1, "Setext heading over two lines", "Setext heading"),
        (2, "Ünïcode link", "## Ünïcode [link](https://example.org) ##"),
    ]


def test_markdown_front_matter_gives_title_and_scalars() -> None:
    document = MarkdownReader().read(samples.MARKDOWN.encode(), name="guide.md")
    assert document.title == 'The "guide"'
    assert document.metadata == {
        "title": 'The "guide"',
        "version": 2,
        "draft": False,
        "date": "2026-11-23",
        "encoding": "utf-8",
    }


@pytest.mark.parametrize(
    "front",
    [
        "key: [unclosed",
        "just words",
        "- a list",
        "!!python/object/apply:os.system ['true']",
        "huge: .inf\nmany: 1e999\nlong: " + "9" * 400,
        "[" * 4000,
    ],
)
def test_other_front_matter_is_harmless(front: str) -> None:
    document = MarkdownReader().read(f"---\n{front}\n---\n\n# Title\n".encode(), name="guide.md")
    assert document.metadata == {"encoding": "utf-8"}
    assert "Title" in [heading.title for heading in document.headings]


def test_a_single_top_heading_is_the_title() -> None:
    read = MarkdownReader().read
    assert read(b"# Only\n\n## a\n\n## b\n", name="x.md").title == "Only"
    assert read(b"# One\n\n# Two\n", name="x.md").title == "x"


def test_a_heading_as_long_as_a_page_is_cut() -> None:
    (heading,) = MarkdownReader().read(b"# " + b"word " * 1000, name="x.md").headings
    assert len(heading.title) == 200


def test_html_reads_as_a_visitor_sees_it() -> None:
    document = html(samples.HTML)
    assert document.text == (
        "Head line\n\n"
        "First paragraph,\nsecond line.\n\n"
        "- one\n- two\n  1. inner\n\n"
        "Prices\nName | Price in €\nBolt | 1 200\n\n"
        "Code\n\n"
        "if x:\n    y()"
    )
    assert outline(document) == [(1, "Head line", "Head line"), (2, "Code", "Code")]
    assert document.title == "A page"
    assert document.metadata == {"encoding": "utf-8", "lang": "en", "description": "What it is about"}


@pytest.mark.parametrize(
    "unseen",
    [
        "<p hidden>secret</p>",
        '<p style="color: red; DISPLAY : none">secret</p>',
        '<p style="visibility:hidden">secret</p>',
        '<p style="opacity:0">secret</p>',
        '<p style="font-size: 0px; x: y">secret</p>',
        '<p style="position:absolute; left:-9999px">secret</p>',
        '<div style="display:none"><p>secret <b>deep</b></p></div>',
        "<!-- secret -->",
        "<script>secret</script>",
        "<style>secret</style>",
        "<template><p>secret</p></template>",
        "<noscript>secret</noscript>",
        "<textarea>secret</textarea>",
        "<svg><text>secret</text></svg>",
        "<title>secret</title>",
        '<img alt="secret"><input value="secret">',
    ],
)
def test_html_that_no_visitor_sees_is_left_out(unseen: str) -> None:
    assert html(f"<div>before {unseen}after</div>").text.split() == ["before", "after"]


@pytest.mark.parametrize("style", ["opacity:0.5", "font-size:10px", "left:-10px", "display:block"])
def test_html_with_ordinary_styles_is_kept(style: str) -> None:
    assert html(f'<p style="{style}">seen</p>').text == "seen"


def test_html_layout_tables_are_not_rows() -> None:
    document = html("<table><tr><td><h2>Left</h2><p>text<td>right<table><tr><td>a<td>b</table></table>")
    assert document.text == "Left\n\ntext\n\nright\n\na | b"
    assert [heading.title for heading in document.headings] == ["Left"]


def test_html_lists_and_lines_inside_cells_and_headings_stay_on_one_line() -> None:
    table = "<tr><td><ul><li>a<li>b</ul><td>c<br>d</tr><tr><td> <td></tr>"
    document = html(f"<h1>One<br>two <ul><li>three</ul></h1><table>{table}</table><p>after")
    assert document.text == "One two three\n\na b | c d\n\nafter"


def test_html_without_rows_or_lists_around_cells_and_items() -> None:
    assert html("<li>one<li>two").text == "- one\n- two"
    assert "a | b" in html("<table><td>a<td>b</table>").text


@pytest.mark.parametrize(
    ("declared", "encoding"), [("windows-1251", "cp1251"), ("iso-8859-1", "cp1252"), ("Shift_JIS", "cp932")]
)
def test_html_declares_its_encoding(declared: str, encoding: str) -> None:
    text = {"cp1251": "Да", "cp1252": "“é”", "cp932": "表"}[encoding]
    markup = f'<meta charset="{declared}"><p>{text}'
    assert HtmlReader().read(markup.encode(encoding), name="page.html").text == text


def test_html_with_an_xml_declaration_is_read() -> None:
    assert html('<?xml version="1.0" encoding="latin-1"?><html><body>é</body></html>').text == "é"


def test_html_nested_too_deeply_is_refused_not_cut() -> None:
    assert html("<div>" * 500 + "deep").text == "deep"
    with pytest.raises(ReadError, match="deeply"):
        html("<div>" * 5000 + "lost")
