"""Shell text -> words of one `aws` command, without running anything.

Reads the part of POSIX shell syntax that documentation and answers use: quotes, backslashes and
line continuations, comments, variables. A pipe, redirection or separator ends the command; a
command substitution is a fault, because its value is unknown and running it is out of the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Line", "Word", "commands", "first_command", "split_words"]

_CONTINUATION = re.compile(r"(?:\\[ \t]*|(?<=[ \t])[`^])\r?\n")  # backslash; in Windows shells ^ or `
_PROMPT = re.compile(r"\s*(?:[$>%]|#(?=\s+aws\b))\s+")
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .:/-]*>")
_VARIABLE = re.compile(r"\$(?:\w+|\{\w+\})")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SUBSTITUTION = re.compile(r"\$\(|`")


@dataclass(frozen=True, slots=True)
class Word:
    """One argument. `unknown` is True when part of it is a variable or a placeholder like <id>."""

    text: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """The words of the first command, what follows it (`rest`), and why it cannot be read (`fault`)."""

    words: tuple[Word, ...]
    rest: str = ""
    fault: str = ""


class _Lexer:
    """One pass over `text`; `pos` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.words: list[Word] = []
        self._parts: list[str] | None = None  # of the word being read; None between words
        self._unknown = False

    def line(self) -> Line:
        while self.pos < len(self.text):
            fault = self._step()
            if fault is not None:
                self._end_word()
                return Line(tuple(self.words), self.text[self.pos :].strip(), fault)
        self._end_word()
        return Line(tuple(self.words))

    def _step(self) -> str | None:
        """Read one character or construct. A string ends the command: its fault, or "" at an operator."""
        char = self.text[self.pos]
        if char in " \t\r":
            self._end_word()
        elif char in "\\`^" and (found := _CONTINUATION.match(self.text, self.pos)):
            if len(found.group().rstrip("\r\n")) > 1:
                return "a backslash followed by a blank does not continue the line"
            self.pos = found.end()
            return None
        elif char == "\\":
            self._take(self.text[self.pos + 1 : self.pos + 2], width=2)
            return None
        elif char == "'":
            return self._single_quoted()
        elif char == '"':
            return self._double_quoted()
        elif char == "#" and self._parts is None:
            self.pos = self._find("\n")
            return None
        elif char == "\n":
            # Empty lines and comments may stand before the command.
            self._end_word()
            if self.words:
                return ""
        elif char == "<" and (found := _PLACEHOLDER.match(self.text, self.pos)):
            self._take(found.group(), unknown=True)
            return None
        elif char in "()":
            return "an unquoted parenthesis is shell syntax; put the value in quotes"
        elif char in "|;&<>":
            if char in "<>" and self._parts and "".join(self._parts).isdecimal():
                self._parts = None  # the 2 of `2>file` names a stream
            return ""
        elif char in "$`":
            return self._expand()
        else:
            self._take(char)
            return None
        self.pos += 1
        return None

    def _take(self, text: str, *, unknown: bool = False, width: int | None = None) -> None:
        if self._parts is None:
            self._parts = []
        self._parts.append(text)
        self._unknown = self._unknown or unknown
        self.pos += len(text) if width is None else width

    def _end_word(self) -> None:
        if self._parts is not None:
            self.words.append(Word("".join(self._parts), self._unknown))
        self._parts, self._unknown = None, False

    def _find(self, stop: str) -> int:
        found = self.text.find(stop, self.pos)
        return len(self.text) if found < 0 else found

    def _single_quoted(self) -> str | None:
        end = self.text.find("'", self.pos + 1)
        if end < 0:
            return "unbalanced single quote"
        self._take(self.text[self.pos + 1 : end], width=end + 1 - self.pos)
        return None

    def _double_quoted(self) -> str | None:
        start = self.pos
        self._take("", width=1)
        while self.pos < len(self.text):
            char = self.text[self.pos]
            if char == '"':
                self.pos += 1
                return None
            if char == "\\" and self.text[self.pos + 1 : self.pos + 2] in ('"', "\\", "$", "`", "\n"):
                escaped = self.text[self.pos + 1]
                self._take("" if escaped == "\n" else escaped, width=2)
            elif char in "$`":
                fault = self._expand()
                if fault is not None:
                    return fault
            else:
                self._take(char)
        self.pos = start
        return "unbalanced double quote"

    def _expand(self) -> str | None:
        if _SUBSTITUTION.match(self.text, self.pos):
            return "a backtick or $( runs a command, which is not done here; use single quotes or the value"
        variable = _VARIABLE.match(self.text, self.pos)
        if variable is None:
            self._take(self.text[self.pos])
        else:
            self._take(variable.group(), unknown=True)
        return None


def split_words(command: str) -> Line:
    """Words of the first command in `command`, as a POSIX shell would pass them.

    A leading prompt (``$ ``) and leading ``NAME=value`` assignments are dropped. Never raises.
    """
    prompt = _PROMPT.match(command)
    line = _Lexer(command[prompt.end() :] if prompt else command).line()
    words = line.words
    while words and _ASSIGNMENT.match(words[0].text):
        words = words[1:]
    return Line(words, line.rest, line.fault)


# ---------------------------------------------------------------- commands inside text

_COMMAND = r"aws[ \t]+(?=[a-z-])"
_AT_LINE_START = re.compile(rf"^[ \t]*(?:[$>#%][ \t]+|PS>[ \t]*|C:\\>[ \t]*)?(?={_COMMAND})", re.MULTILINE)
_IN_CODE = re.compile(rf"(`+)[ \t]*(?={_COMMAND})")
_AFTER_COLON = re.compile(rf":[ \t]+(?={_COMMAND})")
_NEXT_OPTION = re.compile(r"[ \t]*--[a-z]")


def first_command(text: str) -> str | None:
    """The first complete `aws` command in a page or an answer, on one line; None without one.

    Commands that stand on their own lines come first, then those in code spans, then those after a
    colon. Continuation lines are joined: after a backslash (blanks after it are forgiven), inside
    open quotes, and lines that go on with an option. Pipes and redirections after it are kept.
    """
    found = next(commands(text), None)
    if found is not None:
        return found[1]
    span = _IN_CODE.search(text)
    if span is not None:
        end = text.find(span.group(1), span.end())
        return _one_line(text[span.end() : end if end >= 0 else len(text)].split("\n\n")[0])
    colon = _AFTER_COLON.search(text)
    return None if colon is None else _one_line(text[colon.end() :].split("\n", 1)[0])


def commands(text: str) -> Iterator[tuple[int, str]]:
    """Every `aws` command that starts a line of `text`: offset of that line, and the command on one line."""
    pos = 0
    while (found := _AT_LINE_START.search(text, pos)) is not None:
        end = _command_end(text, found.end())
        yield found.start(), _one_line(text[found.end() : end])
        pos = end


def _command_end(text: str, start: int) -> int:
    """Where the command that starts at `start` ends, before its last newline."""
    quote = ""
    pos = start
    while pos < len(text):
        char = text[pos]
        if quote:
            if char == "\\" and quote == '"':
                pos += 1
            elif char == quote:
                quote = ""
        elif continuation := _CONTINUATION.match(text, pos):
            pos = continuation.end()
            continue
        elif char == "\\":
            pos += 1
        elif char in "'\"":
            quote = char
        elif char == "\n" and not _NEXT_OPTION.match(text, pos + 1):
            return pos
        pos += 1
    if quote:
        # A quote that never closes is a slip: then the command is its first line.
        newline = text.find("\n", start)
        return len(text) if newline < 0 else newline
    return len(text)


def _one_line(command: str) -> str:
    """Continuations and line breaks become one blank; blanks within a line stay as they are."""
    joined = _CONTINUATION.sub("\n", command)
    return re.sub(r"[ \t]*(?:\r?\n[ \t]*)+", " ", joined).strip()
