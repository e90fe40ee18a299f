from __future__ import annotations

import codecs
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.documents.decoding import decode, looks_binary
from asbuilt.errors import ReadError

FRENCH = (
    "Ce document décrit l'utilisation du service, y compris la configuration et les exemples. "
    "Les clés d'accès doivent être gardées secrètes, même à l'intérieur de l'équipe."
)
GERMAN = "Größe und Straße: Die Prüfung läuft über mehrere Stufen, was schön langsam geht."
RUSSIAN = "Документ описывает способ работы службы и её настройки, а также примеры."
JAPANESE = "この文書はサービスの使い方を説明します。設定も含みます。"
CHINESE = "本文档介绍如何使用该服务，包括配置和示例。"
POLISH = "Zażółć gęślą jaźń. Dokument opisuje sposób działania usługi."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "cp1252"),
        (GERMAN, "cp1252"),
        ("It’s “quoted” English text about computers – with dashes.", "cp1252"),
        (POLISH, "cp1250"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
    ],
)
def test_text_in_old_encodings_is_told_apart(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), name="old.txt").text == text


def test_a_long_file_is_detected_by_its_beginning() -> None:
    text = f"{GERMAN}\n" * 10_000
    assert decode(text.encode("cp1252"), name="long.txt").text == text


def test_what_cannot_be_told_is_refused_rather_than_guessed() -> None:
    with pytest.raises(ReadError, match="cannot be told"):
        decode(b"caf\xe9", name="short.txt")


def test_the_declared_encoding_counts_after_utf8() -> None:
    assert decode(b"caf\xe9", name="page.html", declared="latin-1").text == "café"
    assert decode("café".encode(), name="page.html", declared="latin-1").text == "café"
    with pytest.raises(ReadError):
        decode(b"caf\xe9", name="page.html", declared="no-such-codec")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_byte_order_mark_decides_and_is_dropped(encoding: str) -> None:
    decoded = decode(f"\ufeff{JAPANESE}".encode(encoding), name="marked.txt")
    assert (decoded.text, decoded.encoding) == (JAPANESE, encoding)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.sampled_from(["\n", "\r\n", "\r"])
)
def test_offsets_are_those_of_python_text_mode(text: str, ending: str) -> None:
    data = f"start{ending}{text}{ending}end".encode()
    assert decode(data, name="file.txt").text == io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()


@pytest.mark.parametrize("data", [b"\0", b"text\0more", bytes(range(1, 9)) * 10])
def test_binary_is_named_as_such(data: bytes) -> None:
    assert looks_binary(data)
    with pytest.raises(ReadError, match="looks binary"):
        decode(data, name="x.txt")


def test_a_nul_behind_a_unicode_mark_is_binary_too() -> None:
    with pytest.raises(ReadError, match="looks binary"):
        decode("a\0b".encode("utf-16"), name="x.txt")


def test_terminal_colours_and_form_feeds_are_text() -> None:
    log = b"\x1b[32mok\x1b[0m done\x0c\n" * 20
    assert decode(log, name="build.log").text == log.decode()


@pytest.mark.parametrize(("data", "reason"), [(b"", "empty"), (b" \r\n\t", "only white space")])
def test_nothing_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        decode(data, name="x.txt")


def test_a_false_mark_is_refused() -> None:
    with pytest.raises(ReadError, match="not utf-8"):
        decode(codecs.BOM_UTF8 + b"\xff", name="x.txt")
