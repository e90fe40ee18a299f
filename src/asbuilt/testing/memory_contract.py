"""What every Memory must do: keep facts as they are, for good, and find those of the right scopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

import pytest

from asbuilt.errors import LimitError, UserError
from asbuilt.roles import Memory
from asbuilt.runs import PRIVATE, TRUSTED, UNTRUSTED, Fact, Label

__all__ = ["MemoryContract"]

_EVERYTHING = 1000
"""A `top_k` that no test's facts reach."""
_WRITERS = 4
_EACH = 10


class MemoryContract:
    """Subclass it in a test module and override the fixture.

    >>> class TestMyMemory(MemoryContract):
    ...     @pytest.fixture
    ...     def opened(self, tmp_path): return lambda: my_memory(tmp_path)

    `opened()` is a context that gives a memory, open; all of one test share what they keep, which is
    nothing at first. A fact of 10,000 characters must be too long for it.
    """

    @pytest.fixture
    def opened(self) -> Callable[[], AbstractContextManager[Memory]]:
        """Opens the memory under test."""
        raise NotImplementedError

    @pytest.fixture
    def memory(self, opened: Callable[[], AbstractContextManager[Memory]]) -> Iterator[Memory]:
        """An empty memory, open."""
        with opened() as memory:
            yield memory

    def test_plays_the_role_and_starts_empty(self, memory: Memory) -> None:
        assert isinstance(memory, Memory)
        assert memory.recall("queue", scopes=["shared"]) == []
        memory.remember([])

    @pytest.mark.parametrize("label", [TRUSTED, UNTRUSTED, PRIVATE, Label(trusted=False, private=True)])
    def test_a_fact_comes_back_as_it_was(self, memory: Memory, label: Label) -> None:
        fact = Fact(" The queue\n keeps “messages” 4 days ", "finder", "tool:search", "run-1", label, 1234.5)
        memory.remember([fact])
        assert memory.recall("queue messages", scopes=["finder"]) == [fact]

    def test_the_first_of_a_text_and_scope_stays(self, memory: Memory) -> None:
        first = Fact("the queue is full", "shared", "tool:search", "run-1", UNTRUSTED, 1.0)
        memory.remember([first])
        memory.remember([Fact("the queue is full", "shared", "task", "run-2", TRUSTED, 2.0)])
        assert memory.recall("queue", scopes=["shared"]) == [first]

    def test_facts_given_twice_at_once_are_one(self, memory: Memory) -> None:
        fact = _fact("the queue is full")
        memory.remember([fact, fact])
        assert memory.recall("queue", scopes=["shared"]) == [fact]

    def test_only_the_scopes_that_are_named_are_searched(self, memory: Memory) -> None:
        text = "the queue is full"
        facts = {scope: _fact(text, scope=scope) for scope in ("shared", "finder", "find", "writer")}
        memory.remember(list(facts.values()))
        assert memory.recall("queue", scopes=[]) == []
        assert memory.recall("queue", scopes=["nobody"]) == []
        assert memory.recall("queue", scopes=["find"]) == [facts["find"]]
        found = memory.recall("queue", scopes=["shared", "writer", "writer"])
        assert sorted(each.scope for each in found) == ["shared", "writer"]

    def test_the_best_come_first_and_no_more_than_asked(self, memory: Memory) -> None:
        facts = [
            _fact("buckets keep objects in another region"),
            _fact("queues keep messages that nobody deleted"),
            _fact("how long queues keep messages: four days"),
        ]
        memory.remember(facts)
        found = memory.recall("how long do queues keep messages", scopes=["shared"], top_k=_EVERYTHING)
        assert found[:2] == [facts[2], facts[1]]
        assert memory.recall("how long do queues keep messages", scopes=["shared"], top_k=1) == [facts[2]]

    @pytest.mark.parametrize("query", ["", "  \n", "the of and", "?!", "\x00", "😀 %_' OR 1=1 --"])
    def test_any_query_is_answered(self, memory: Memory, query: str) -> None:
        memory.remember([_fact("the queue is full")])
        assert len(memory.recall(query, scopes=["shared"])) <= 1

    def test_top_k_is_at_least_one(self, memory: Memory) -> None:
        with pytest.raises(UserError, match="top_k"):
            memory.recall("queue", scopes=["shared"], top_k=0)

    def test_an_over_long_fact_is_refused_and_none_of_its_company_is_kept(self, memory: Memory) -> None:
        with pytest.raises(LimitError):
            memory.remember([_fact("a queue"), _fact("queue " * 2000)])
        assert memory.recall("queue", scopes=["shared"]) == []

    @pytest.mark.parametrize("fact", [("", "shared"), (" \n", "shared"), ("queue", ""), ("\ud800", "shared")])
    def test_what_is_no_fact_is_refused(self, memory: Memory, fact: tuple[str, str]) -> None:
        with pytest.raises(UserError):
            memory.remember([_fact(fact[0], scope=fact[1])])

    def test_facts_outlive_the_memory(self, opened: Callable[[], AbstractContextManager[Memory]]) -> None:
        with opened() as memory:
            memory.remember([_fact("the queue is full")])
        with opened() as memory:
            assert memory.recall("queue", scopes=["shared"]) == [_fact("the queue is full")]

    def test_memories_of_one_place_see_each_others_facts(
        self, opened: Callable[[], AbstractContextManager[Memory]]
    ) -> None:
        with opened() as one, opened() as other:
            assert other.recall("queue", scopes=["shared"]) == []
            one.remember([_fact("the queue is full")])
            assert other.recall("queue", scopes=["shared"]) == [_fact("the queue is full")]

    def test_facts_of_many_writers_at_once_are_all_kept_once(
        self, opened: Callable[[], AbstractContextManager[Memory]]
    ) -> None:
        with ExitStack() as stack:
            memories = [stack.enter_context(opened()) for _ in range(_WRITERS)]

            def write(writer: int) -> None:
                for number in range(_EACH):
                    memories[writer].remember(
                        [_fact(f"queue {number}"), _fact(f"queue {number} of {writer}")]
                    )

            with ThreadPoolExecutor(_WRITERS) as threads:
                list(threads.map(write, range(_WRITERS)))
            found = memories[0].recall("queue", scopes=["shared"], top_k=_EVERYTHING)
        assert len(found) == len({each.text for each in found}) == _EACH + _EACH * _WRITERS


def _fact(text: str, *, scope: str = "shared") -> Fact:
    return Fact(text, scope, "task", "run-1", at=1.0)
