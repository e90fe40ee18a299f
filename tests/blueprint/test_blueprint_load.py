"""Text -> data with places: what is refused, and how that is said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from asbuilt.blueprint import load, load_text
from asbuilt.blueprint.emit import emit
from asbuilt.blueprint.tree import MAX_DEPTH, _Builder, parse, parse_scalar
from asbuilt.errors import LimitError, NotFoundError, UserError

FILE = Path("blueprint.yaml")


def lines(text: str) -> list[str]:
    """Faults of the text's form, as one would read them."""
    return [fault.format("b") for fault in load_text(text, file=FILE).faults]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "b:1:1: the file holds no data; a blueprint starts with 'blueprint: 1'"),
        ("# nothing\n", "b:1:1: the file holds no data; a blueprint starts with 'blueprint: 1'"),
        ("---\n", "b:2:1: a blueprint is a mapping that starts with 'blueprint: 1' (nothing)"),
        ("- a\n- b\n", "b:1:1: a blueprint is a mapping that starts with 'blueprint: 1' (a list)"),
        ("hello\n", "b:1:1: a blueprint is a mapping that starts with 'blueprint: 1' (a single value)"),
        ("a:\n\tb: 1\n", "b:2:1: a tab cannot stand here; indent and separate with spaces"),
        ("a: b: c\n", "b:1:5: a ': ' is not allowed here; quote a value that holds one, and align the keys"),
        ("a: 'x\nb: 1\n", "b:1:4: the quote that opens here is never closed"),
        ("a: [1, 2\nb: 3\n", "b:2:2: a ',' or a closing ']' is missing before this"),
        ("a: @x\n", "b:1:4: a value cannot start with '@'; quote it"),
        ("a: >= 90 %\n", "b:1:5: a value that starts with '>' or '|' must be quoted"),
        ("a: > 5 s\n", "b:1:6: a value that starts with '>' or '|' must be quoted"),
        ("a:\n  b: 1\n c: 2\n", "b:3:2: this does not line up with what stands above"),
        ('a: "\\q"\n', "b:1:6: '\\q' is no escape; use single quotes, or write the backslash twice"),
        ("a: 1\nb: \x01\n", "b:2:4: character U+0001 is not allowed"),
        ("a: 1\n---\nb: 2\n", "b:2:1: a second document starts here; a blueprint is one"),
        ("}\n", "b:1:1: a value is missing before this"),
    ],
)
def test_text_that_is_no_blueprint_gets_one_plain_line(text: str, line: str) -> None:
    assert lines(text) == [line]


def test_data_only() -> None:
    text = "blueprint: 1\nsystem: !!python/object:os.system {name: x}\ntarget: &t a\napi: *t\n? [a]\n: 1\n"
    assert [line.split(": ", 1)[0] for line in lines(text)] == ["b:2:9", "b:3:9", "b:4:6", "b:5:3"]


def test_a_bomb_of_aliases_costs_nothing() -> None:
    rows = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    tree = parse("\n".join(rows))
    assert tree.data["a39"] == [None, None]
    assert len(tree.faults) == 40 + 2 * 39


def test_nesting_has_an_end() -> None:
    text = "a: " + "[" * 50_000
    assert lines(text) == [f"b:1:{4 + MAX_DEPTH - 1}: nested more than {MAX_DEPTH} levels deep"]


def test_a_duplicate_key_names_both_places_and_hides_nothing_else() -> None:
    text = "blueprint: 1\nsystem: {name: x, purpose: y}\nsystem: {name: z}\ncolor: red\n"
    found = lines(text)
    assert found[0] == "b:3:1: system: duplicate key 'system', first written at 2:1"
    assert found[1].startswith("b:4:1: color: unknown key")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("off", "off"), ("true", True), ("False", False), ("~", None), ("", None),
        ("null", None), ("12", 12), ("-0", 0), ("007", 7), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"),
        ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("1e999", "1e999"), (".inf", ".inf"), (".nan", ".nan"),
        ("2026-11-23", "2026-11-23"), ("1:30", "1:30"), ("٣", "٣"), ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2_and_json(text: str, value: Any) -> None:
    read = parse_scalar(text)
    assert read == value
    assert type(read) is type(value)


def test_quoted_scalars_are_text() -> None:
    assert parse("a: '1'\nb: \"null\"\nc: |\n  true\n").data == {"a": "1", "b": "null", "c": "true\n"}


def test_keys_and_values_know_their_place() -> None:
    tree = parse("a: 1\nb:\n  - x\n  - {c: d}\n")
    assert tree.place(("b", 1, "c"), key=True) == (4, 6)
    assert tree.place(("b", 1, "c")) == (4, 9)
    assert tree.place(("b", 1, "missing")) == (4, 5)
    assert tree.place(("b", 0, "missing")) == (3, 5)
    assert tree.place(("c", "missing")) == (1, 1)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
KEYS = st.text(max_size=100).filter(str.isprintable)
DATA = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    min_size=1,
)


@given(DATA)
def test_what_is_emitted_is_read_back(data: dict[str, Any]) -> None:
    tree = parse(emit(data))
    assert not tree.faults
    assert repr(tree.data) == repr(data)  # not ==: 1 == 1.0 == True


@given(DATA)
def test_libyaml_and_the_parser_that_explains_agree(data: dict[str, Any]) -> None:
    text = emit(data)
    fast, plain = (_Builder(YAML(typ="safe", pure=pure).parse(text)).tree() for pure in (False, True))
    assert fast == plain


def test_a_line_ends_where_yaml_1_2_says() -> None:
    assert parse("a: x\u2028y\n").data == {"a": "x\u2028y"}


@given(st.text())
def test_any_text_gives_a_tree(text: str) -> None:
    tree = parse(text)
    assert tree.complete or tree.faults


# ---------------------------------------------------------------- files


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="asbuilt new assistant DIR"):
        load(tmp_path / "blueprint.yaml")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a folder. Name the file in it: .*blueprint\.yaml"):
        load(tmp_path)


def test_a_device_is_not_read() -> None:
    with pytest.raises(UserError, match="is not a regular file"):
        load(Path(os.devnull))


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "blueprint.yaml"
    file.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(LimitError, match="larger than 1024 KiB"):
        load(file)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "blueprint.yaml"
    file.write_bytes("blueprint: 1\nsystem: ä".encode() + b"\xff\n")
    loaded = load(file)
    assert loaded.blueprint is None
    assert [fault.format("b") for fault in loaded.faults] == [
        "b:2:10: the file is not UTF-8: it holds the byte 0xff"
    ]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "blueprint.yaml"
    file.write_bytes(b"\xef\xbb\xbfblueprint: 1\nsystem: {name: x, purpose: y}\n")
    assert load(file).faults == ()
