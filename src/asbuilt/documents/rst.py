"""reStructuredText.

Titles are found by a scanner of our own that follows the docutils specification (section
"Sections", with the parser's rules for what may stand before a title). docutils itself gives
lines but no offsets, and building its tree takes far longer than reading needs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from asbuilt.documents.decoding import decode
from asbuilt.documents.titles import document_title, one_line
from asbuilt.registry import component
from asbuilt.types import Document, Heading

__all__ = ["RstReader"]


@component("reader/rst")
class RstReader:
    """reStructuredText. The document's text is the decoded file (see `decoding.decode`).

    Headings are section titles, starting at the overline where there is one, and paragraphs that
    are one line of bold text: how-to pages use those as titles. They rank one level below the
    section they stand in.
    """

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".rst", ".rest"})

    def read(self, data: bytes, *, name: str) -> Document:
        decoded = decode(data, name=name)
        headings = _headings(decoded.text)
        return Document(
            text=decoded.text,
            media_type="text/x-rst",
            title=document_title(headings, name=name),
            headings=headings,
            metadata={"encoding": decoded.encoding},
        )


_PUNCTUATION = r"[!-/:-@\[-`{-~]"
_ADORNMENT = re.compile(rf"({_PUNCTUATION})\1*")
_BOLD = re.compile(r"\*\*(?!\s)((?:(?!\*\*(?!\*)).)+)(?<!\s)\*\*")
_SHORT = 4  # an adornment shorter than this must fit its title to count

# Constructs whose first line is never a title. What belongs to them is indented, or begins a line
# that is looked at by itself: bullets, ".. " and "__ " markup, line blocks, fields.
_OTHER_BLOCK = re.compile(
    r"""(?: [-+*\u2022\u2023\u2043] | \.\. | __ | \| )(?:\ |$)
    | :(?![:\ ])(?:\\.|[^:\\]|:(?![\ `]|$))*(?<!\ ):(?:\ |$)""",
    re.VERBOSE,
)
_ARGUMENT = r"(?:[A-Za-z][A-Za-z0-9_-]*|<[^<>]+>)"
_ONE_OPTION = rf"(?:[-+][A-Za-z0-9](?:\ ?{_ARGUMENT})?|(?:--|/)[A-Za-z0-9][A-Za-z0-9_-]*(?:[ =]{_ARGUMENT})?)"
_OPTION = re.compile(rf"{_ONE_OPTION}(?:, {_ONE_OPTION})*(?:  |$)")
_TABLE_OR_DOCTEST = re.compile(r"\+-[-+]+-\+$|>>>(?: |$)")
_SIMPLE_TABLE = re.compile(r"=+(?: +=+)+$")
_SIMPLE_BORDER = re.compile(r"=[ =]*$")
_ENUMERATOR = re.compile(r"(\(?)([0-9]+|[A-Za-z]|[ivxlcdm]+|[IVXLCDM]+|#)([.)])(?: |$)")


class _Title(NamedTuple):
    line: int
    style: str  # one character for underlined titles, two for overlined ones, "" for bold lines
    markup: str


def _headings(text: str) -> tuple[Heading, ...]:
    lines = [line.rstrip() for line in text.split("\n")]
    titles = list(_titles(lines))
    if not titles:
        return ()
    starts = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    styles: list[str] = []
    section = 0  # level of the section that the line stands in
    headings = []
    for line, style, markup in titles:
        if not style:
            level = section + 1
        elif style in styles[: section + 1]:
            level = section = styles.index(style) + 1
        elif style not in styles and len(styles) == section:
            styles.append(style)
            level = section = section + 1
        else:
            continue  # docutils: "Title level inconsistent"; not a section
        headings.append(Heading(starts[line], level, _plain(markup)))
    return tuple(headings)


def _titles(lines: Sequence[str]) -> Iterator[_Title]:
    """Section titles and lone bold lines, in order."""
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line or line[0] in " \t\v\f" or _OTHER_BLOCK.match(line):
            at += 1
        elif _TABLE_OR_DOCTEST.match(line):
            at = _next_blank(lines, at)
        elif _SIMPLE_TABLE.match(line):
            at = _after_simple_table(lines, at)
        elif _ADORNMENT.fullmatch(line) and (found := _overlined(lines, at)):
            title, at = found
            if title:
                yield title
        elif _is_list_item(lines, at):
            at += 1
        elif _underlines(lines, at + 1, line):
            yield _Title(at, lines[at + 1][0], line)
            at += 2
        else:
            end = _after_paragraph(lines, at)
            if end == at + 1 and (bold := _BOLD.fullmatch(line)) and not _line(lines, end):
                yield _Title(at, "", bold[1])
            at = _after_quoted_literal(lines, end) if lines[end - 1].endswith("::") else end


def _line(lines: Sequence[str], at: int) -> str:
    return lines[at] if at < len(lines) else ""


def _next_blank(lines: Sequence[str], at: int) -> int:
    while _line(lines, at):
        at += 1
    return at


def _after_paragraph(lines: Sequence[str], at: int) -> int:
    """The first line after the text block that begins at `at`: blank, indented, or the end."""
    at += 1
    while (line := _line(lines, at)) and line[0] not in " \t\v\f":
        at += 1
    return at


def _after_quoted_literal(lines: Sequence[str], at: int) -> int:
    """After ``::``, lines that all begin with the same punctuation are a literal block."""
    first = at
    while first < len(lines) and not lines[first]:
        first += 1
    quote = _line(lines, first)[:1]
    if not re.match(_PUNCTUATION, quote):
        return at
    while _line(lines, first)[:1] == quote:
        first += 1
    return first


def _after_simple_table(lines: Sequence[str], at: int) -> int:
    """A table ends at its second border below the top, or at one that a blank line follows."""
    borders = 0
    last = at
    for index in range(at + 1, len(lines)):
        if _SIMPLE_BORDER.match(lines[index]):
            borders += 1
            last = index
            if len(lines[index]) != len(lines[at]) or borders == 2 or not _line(lines, index + 1):
                return index + 1
    return last + 1 if borders else len(lines)


def _overlined(lines: Sequence[str], at: int) -> tuple[_Title | None, int] | None:
    """The title under the adornment at `at`, if it is an overline, and where to go on.

    None when the adornment is too short to be one: then it is text like any other.
    """
    overline, title, underline = lines[at], _line(lines, at + 1), _line(lines, at + 2)
    is_title = title and not _ADORNMENT.fullmatch(title) and overline == underline
    if is_title and (len(overline) >= _SHORT or len(overline) >= _columns(title)):
        return _Title(at, overline[0] + underline[0], title.strip()), at + 3
    if len(overline) < _SHORT:
        return None
    if not title:
        return None, at + 1  # a transition
    return None, at + (2 if _ADORNMENT.fullmatch(title) else 3)


def _underlines(lines: Sequence[str], at: int, title: str) -> bool:
    underline = _line(lines, at)
    if not _ADORNMENT.fullmatch(underline):
        return False
    return len(underline) >= _SHORT or len(underline) >= _columns(title)


def _is_list_item(lines: Sequence[str], at: int) -> bool:
    """True for an option or an enumerator that docutils would not read as plain text."""
    following = _line(lines, at + 1)
    apart = not following or following[0] in " \t"
    if option := _OPTION.match(lines[at]):
        return apart or option.end() < len(lines[at])  # described on the next line, or on this one
    if match := _ENUMERATOR.match(lines[at]):
        return apart or _follows(match, _ENUMERATOR.match(following))
    return False


def _follows(first: re.Match[str], second: re.Match[str] | None) -> bool:
    """True when `second` is the enumerator after `first`, in the same format."""
    if second is None or (first[1], first[3]) != (second[1], second[3]):
        return False
    if second[2] == "#":
        return True
    if first[2].isdigit() and second[2].isdigit():
        return int(second[2]) == int(first[2]) + 1
    return len(first[2]) == len(second[2]) == 1 and ord(second[2]) == ord(first[2]) + 1


def _columns(text: str) -> int:
    """Width on a terminal: wide characters take two columns, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(bool(unicodedata.combining(char)) for char in text)


_INLINE = re.compile(
    r"""``(?P<literal>.+?)``
    | \*\*(?P<strong>[^*]+)\*\*
    | \*(?P<emphasis>[^*\s][^*]*)\*
    | (?::[\w.+:-]+:)? `(?P<link>[^`<]+?)\s*(?:<[^`]*>)?`(?:__?|:[\w.+:-]+:)?
    | \|(?P<substitution>[^|\s][^|]*)\|_{0,2}
    | (?<!\w)(?P<reference>[A-Za-z0-9]+(?:[-._+:][A-Za-z0-9]+)*)__?(?!\w)
    | \\(?P<escaped>\S|\s)""",
    re.VERBOSE,
)


def _plain(markup: str) -> str:
    """A title's words without their inline markup."""

    def words(match: re.Match[str]) -> str:
        if match.lastgroup == "escaped":
            return match["escaped"].strip()
        return match[match.lastgroup or 0]

    return one_line(_INLINE.sub(words, markup))
