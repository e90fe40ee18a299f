from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import docutils.core
import pytest
from docutils import nodes
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.documents.rst import RstReader
from asbuilt.documents.titles import one_line
from asbuilt.types import Document

NASTY = """\
para above
a second line
-------------

Title one
=========
text directly under

 Over and under
 --------------

Second level
~~~~~~~~~~~~

===============
Overlined third
===============

Short
--

Wide 東京タワー
===============

Too short an underline
======

Back to two
~~~~~~~~~~~

Z
^

1. Numbered title
~~~~~~~~~~~~~~~~~

1. item
2. item

- bullet
~~~~~~~~

- bullet
  more
Straight after a list
~~~~~~~~~~~~~~~~~~~~~

.. comment
   Not a title
   -----------
.. directive:: x
Straight after a comment
~~~~~~~~~~~~~~~~~~~~~~~~

:field: value
Straight after a field
~~~~~~~~~~~~~~~~~~~~~~

term
  definition
Straight after a definition
~~~~~~~~~~~~~~~~~~~~~~~~~~~

Literal::

    Not a title
    -----------

Quoted literal::

------ quoted
- more
-----

Straight after a quote
~~~~~~~~~~~~~~~~~~~~~~

>>> print("doctest")
-----

| line block
| more

=====  =====
Head   er
------------
A      B
=====  =====
a      b
=====  =====

+-----+
| grid|
+-----+

----------

After a transition
~~~~~~~~~~~~~~~~~~

::

    literal
    ~~~~~~~

A title with ``code``, *emphasis*, a `link <https://example.org>`__, :code:`text` and \\*stars\\*
~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~

**Bold alone**

**Bold** not alone

**Bold over
two lines**

Words before
**bold**

    **indented bold**

- **bold in a list**

A new style at the wrong depth
++++++++++++++++++++++++++++++

Back to one
===========

**Bold under one**

Jump
````

Deep
~~~~

-a option
--long  what it does

==
xy
==

===
Too long for its adornment
===

Trailing
========
"""


PIECES = [
    *("Title", "a long title line", "text here", "", "", "", "  indented", "    deep", "a. b", "> q"),
    *("=====", "-----", "~~~~~~", "==", "--", "===  ===", "+--+", "**Bold**", "**Bold** x"),
    *(
        "- item",
        ".. comment",
        "literal::",
        "1. one",
        "2. two",
        ":f: v",
        "| l",
        ">>> x",
        "-a  opt",
        "-b",
        "--long=ARG",
        "-x, --xx  opt",
        "-a prose is text",
    ),
]


def by_docutils(text: str) -> Iterator[tuple[int, str]]:
    """(level, title) of sections and of paragraphs that are one line of bold text, by docutils."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # docutils deprecates parts of itself
        tree = docutils.core.publish_doctree(
            text,
            settings_overrides={
                "report_level": 5,
                "halt_level": 6,
                "doctitle_xform": False,
                "docinfo_xform": False,
                "file_insertion_enabled": False,
            },
        )
    for element in tree.findall(nodes.Element):
        if isinstance(element, nodes.section):
            yield depth(element), one_line(element[0].astext())
        elif isinstance(element, nodes.paragraph) and isinstance(
            element.parent, nodes.section | nodes.document
        ):
            is_bold = len(element.children) == 1 and isinstance(element[0], nodes.strong)
            if is_bold and "\n" not in element.astext():
                # No markup nests in bold text for docutils; here a title has none at all.
                yield depth(element) + 1, one_line(element.astext().replace("`", ""))


def depth(node: nodes.Node) -> int:
    levels = 0
    at: nodes.Node | None = node
    while at is not None:
        levels += isinstance(at, nodes.section)
        at = at.parent
    return levels


def read(text: str) -> Document:
    return RstReader().read(text.encode(), name="page.rst")


def titles(document: Document) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for heading in document.headings]


def corpus() -> list[Path]:
    spec = find_spec("awscli")
    if spec is None or spec.origin is None:
        pytest.skip("the corpus comes with asbuilt[aws]")
    return sorted(Path(spec.origin).parent.joinpath("examples").rglob("*.rst"))


def check_against_docutils(paths: list[Path]) -> None:
    for path in paths:
        document = RstReader().read(path.read_bytes(), name=path.name)
        assert titles(document) == list(by_docutils(document.text)), path


def test_agrees_with_docutils_on_a_nasty_page() -> None:
    document = read(NASTY)
    assert titles(document) == list(by_docutils(NASTY))
    assert len(document.headings) == 20


@given(st.lists(st.sampled_from(PIECES), min_size=2, max_size=14))
def test_agrees_with_docutils_on_any_mixture(lines: list[str]) -> None:
    text = "\n".join(["start", "", *lines])
    assert titles(read(text)) == list(by_docutils(text))


def test_agrees_with_docutils_on_a_part_of_the_corpus() -> None:
    paths = corpus()
    assert len(paths) > 5_000
    check_against_docutils(paths[::100])


@pytest.mark.slow
def test_agrees_with_docutils_on_the_whole_corpus() -> None:
    check_against_docutils(corpus())


def test_headings_start_at_their_line_or_overline() -> None:
    document = read("Intro.\r\n\r\n=====\r\nTitle\r\n=====\r\n\r\n**To do X**\r\n\r\nText.\r\n")
    assert [document.text[heading.start :].split("\n")[0] for heading in document.headings] == [
        "=====",
        "**To do X**",
    ]
    assert titles(document) == [(1, "Title"), (2, "To do X")]


def test_a_page_with_one_bold_title_is_named_after_it() -> None:
    assert read("**To do X**\n\nText.").title == "To do X"
    assert read("**To do X**\n\n**To do Y**\n").title == "page"


def test_the_text_is_the_source() -> None:
    assert read(NASTY).text == NASTY
