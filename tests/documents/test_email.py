from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage

import pytest

from asbuilt.documents.email import EmailReader
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout
from asbuilt.roles import Reader
from asbuilt.testing.reader_contract import PagedReaderContract


def letter(body: str = "Dear Bob,\n\nTotal:   12.00\n\nAnn\n") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Änn <ann@example.org>"
    message["To"] = "bob@example.org"
    message["Date"] = "Mon, 23 Nov 2026 10:00:00 +0100"
    message["Subject"] = "Your order 17"
    message.set_content(body)
    return message


def pages_of(data: bytes, **settings: int) -> list[PageLayout]:
    return list(EmailReader(**settings).pages(data, name="x.eml"))


def nested(depth: int) -> bytes:
    head = b"From: a@example.org\n"
    for level in range(depth):
        head += b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level)
    return head + b"Content-Type: text/plain\n\ninnermost\n"


class TestEmailReaderContract(PagedReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return EmailReader()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        rich = letter()
        rich.add_alternative("<p>Dear <b>Bob</b></p>", subtype="html")
        rich.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="inv\u00f6ice.pdf")
        return {
            "plain.eml": bytes(letter()),
            "rich.eml": bytes(rich),
            "long.eml": bytes(letter("line\n" * 200)),
        }

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        return {"text.eml": b"Hello there,\nno headers.", "deep.eml": nested(5000)}


def test_headers_body_and_attachments() -> None:
    message = letter()
    message.add_alternative("<p>unread</p>", subtype="html")
    message.add_attachment(b"123", maintype="application", subtype="pdf", filename="a.pdf")
    message.add_attachment(letter("inner"))
    (page,) = pages_of(bytes(message))
    assert page.text == (
        "Your order 17\n\nFrom: Änn <ann@example.org>\n\nTo: bob@example.org\n\n"
        "Date: Mon, 23 Nov 2026 10:00:00 +0100\n\nDear Bob,\n\nTotal:   12.00\n\nAnn\n\n"
        "- Attachment: a.pdf (application/pdf, 3 bytes)\n- Attachment: without a name (message/rfc822)"
    )
    assert page.flags == ("attachment not read: a.pdf", "attachment not read: without a name")
    places = {word.text: word.place for word in page.words}
    assert (places["12.00"], places["bob@example.org"]) == ("body, line 3", "header To")
    assert EmailReader().read(bytes(message), name="x.eml").title == "Your order 17"


def test_html_is_read_where_there_is_no_plain_text() -> None:
    message = letter()
    message.set_content(
        "<h2>Offer</h2><p hidden>unseen</p><table><tr><td>a<td>b<tr><td>c<td>d</table>", subtype="html"
    )
    (page,) = pages_of(bytes(message))
    assert page.text.endswith("Offer\n\na | b\nc | d")


def test_encodings_that_lie_or_are_unknown() -> None:
    head = b"Subject: =?unknown-8bit?q?caf=E9?= \xff\nContent-Type: text/plain; charset=x-nope\n\n"
    (page,) = pages_of(head + "größer".encode())
    assert page.text.splitlines()[-1] == "größer"


def test_many_parts_and_deep_ones_are_cut() -> None:
    head = b'From: a@example.org\nContent-Type: multipart/mixed; boundary="b"\n\n'
    many = head + b"".join(b"--b\nContent-Type: text/plain\n\npart %d\n" % number for number in range(1_100))
    page = pages_of(many)[0]
    assert page.flags == ("more parts than max_parts: the rest is not read",)
    assert sum(page.text.count("part ") for page in pages_of(many, max_parts=11)) == 10
    assert "parts nested over 30 deep are not read" in pages_of(nested(40))[0].flags


def test_without_text_there_is_no_document() -> None:
    with pytest.raises(ReadError, match="no text"):
        EmailReader().read(b"MIME-Version: 1.0\n\n", name="x.eml")
