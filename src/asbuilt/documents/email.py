"""E-mails (.eml): headers, the body, and the names of what is attached."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from itertools import islice
from typing import Any

from asbuilt.documents.canvas import Passage
from asbuilt.documents.decoding import decode
from asbuilt.documents.drawn import DRAWING, Grid, document_parts, draw_pages
from asbuilt.documents.html import HtmlReader
from asbuilt.documents.paged import document_of
from asbuilt.documents.text import TextReader
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout
from asbuilt.registry import component
from asbuilt.types import Document

__all__ = ["EmailReader"]

_READING = 1  # raised by whatever changes the pages
_SHOWN = ("From", "To", "Cc", "Reply-To", "Date")
_TELLING = (*_SHOWN, "Subject", "Message-ID", "Received", "MIME-Version")  # one of these makes an e-mail
_MAX_DEPTH = 30
_MAX_NAMED = 50  # attachments
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@component("reader/email")
class EmailReader:
    """Subject, sender, recipients and date; the body, plain text before HTML; attachments by name.

    What is attached, other e-mails included, is listed and flagged but not read: save it as a file of
    its own. Parts beyond `max_parts`, and those nested over 30 deep, are left out with a flag.
    """

    def __init__(self, *, max_parts: int = 1000) -> None:
        self._max_parts = max_parts

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".eml"})

    @property
    def recipe(self) -> str:
        """See the role."""
        return f"email {_READING}; {DRAWING}; {self._max_parts} parts"

    def read(self, data: bytes, *, name: str, pages: Iterable[PageLayout] | None = None) -> Document:
        """See the role and `documents.paged.document_of`."""
        message = _parsed(data, name)
        return document_of(
            self._draw(message) if pages is None else pages,
            name=name,
            media_type="message/rfc822",
            recipe=self.recipe,
            title=_header(message, "Subject"),
        )

    def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
        """See the role. Words say the header, or the line of the body, that they are from."""
        return islice(self._draw(_parsed(data, name)), first - 1, None)

    def _draw(self, message: Message) -> Iterator[PageLayout]:
        parts = _Parts(self._max_parts)
        parts.sort(message, 0)
        content = [*_headers(message), *_body(parts), *_attachments(parts)]
        return draw_pages(content, flags=parts.flags)


def _parsed(data: bytes, name: str) -> Message:
    if not data:
        raise ReadError(f"{name!r} is empty.")
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
    except Exception as error:  # the parser states no errors; RecursionError is one of them
        raise ReadError(f"{name!r} cannot be read as an e-mail ({type(error).__name__}).") from error
    if not any(key in message for key in _TELLING):
        raise ReadError(f"{name!r} is no e-mail: it has none of the headers {', '.join(_TELLING)}.")
    return message


def _header(message: Message, key: str) -> str:
    try:
        text = str(message.get(key, ""))
    except Exception:  # headers are parsed when they are asked for, and damaged ones raise anything
        raw = (value for name, value in message.raw_items() if name.lower() == key.lower())
        text = str(next(raw, ""))
    return _clean(" ".join(text.split()))


def _clean(text: str) -> str:
    return _UNSEEN.sub("\ufffd", text)


@dataclass(slots=True)
class _Parts:
    """The parts of an e-mail, sorted into the body and what is attached."""

    left: int
    texts: list[Message] = field(default_factory=list)
    attached: list[Message] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)

    def sort(self, part: Message, depth: int) -> None:
        self.left -= 1
        if self.left < 0:
            self._flag("more parts than max_parts: the rest is not read")
        elif depth > _MAX_DEPTH:
            self._flag(f"parts nested over {_MAX_DEPTH} deep are not read")
        elif part.get_content_maintype() == "multipart" and part.is_multipart():
            children = [child for child in part.get_payload() if isinstance(child, Message)]
            if part.get_content_subtype() == "alternative":
                children = _preferred(children)
            for child in children:
                if self.left >= 0:
                    self.sort(child, depth + 1)
        elif part.get_content_type() in ("text/plain", "text/html") and not _is_attached(part):
            self.texts.append(part)
        else:
            self.attached.append(part)

    def _flag(self, flag: str) -> None:
        if flag not in self.flags:
            self.flags.append(flag)


def _preferred(alternatives: list[Message]) -> list[Message]:
    """One of several forms of the same content: plain text, else the first other."""
    plain = [part for part in alternatives if part.get_content_type() == "text/plain"]
    return (plain or alternatives)[:1]


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(_file_name(part))


def _file_name(part: Message) -> str:
    try:
        return _clean(" ".join((part.get_filename() or "").split()))
    except Exception:  # as for headers
        return ""


def _headers(message: Message) -> Iterator[Passage]:
    if subject := _header(message, "Subject"):
        yield Passage(subject, "heading", 1, "header Subject")
    for key in _SHOWN:
        if value := _header(message, key):
            yield Passage(f"{key}: {value}", place=f"header {key}")


def _body(parts: _Parts) -> Iterator[Passage | Grid]:
    for number, part in enumerate(parts.texts, start=1):
        place = "body" if len(parts.texts) == 1 else f"body part {number}"
        payload = _bytes(part.get_payload(decode=True))
        try:
            text = decode(payload, name=place, declared=part.get_content_charset()).text
            reader = HtmlReader() if part.get_content_subtype() == "html" else TextReader()
            document = reader.read(_clean(text).encode(), name=place)
        except ReadError as error:
            if payload.strip():
                parts.flags.append(f"not read: {error}".rstrip("."))
            continue
        yield from document_parts(document, place=place)


def _bytes(payload: Any) -> bytes:
    return payload if isinstance(payload, bytes) else b""


def _attachments(parts: _Parts) -> Iterator[Passage]:
    for number, part in enumerate(parts.attached, start=1):
        if number > _MAX_NAMED:
            parts.flags.append(f"{len(parts.attached) - _MAX_NAMED:,} more attachments not read")
            return
        title = _file_name(part) or "without a name"
        size = "" if part.is_multipart() else f", {len(_bytes(part.get_payload(decode=True))):,} bytes"
        yield Passage(
            f"- Attachment: {title} ({part.get_content_type()}{size})", "list", place=f"attachment {number}"
        )
        parts.flags.append(f"attachment not read: {title}")
