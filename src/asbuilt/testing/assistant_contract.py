"""What every Assistant must do: events in order, checked citations, refusal, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from asbuilt.errors import UserError
from asbuilt.roles import Assistant
from asbuilt.types import Answer, Citation, CitationsReady, Event, Finished, Message, TextDelta

__all__ = ["AssistantContract", "GenerativeAssistantContract", "ask", "events_of"]


async def _events(assistant: Assistant, messages: Sequence[Message], **keywords: Any) -> list[Event]:
    return [event async for event in assistant.answer(messages, **keywords)]


def events_of(assistant: Assistant, messages: Sequence[Message] | str, **keywords: Any) -> list[Event]:
    """All events of one answer."""
    talk = [Message("user", messages)] if isinstance(messages, str) else messages
    return asyncio.run(_events(assistant, talk, **keywords))


def ask(assistant: Assistant, messages: Sequence[Message] | str, **keywords: Any) -> Answer:
    """The answer to a question or a conversation."""
    last = events_of(assistant, messages, **keywords)[-1]
    assert isinstance(last, Finished)
    assert last.answer is not None
    return last.answer


Make = Callable[[Mapping[str, str], Sequence[str]], Assistant]


class AssistantContract:
    """Subclass it in a test module and override the fixtures. An assistant that answers with a model's
    text passes `GenerativeAssistantContract` as well.

    >>> class TestMyAssistant(AssistantContract):
    ...     @pytest.fixture
    ...     def make(self, tmp_path): return lambda passages, replies: MyAssistant(...)
    """

    @pytest.fixture
    def make(self) -> Make:
        """Builds an open assistant whose retriever finds `passages` (source -> text), whatever is
        asked, and whose model, if it has one, gives `replies`, one after another."""
        raise NotImplementedError

    @pytest.fixture
    def document_text(self) -> Callable[[Citation], str]:
        """The text that a citation points into, as the catalogue has it."""
        raise NotImplementedError

    def test_plays_the_role(self, make: Make) -> None:
        assert isinstance(make(_PASSAGES, ["Yes."]), Assistant)

    def test_events_come_in_order_and_add_up(self, make: Make) -> None:
        events = events_of(make(_PASSAGES, ["Keys expire after 90 days [1]. Ask again."]), "How long?")
        *texts, ready, last = events
        assert all(isinstance(event, TextDelta) for event in texts)
        assert isinstance(ready, CitationsReady)
        assert isinstance(last, Finished)
        assert last.answer is not None
        text = "".join(event.text for event in texts if isinstance(event, TextDelta))
        assert text
        assert text == last.answer.text == last.message.content
        assert last.answer.citations == ready.citations
        assert all(citation.sentence in text for citation in ready.citations)
        assert last.answer.transcript[-1].role == "assistant"

    def test_a_verified_citation_is_in_the_catalogue(
        self, make: Make, document_text: Callable[[Citation], str]
    ) -> None:
        answer = ask(make(_PASSAGES, ["Keys expire after 90 days [1]."]), "How long are keys valid?")
        citation = answer.citations[0]
        assert citation.verified
        assert citation.source == answer.hits[0].chunk.source
        assert document_text(citation)[citation.start : citation.end] == citation.quote
        assert "90 days" in citation.quote

    def test_with_nothing_found_it_says_so_and_answers_nothing(self, make: Make) -> None:
        answer = ask(make({}, ["A confident answer."]), "How long are keys valid?")
        assert answer.refused
        assert answer.text
        assert "confident" not in answer.text
        assert (answer.citations, answer.hits, answer.uncited) == ((), (), ())
        assert answer.usage.total_tokens == 0

    def test_a_conversation_without_a_question_is_the_users_mistake(self, make: Make) -> None:
        with pytest.raises(UserError):
            events_of(make(_PASSAGES, ["Yes."]), [Message("system", "Be brief.")])

    def test_answers_do_not_disturb_each_other(self, make: Make) -> None:
        assistant = make(_PASSAGES, ["Keys expire after 90 days [1]."])

        async def together() -> list[list[Event]]:
            talk = [Message("user", "How long?")]
            return await asyncio.gather(*(_events(assistant, talk) for _ in range(5)))

        said = set()
        for events in asyncio.run(together()):
            assert isinstance(events[-1], Finished)
            said.add(events[-1].message.content)
        assert len(said) == 1

    def test_it_can_be_left_at_any_event(self, make: Make) -> None:
        assistant = make(_PASSAGES, ["one two three four"])

        async def leave(after: int) -> int:
            seen = 0
            async with aclosing(assistant.answer([Message("user", "How long?")])) as events:  # type: ignore[type-var]
                async for _ in events:
                    seen += 1
                    if seen == after:
                        break
            return seen

        assert [asyncio.run(leave(after)) for after in (1, 2, 3)] == [1, 2, 3]


class GenerativeAssistantContract(AssistantContract):
    """What an assistant must do besides when a model writes its text."""

    def test_the_text_is_the_models(self, make: Make) -> None:
        answer = ask(make(_PASSAGES, ["Keys expire after 90 days [1]. Ask again."]), "How long?")
        assert answer.text == "Keys expire after 90 days [1]. Ask again."
        assert answer.usage.prompt_tokens > 0
        assert answer.usage.completion_tokens > 0

    def test_what_is_not_supported_is_not_passed_off_as_checked(self, make: Make) -> None:
        reply = "Keys expire after 30 days [1]. Keys can be renewed [9]. Doors are made of oak."
        answer = ask(make(_PASSAGES, [reply]), "How long are keys valid?")
        assert [(each.number, each.verified) for each in answer.citations] == [(1, False), (9, False)]
        assert all(each.reason for each in answer.citations)
        assert answer.citations[1].document_id is None
        assert answer.uncited == ("Doors are made of oak.",)

    def test_no_reply_breaks_it(self, make: Make) -> None:
        for reply in ("", "[", "[1", "```", "[999999999999] [0] [-1]", "`" * 50, "[1]" * 50, "\ufffc\x00"):
            answer = ask(make(_PASSAGES, [reply]), "How long are keys valid?")
            assert answer.text == reply
            assert not any(each.verified for each in answer.citations)


_PASSAGES = {
    "docs/keys.md": "Keys expire after 90 days. An expired key cannot be renewed.",
    "docs/doors.md": "Doors close by themselves at 10 pm.",
}
