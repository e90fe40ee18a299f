from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from asbuilt import registry
from asbuilt.assistant import CitedAssistant
from asbuilt.assistant.prompt import INSTRUCTIONS, NO_ANSWER, TOOL_RULES
from asbuilt.assistant.refusal import NOTHING_FOUND
from asbuilt.catalog import Catalog
from asbuilt.errors import BugError, EndpointError, LimitError, UserError
from asbuilt.roles import Assistant, Tool
from asbuilt.testing import scripted_generator
from asbuilt.testing.assistant_contract import GenerativeAssistantContract, ask, events_of
from asbuilt.testing.fixed_retriever import FixedRetriever
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tools import FunctionTool, SearchTool
from asbuilt.types import (
    Citation,
    Event,
    Filters,
    Finished,
    GenerationOptions,
    Hit,
    Message,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)

PASSAGES = {
    "docs/keys.md": "Keys expire after 90 days. An expired key cannot be renewed.",
    "docs/doors.md": "Doors close by themselves at 10 pm.",
}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    yield catalog
    catalog.close()


def retriever(catalog: Catalog, passages: Mapping[str, str] = PASSAGES, **config: Any) -> FixedRetriever:
    made = FixedRetriever(catalog=catalog, passages=passages, **config)
    made.open()
    return made


def assistant(
    catalog: Catalog,
    *replies: str | ToolCall,
    passages: Mapping[str, str] = PASSAGES,
    context_tokens: int = 4096,
    **config: Any,
) -> tuple[CitedAssistant, ScriptedGenerator]:
    generator = ScriptedGenerator(replies=replies or ("Yes.",), context_tokens=context_tokens)
    made = CitedAssistant(
        catalog=catalog, retriever=retriever(catalog, passages), generator=generator, **config
    )
    return made, generator


class TestCitedAssistant(GenerativeAssistantContract):
    @pytest.fixture
    def make(self, catalog: Catalog) -> Callable[[Mapping[str, str], Sequence[str]], Assistant]:
        return lambda passages, replies: assistant(catalog, *replies, passages=passages)[0]

    @pytest.fixture
    def document_text(self, catalog: Catalog) -> Callable[[Citation], str]:
        def text(citation: Citation) -> str:
            assert citation.document_id is not None
            assert citation.version is not None
            return catalog.version_text(citation.document_id, citation.version)

        return text


def test_the_registry_knows_its_needs() -> None:
    signature = registry.signature("assistant/cited")
    needs = {need.name: (need.role, need.many) for need in signature.needs}
    assert needs == {
        "retriever": ("retriever", False),
        "generator": ("generator", False),
        "tools": ("tool", True),
    }
    assert signature.given == ("catalog",)
    assert "instructions" in [config.name for config in signature.config]
    assert registry.signature("retriever/fixed").given == ("catalog",)


# ---------------------------------------------------------------- the prompt


def test_the_prompt_begins_the_same_for_every_question(catalog: Catalog) -> None:
    made, generator = assistant(catalog, tools=[FunctionTool(clock, effect="read")])
    ask(made, "How long are keys valid?")
    ask(made, [Message("user", "How?"), Message("assistant", "So."), Message("user", "When do doors close?")])
    (first, first_options), (second, second_options) = generator.requests
    assert first[0] == second[0] == Message("system", f"{INSTRUCTIONS}\n{TOOL_RULES}")
    assert first_options.tools == second_options.tools
    assert first[1].content != second[1].content


def test_passages_are_numbered_and_fenced_before_the_question(catalog: Catalog) -> None:
    made, generator = assistant(catalog)
    answer = ask(made, "How long?")
    content = generator.requests[0][0][-1].content
    assert content.index("\n[1] docs/keys.md\nKeys expire") < content.index("\n[2] docs/doors.md\nDoors")
    assert content.endswith("Question: How long?")
    assert [hit.chunk.source for hit in answer.hits] == list(PASSAGES)


def test_the_fence_is_another_one_each_time(catalog: Catalog) -> None:
    made, generator = assistant(catalog)
    fences = set()
    for _ in range(5):
        ask(made, "How long?")
        fences.add(generator.requests[-1][0][-1].content.splitlines()[0])
    assert len(fences) == 5


def test_system_messages_join_the_instructions_and_history_stays_in_order(catalog: Catalog) -> None:
    made, generator = assistant(catalog)
    talk = [
        Message("system", "Answer in French."),
        Message("user", "One?"),
        Message("assistant", "Un."),
        Message("user", "Two?"),
    ]
    ask(made, talk)
    sent = generator.requests[0][0]
    assert [message.role for message in sent] == ["system", "user", "assistant", "user"]
    assert sent[0].content == f"{INSTRUCTIONS}\n\nAnswer in French."
    assert sent[1:3] == tuple(talk[1:3])


def test_options_reach_the_generator_and_filters_the_retriever(catalog: Catalog) -> None:
    made, generator = assistant(catalog)
    options = GenerationOptions(temperature=0.3, max_tokens=7, seed=5, stop=("END",))
    answer = ask(made, "How long?", options=options, filters={"source": "docs/doors.md"})
    assert generator.requests[0][1] == options
    assert [hit.chunk.source for hit in answer.hits] == ["docs/doors.md"]


def test_a_follow_up_is_searched_with_what_it_leans_on(catalog: Catalog) -> None:
    found = retriever(catalog)
    made = CitedAssistant(catalog=catalog, retriever=found, generator=ScriptedGenerator())
    ask(made, [Message("user", "What are keys?"), Message("assistant", "K."), Message("user", "Renew it?")])
    assert found.queries == ["What are keys?\nRenew it?"]


def test_what_does_not_fit_is_left_out_and_said(catalog: Catalog) -> None:
    passages = {f"d/{n}.md": f"Passage {n} " + "word " * 300 for n in range(4)}
    made, generator = assistant(catalog, "It is word [4].", passages=passages, context_tokens=1200)
    talk = [Message(role, "talk " * 100) for _ in range(5) for role in ("user", "assistant")]
    answer = ask(made, [*talk, Message("user", "What is it?")], options=GenerationOptions(max_tokens=200))
    prompt, options = generator.requests[0]
    assert generator.count_tokens(prompt) + options.max_tokens <= 1200
    assert 0 < len(answer.hits) < 4
    assert answer.notes[0].startswith("left out for lack of room: the ")
    assert any("least relevant passages" in note for note in answer.notes)
    assert answer.citations[0].reason == "there is no passage 4"


def test_the_answer_never_takes_more_than_the_context_has_left(catalog: Catalog) -> None:
    made, generator = assistant(catalog, context_tokens=400)
    ask(made, "How long?", options=GenerationOptions(max_tokens=100_000))
    prompt, options = generator.requests[0]
    assert options.max_tokens == 400 - generator.count_tokens(prompt)


def test_a_question_that_is_too_long_is_a_limit_error(catalog: Catalog) -> None:
    made, generator = assistant(catalog, context_tokens=400)
    with pytest.raises(LimitError, match=r"takes \d+ tokens, but the model's context leaves \d+"):
        ask(made, "word " * 1000)
    assert generator.requests == []


def test_a_prompt_can_be_kept_short(catalog: Catalog) -> None:
    passages = {f"d/{n}.md": "word " * 200 for n in range(4)}
    made, generator = assistant(catalog, passages=passages, max_prompt_tokens=600)
    ask(made, "How long?")
    assert generator.count_tokens(generator.requests[0][0]) <= 600


# ---------------------------------------------------------------- refusal


def test_with_nothing_found_the_model_is_not_asked(catalog: Catalog) -> None:
    made, generator = assistant(catalog, passages={})
    answer = ask(made, "How long?")
    assert (answer.text, answer.refused) == (NOTHING_FOUND, True)
    assert generator.requests == []


@pytest.mark.parametrize(
    ("reply", "refused"),
    [(NO_ANSWER, True), (f" {NO_ANSWER.upper()}\n", True), (f"{NO_ANSWER} But keys expire.", False)],
)
def test_the_models_own_refusal_is_a_refusal(catalog: Catalog, reply: str, refused: bool) -> None:
    assert ask(assistant(catalog, reply)[0], "How long?").refused is refused


# ---------------------------------------------------------------- tools


def clock(zone: str) -> str:
    """Time of a zone.

    Args:
        zone: Its name.
    """
    return f"12:00 in {zone}"


def call(name: str, id: str = "c1", **arguments: Any) -> ToolCall:  # noqa: A002
    return ToolCall(id, name, arguments)


def test_calls_are_run_and_stand_in_the_transcript(catalog: Catalog) -> None:
    first = call("clock", zone="Rome")
    made, generator = assistant(catalog, first, "It is noon.", tools=[FunctionTool(clock, effect="read")])
    events = events_of(made, "What time is it?")
    kinds = [type(event).__name__ for event in events]
    assert kinds == [
        "ToolCall",
        "ToolResult",
        "TextDelta",
        "TextDelta",
        "TextDelta",
        "CitationsReady",
        "Finished",
    ]
    assert events[1] == ToolResult(first, "12:00 in Rome")
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.answer is not None
    assert last.answer.transcript == (
        Message("assistant", "", tool_calls=(first,)),
        Message("tool", "12:00 in Rome", name="clock", tool_call_id="c1"),
        Message("assistant", "It is noon."),
    )
    assert generator.requests[1][0][-2:] == last.answer.transcript[:2]
    assert last.usage.completion_tokens == 1 + 3
    assert last.reason == "stop"


def test_a_bad_call_is_answered_with_what_is_wrong_and_may_be_made_again(catalog: Catalog) -> None:
    replies = (call("klock", zone="Rome"), call("clock", zon="Rome"), call("clock", zone="Rome"), "Noon.")
    made, _ = assistant(catalog, *replies, tools=[FunctionTool(clock, effect="read")])
    results = [event for event in events_of(made, "Time?") if isinstance(event, ToolResult)]
    assert [result.failed for result in results] == [True, True, False]
    assert "Did you mean 'clock'? Tools: clock." in results[0].content
    assert "'zone' is required" in results[1].content


def test_rounds_are_bounded_and_the_last_is_without_tools(catalog: Catalog) -> None:
    made, generator = assistant(
        catalog, call("clock", zone="Rome"), tools=[FunctionTool(clock, effect="read")], max_tool_rounds=2
    )
    events = events_of(made, "Time?")
    assert sum(isinstance(event, ToolResult) for event in events) == 2
    assert sum(isinstance(event, ToolCall) for event in events) == 2
    assert [bool(options.tools) for _, options in generator.requests] == [True, True, False]
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.reason == "stop"
    assert last.message == Message("assistant", "")


class ManyCalls(ScriptedGenerator):
    """Says something and makes ten calls at once, then answers."""

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        if any(message.role == "tool" for message in messages):
            async for event in super().stream(messages, options=options):
                yield event
            return
        calls = tuple(call("clock", f"c{number}", zone=f"Z{number}") for number in range(10))
        yield TextDelta("Let me look.")
        for each in calls:
            yield each
        yield Finished(Message("assistant", "Let me look.", tool_calls=calls), Usage(5, 5), "tool_calls")


def test_every_call_is_answered_but_not_all_of_many_are_run(catalog: Catalog) -> None:
    made = CitedAssistant(
        catalog=catalog,
        retriever=retriever(catalog),
        generator=ManyCalls(replies=["Noon."]),
        tools=[FunctionTool(clock, effect="read")],
    )
    answer = ask(made, "Time?")
    results = [message for message in answer.transcript if message.role == "tool"]
    assert [message.tool_call_id for message in results] == [f"c{number}" for number in range(10)]
    assert [message.content.startswith("not run") for message in results] == [False] * 8 + [True] * 2
    assert answer.text == "Let me look.\n\nNoon."


def test_a_tool_that_changes_things_is_refused_when_the_assistant_is_built(catalog: Catalog) -> None:
    with pytest.raises(UserError, match="'clock': its effect is 'external'; only 'read'"):
        assistant(catalog, tools=[FunctionTool(clock)])


def test_a_call_to_the_callers_tool_ends_the_answer(catalog: Catalog) -> None:
    spec = ToolSpec("open_door", "Open a door.", {"type": "object", "properties": {}})
    wanted = call("open_door")
    made, generator = assistant(catalog, wanted, "Done.", tools=[FunctionTool(clock, effect="read")])
    options = GenerationOptions(tools=(spec,))
    events = events_of(made, "Open it!", options=options)
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.message.tool_calls) == ("tool_calls", (wanted,))
    assert not any(isinstance(event, ToolResult) for event in events)
    assert [each.name for each in generator.requests[0][1].tools] == ["clock", "open_door"]
    talk = [
        Message("user", "Open it!"),
        last.message,
        Message("tool", "opened", name="open_door", tool_call_id=wanted.id),
    ]
    assert ask(made, talk, options=options).text == "Done."
    sent = generator.requests[1][0]
    assert sent[-1] == talk[-1]
    assert sent[-3].content.endswith("Question: Open it!")


def test_the_callers_tool_may_not_hide_one_of_the_assistants(catalog: Catalog) -> None:
    made, _ = assistant(catalog, tools=[FunctionTool(clock, effect="read")])
    spec = ToolSpec("clock", "x", {"type": "object", "properties": {}})
    with pytest.raises(UserError, match="'clock' of its own"):
        ask(made, "Time?", options=GenerationOptions(tools=(spec,)))


def test_what_the_search_tool_finds_is_numbered_and_can_be_cited(catalog: Catalog) -> None:
    other = retriever(catalog, {"docs/lamps.md": "Lamps burn for 900 hours."}, collection="more")
    other._hits = [Hit(_renumbered(hit, 77), hit.score) for hit in other._hits]
    replies = (call("search", query="lamps"), call("search", query="again"), "Lamps burn for 900 hours [3].")
    made, _ = assistant(catalog, *replies, tools=[SearchTool(retriever=other)])
    events = events_of(made, "How long?")
    first, second = (event.content for event in events if isinstance(event, ToolResult))
    assert "\n[3] docs/lamps.md\nLamps burn for 900 hours.\n</passage " in first
    assert second == "Nothing else was found."
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.answer is not None
    assert len(last.answer.hits) == 3
    (citation,) = last.answer.citations
    assert (citation.number, citation.verified, citation.source) == (3, True, "docs/lamps.md")


def _renumbered(hit: Hit, id: int) -> Any:  # noqa: A002
    from dataclasses import replace

    return replace(hit.chunk, id=id)


def test_a_result_that_is_too_long_for_the_model_is_cut(catalog: Catalog) -> None:
    def dump() -> str:
        """Dump."""
        return "line of words\n" * 1000

    made, generator = assistant(
        catalog, call("dump"), "Done.", tools=[FunctionTool(dump, effect="read", max_result_chars=99_999)]
    )
    result = next(event for event in events_of(made, "How long?") if isinstance(event, ToolResult))
    assert result.content.endswith("line of words\n[...]")
    prompt, options = generator.requests[1]
    assert generator.count_tokens(prompt) + options.max_tokens <= 4096
    assert "Keys expire" in prompt[1].content


# ---------------------------------------------------------------- going wrong


def test_a_model_that_goes_round_in_circles_is_stopped(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, generator = assistant(catalog, "Keys expire after 90 days [1]. " + "The answer is yes. " * 100)
    monkeypatch.setattr(scripted_generator, "TextDelta", lambda text: TextDelta(text, "a1b2c3"))
    last = events_of(made, "How long?")[-1]
    assert isinstance(last, Finished)
    assert last.answer is not None
    assert last.answer.text.count("The answer is yes.") == 8
    assert last.answer.citations[0].verified
    assert last.answer.notes == ("the model began to repeat itself and was stopped",)
    assert last.answer.model == "a1b2c3"
    assert last.reason == "length"
    assert last.usage == Usage(generator.count_tokens(generator.requests[0][0]), 6 + 4 * 8)


class Breaking(ScriptedGenerator):
    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        yield TextDelta("Keys ")
        raise EndpointError("the endpoint broke off.")


class Endless(ScriptedGenerator):
    """Streams until it is closed."""

    closed = False

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        try:
            while True:
                yield TextDelta("on and ")
                await asyncio.sleep(0)
        finally:
            self.closed = True


class Unfinished(ScriptedGenerator):
    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        yield TextDelta("Keys ")


def test_errors_of_the_generator_come_through(catalog: Catalog) -> None:
    made = CitedAssistant(catalog=catalog, retriever=retriever(catalog), generator=Breaking())
    with pytest.raises(EndpointError, match="broke off"):
        ask(made, "How long?")


def test_a_generator_that_never_finishes_is_a_bug(catalog: Catalog) -> None:
    made = CitedAssistant(catalog=catalog, retriever=retriever(catalog), generator=Unfinished())
    with pytest.raises(BugError, match="Unfinished ended a stream without Finished"):
        ask(made, "How long?")


def test_leaving_the_answer_stops_the_generator_at_once(catalog: Catalog) -> None:
    generator = Endless()
    made = CitedAssistant(catalog=catalog, retriever=retriever(catalog), generator=generator)

    async def leave() -> bool:
        events: Any = made.answer([Message("user", "How long?")])
        async with aclosing(events):
            async for _ in events:
                break
        return generator.closed

    assert asyncio.run(leave())


def test_cancelling_the_task_stops_the_generator_too(catalog: Catalog) -> None:
    generator = Endless()
    made = CitedAssistant(catalog=catalog, retriever=retriever(catalog), generator=generator)

    async def cancel() -> bool:
        async def read() -> None:
            async for _ in made.answer([Message("user", "How long?")]):
                started.set()

        started = asyncio.Event()
        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return generator.closed

    assert asyncio.run(cancel())


class Forgetful:
    """A retriever whose hits are not in the catalogue."""

    def __init__(self, inner: FixedRetriever) -> None:
        self._inner = inner

    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        from dataclasses import replace

        found = self._inner.retrieve(query, top_k=top_k, filters=filters)
        return [replace(hit, chunk=replace(hit.chunk, version=9)) for hit in found]


def test_a_hit_that_the_catalogue_does_not_know_is_never_verified(catalog: Catalog) -> None:
    made = CitedAssistant(
        catalog=catalog,
        retriever=Forgetful(retriever(catalog)),
        generator=ScriptedGenerator(replies=["Keys expire after 90 days [1]."]),
    )
    (citation,) = ask(made, "How long?").citations
    assert (citation.verified, citation.reason) == (
        False,
        "version 9 of the document is not in the catalogue",
    )


def test_tools_play_their_role() -> None:
    assert isinstance(FunctionTool(clock), Tool)
