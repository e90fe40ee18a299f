from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import UserError
from asbuilt.generation.tool_schema import ReplyReader, with_tools_in_words
from asbuilt.types import GenerationOptions, Message, ToolCall, ToolSpec

CLOCK = ToolSpec("clock", "The time.", {"type": "object", "properties": {"zone": {"type": "string"}}})
TEXT = st.text(st.characters(codec="utf-8"))


def pieces(text: str, cuts: list[int]) -> list[str]:
    ends = sorted(cut % (len(text) + 1) for cut in cuts)
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@given(
    text=TEXT, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]), cuts=st.lists(st.integers(0, 999))
)
def test_a_response_is_read_however_it_is_cut(
    text: str, ascii_only: bool, indent: int | None, cuts: list[int]
) -> None:
    written = json.dumps({"response": text}, ensure_ascii=ascii_only, indent=indent)
    reader = ReplyReader()
    assert "".join(map(reader.feed, pieces(written, cuts))) == text == reader.text
    assert reader.call() is None


@given(arguments=st.dictionaries(TEXT, TEXT), cuts=st.lists(st.integers(0, 999)))
def test_a_call_is_read_when_it_is_whole(arguments: dict[str, str], cuts: list[int]) -> None:
    written = json.dumps({"tool_call": {"name": "clock", "arguments": arguments}})
    reader = ReplyReader()
    for piece in pieces(written, cuts):
        assert reader.feed(piece) == ""
    call = reader.call()
    assert call is not None
    assert (call.name, call.arguments) == ("clock", arguments)
    cut_off = ReplyReader()
    cut_off.feed(written[:-1])
    assert cut_off.call() is None


def test_text_arrives_before_the_response_is_whole() -> None:
    reader = ReplyReader()
    assert reader.feed('{"response": "Once') == "Once"
    assert reader.feed(" upon\\") == " upon"
    assert reader.feed("n\\ud83d") == "\n"
    assert reader.feed('\\ude80"') == "\N{ROCKET}"


def test_tools_stand_in_the_system_message() -> None:
    options = GenerationOptions(tools=(CLOCK,))
    plain, changed = with_tools_in_words([Message("system", "Be short."), Message("user", "Time?")], options)
    assert [message.role for message in plain] == ["system", "user"]
    assert plain[0].content.startswith("Be short.\n\n")
    assert "clock: The time." in plain[0].content
    assert changed.tools == ()
    assert changed.json_schema is not None
    added, _ = with_tools_in_words([Message("user", "Time?")], options)
    assert [message.role for message in added] == ["system", "user"]


def test_earlier_calls_and_results_are_put_in_words() -> None:
    call = ToolCall("1", "clock", {"zone": "UTC"})
    history = [
        Message("user", "Time?"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "noon", name="clock", tool_call_id="1"),
    ]
    plain, options = with_tools_in_words(history, GenerationOptions())
    assert [message.role for message in plain] == ["user", "assistant", "user"]
    assert json.loads(plain[1].content) == {"tool_call": {"name": "clock", "arguments": {"zone": "UTC"}}}
    assert plain[2].content == "Result of clock:\nnoon"
    assert options == GenerationOptions()


def test_tools_and_a_schema_are_too_much() -> None:
    with pytest.raises(UserError, match="cannot go together"):
        with_tools_in_words([], GenerationOptions(tools=(CLOCK,), json_schema={"type": "object"}))
