"""Swapping, trying out and rolling back models, with scripted generators."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from asbuilt.assistant.prompt import Prompt
from asbuilt.errors import BugError, EndpointError, LimitError, MissingError, StorageError, UserError
from asbuilt.generation import deployed, deployment
from asbuilt.generation.deployed import RegistryGenerator
from asbuilt.generation.deployment import conversation_share
from asbuilt.generation.models import STARTER
from asbuilt.lineage import Manifest
from asbuilt.model_registry import ModelRegistry
from asbuilt.roles import Generator
from asbuilt.testing.generator_contract import GeneratorContract
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.types import Event, Finished, GenerationOptions, Message, TextDelta, ToolCall, Usage

OPTIONS = GenerationOptions(temperature=0, max_tokens=50)
FALLBACK = "fallback"
WORDS = 12


class Model:
    """Says its own name in every token. `gate` holds up each token."""

    context_tokens = 4096

    def __init__(self, name: str, *, fails: bool = False, late_s: float = 0.0, call: str = "") -> None:
        self.name = name
        self.open = True
        self.fails = fails
        self.late_s = late_s
        self.call = call
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[Sequence[Message]] = []

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(messages)

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        self.asked.append(messages)
        await asyncio.sleep(self.late_s)
        if self.fails:
            raise EndpointError("it broke.")
        for _ in range(WORDS):
            assert self.open, "a model was closed while it wrote"
            await self.gate.wait()
            yield TextDelta(f"{self.name} ")
        calls = (ToolCall(self.call, "search", {}),) if self.call and messages[-1].role == "user" else ()
        message = Message("assistant", f"{self.name} " * WORDS, tool_calls=calls)
        yield Finished(message, Usage(3, WORDS), model=self.name)

    def close(self) -> None:
        self.open = False


class Place:
    """A registry, and a generator on it whose models are `Model`s."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **config: Any) -> None:
        self.registry = ModelRegistry(folder)
        self.opened: dict[str, list[Model]] = {}
        self.traits: dict[str, dict[str, Any]] = {}
        self.broken: dict[str, Exception] = {}
        self.slow = threading.Event()
        self.slow.set()
        self.generator = RegistryGenerator(registry=folder, **config)
        monkeypatch.setattr(self.generator._deployment, "_open_model", self._open)
        monkeypatch.setattr(deployment, "_LOOK_EVERY_S", 0.0)

    def _open(self, manifest: Manifest | None) -> Generator:
        name = manifest.version if manifest else FALLBACK
        assert self.slow.wait(10)
        if name in self.broken:
            raise self.broken[name]
        model = Model(name, **self.traits.get(name, {}))
        self.opened.setdefault(name, []).append(model)
        return model

    def model(self, at: int) -> str:
        """The version of a newly registered model."""
        files = {"model.gguf": f"weights {at}".encode()}
        return self.registry.register(files, name="m", kind="merged", base="b", base_digest="").version

    def settle(self) -> None:
        self.generator._deployment.settle()

    async def ask(self, question: str = "Why?") -> str:
        """Which model answers; every token must be its own."""
        text, finished = "", None
        async for event in self.generator.stream([Message("user", question)], options=OPTIONS):
            if isinstance(event, TextDelta):
                text += event.text
            elif isinstance(event, Finished):
                finished = event
        assert finished is not None
        assert text == f"{finished.model} " * WORDS == finished.message.content
        return finished.model

    def said_by(self, question: str = "Why?") -> str:
        return asyncio.run(self.ask(question))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    place = Place(tmp_path / "models", monkeypatch)
    yield place
    place.slow.set()
    place.generator.close()
    assert not any(model.open for models in place.opened.values() for model in models)


def eventually(holds: Any) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.002)


# ---------------------------------------------------------------- what serves


def test_the_fallback_serves_until_there_is_a_promotion_and_after_all_are_rolled_back(place: Place) -> None:
    place.generator.open()
    assert place.said_by() == FALLBACK
    version = place.model(1)
    assert place.said_by() == FALLBACK  # registered is not promoted
    place.registry.promote(version)
    place.settle()
    assert place.said_by() == version
    place.registry.rollback()
    place.settle()
    assert place.said_by() == FALLBACK
    assert place.generator.problems == ()


def test_what_is_in_production_serves_from_the_start_without_the_fallback(place: Place) -> None:
    version = place.model(1)
    place.registry.promote(version)
    place.generator.open()
    assert place.said_by() == version
    assert list(place.opened) == [version]


def test_the_next_requests_notice_a_promotion_by_themselves(place: Place) -> None:
    place.generator.open()
    version = place.model(1)
    place.registry.promote(version)
    eventually(lambda: place.said_by() == version)
    eventually(lambda: not place.opened[FALLBACK][0].open)


def test_requests_go_on_where_they_began_and_the_old_model_is_closed_after_the_last(place: Place) -> None:
    a, b = place.model(1), place.model(2)
    place.registry.promote(a)
    place.generator.open()
    old = place.opened[a][0]

    async def work() -> None:
        old.gate.clear()
        running = [asyncio.create_task(place.ask(str(at))) for at in range(5)]
        while len(old.asked) < 5:
            await asyncio.sleep(0)
        place.registry.promote(b)
        await asyncio.to_thread(place.settle)
        assert await place.ask() == b
        assert old.open
        old.gate.set()
        assert await asyncio.gather(*running) == [a] * 5

    asyncio.run(work())
    eventually(lambda: not old.open)


def test_a_request_that_is_given_up_lets_go_of_its_model(place: Place) -> None:
    a, b = place.model(1), place.model(2)
    place.registry.promote(a)
    place.generator.open()

    async def work() -> None:
        place.opened[a][0].gate.clear()
        task = asyncio.create_task(place.ask())
        while not place.opened[a][0].asked:
            await asyncio.sleep(0)
        place.registry.promote(b)
        await asyncio.to_thread(place.settle)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(work())
    eventually(lambda: not place.opened[a][0].open)
    assert place.generator.models[0].measures.requests == 0


def test_no_request_waits_while_a_model_is_opened(place: Place) -> None:
    place.generator.open()
    version = place.model(1)
    place.slow.clear()
    place.registry.promote(version)
    assert [place.said_by() for _ in range(3)] == [FALLBACK] * 3
    place.slow.set()
    place.settle()
    assert place.said_by() == version


def test_several_promotions_at_once_end_with_the_last(place: Place) -> None:
    place.generator.open()
    versions = [place.model(at) for at in range(4)]
    place.slow.clear()
    for version in versions:
        place.registry.promote(version)
        assert place.said_by() == FALLBACK
    place.slow.set()
    place.settle()
    assert place.said_by() == versions[-1]


def test_results_of_tools_are_read_by_the_model_that_asked_for_them(place: Place) -> None:
    a, b = place.model(1), place.model(2)
    place.traits[a] = {"call": "call_1"}
    place.registry.promote(a)
    place.generator.open()
    asked = Message("user", "Why?")

    async def answer(*messages: Message) -> Finished:
        events = [event async for event in place.generator.stream(messages, options=OPTIONS)]
        assert isinstance(events[-1], Finished)
        return events[-1]

    first = asyncio.run(answer(asked))
    place.registry.promote(b)
    place.settle()
    assert place.said_by() == b
    assert place.opened[a][0].open  # it waits for the result
    result = Message("tool", "found", name="search", tool_call_id="call_1")
    assert asyncio.run(answer(asked, first.message, result)).model == a
    eventually(lambda: not place.opened[a][0].open)
    assert asyncio.run(answer(asked, first.message, result)).model == b


def test_a_result_that_never_comes_does_not_hold_a_model_forever(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "_AWAITED_S", 0.0)
    a, b = place.model(1), place.model(2)
    place.traits[a] = {"call": "call_1"}
    place.registry.promote(a)
    place.generator.open()
    assert place.said_by() == a
    place.registry.promote(b)
    place.settle()
    place.said_by()
    eventually(lambda: not place.opened[a][0].open)


def test_it_is_not_used_before_it_is_open_or_after_it_was_closed(place: Place) -> None:
    with pytest.raises(BugError, match=r"before open\(\) or after close\(\)"):
        place.said_by()
    place.generator.open()
    place.generator.close()
    with pytest.raises(BugError):
        place.generator.count_tokens([Message("user", "x")])


# ---------------------------------------------------------------- what does not open


@pytest.mark.parametrize(
    "error", [StorageError("blob changed."), MissingError("no base."), RuntimeError("?")]
)
def test_a_model_that_does_not_open_is_not_switched_to(place: Place, error: Exception) -> None:
    a, b = place.model(1), place.model(2)
    place.registry.promote(a)
    place.generator.open()
    place.broken[b] = error
    place.registry.promote(b)
    place.settle()
    assert place.said_by() == a
    problem = " ".join(place.generator.problems)
    assert problem.startswith(f"model {b} is not served: ")
    assert str(error) in problem
    assert [(each.action, each.version) for each in place.registry.log()][-1] == ("open-failed", b)
    place.registry.rollback()
    place.settle()
    assert place.generator.problems == ()
    assert len(place.opened[a]) == 1  # it served all the time


def test_a_model_that_did_not_open_is_tried_again_after_a_while(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.generator.open()
    version = place.model(1)
    place.broken[version] = LimitError("no memory.")
    place.registry.promote(version)
    place.settle()
    assert place.said_by() == FALLBACK
    del place.broken[version]
    assert place.said_by() == FALLBACK
    place.generator._deployment._retry_at = 0.0
    eventually(lambda: place.said_by() == version)
    assert place.generator.problems == ()
    assert sum(each.action == "open-failed" for each in place.registry.log()) == 1


def test_at_the_start_the_version_before_serves_where_production_does_not_open(place: Place) -> None:
    a, b = place.model(1), place.model(2)
    place.registry.promote(a)
    place.registry.promote(b)
    place.broken[b] = StorageError("blob changed.")
    place.generator.open()
    assert place.said_by() == a
    assert len(place.generator.problems) == 1


def test_a_damaged_reference_leaves_what_serves_alone(place: Place) -> None:
    a = place.model(1)
    place.registry.promote(a)
    place.generator.open()
    (place.registry.folder / "production").write_text("garbage")
    assert place.said_by() == a
    assert "no version" in place.generator.problems[0]
    place.registry.promote(a)
    assert place.said_by() == a
    assert place.generator.problems == ()


def test_without_memory_for_both_the_swap_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployed, "available_bytes", lambda: 50 << 20)
    generator = RegistryGenerator(registry=tmp_path, context_tokens=512, gpu_layers=0)
    with pytest.raises(LimitError, match=r"it needs 0\.\d\d GiB beside the model that serves, and 0\.05 GiB"):
        generator._refuse_without_room(STARTER, None)
    monkeypatch.setattr(deployed, "available_bytes", lambda: 50 << 30)
    generator._refuse_without_room(STARTER, None)


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="max_first_token_s is 0"):
        RegistryGenerator(registry=tmp_path, max_first_token_s=0)
    with pytest.raises(UserError, match="slots is 0"):
        RegistryGenerator(registry=tmp_path, slots=0)


# ---------------------------------------------------------------- canaries


def trial(place: Place, share: float = 0.5) -> tuple[str, str]:
    a, b = place.model(1), place.model(2)
    place.registry.promote(a)
    place.registry.start_canary(b, share=share)
    return a, b


def test_a_canary_gets_its_share_of_conversations_and_each_as_a_whole(place: Place) -> None:
    a, b = trial(place, share=0.25)
    place.generator.open()
    questions = [f"question {at}" for at in range(400)]

    async def ask_all() -> list[str]:
        return [await place.ask(question) for question in questions]

    first, again = asyncio.run(ask_all()), asyncio.run(ask_all())
    assert first == again
    assert set(first) == {a, b}
    assert 70 <= first.count(b) <= 130  # 400 x 0.25, 4 standard deviations to either side
    serving = {each.version: each for each in place.generator.models}
    assert (serving[a].role, serving[a].share) == ("production", 0.75)
    assert (serving[b].role, serving[b].share) == ("canary", 0.25)
    assert serving[b].measures.requests == 2 * first.count(b)
    assert serving[b].measures.cut == serving[b].measures.empty == serving[b].measures.errors == 0
    assert len(serving[b].measures.first_token_s) == 2 * first.count(b)


def test_a_conversation_stays_with_its_model_also_where_an_assistant_adds_passages() -> None:
    question = "How do I empty a queue? Question: really?"
    turn = Prompt("rules", (), ("<passage 1>\n[1] a\n</passage 1>",), question).messages()
    history = (Message("user", question), Message("assistant", "So."))
    later = Prompt("rules", history, ("<passage 2>\n[1] b\n</passage 2>",), "And then?").messages()
    assert conversation_share(turn) == conversation_share(later)
    assert conversation_share(turn) == conversation_share([Message("user", question)])
    assert conversation_share(turn) != conversation_share([Message("user", "And then?")])
    assert 0 <= conversation_share([]) < 1


def test_a_canary_that_is_promoted_is_not_opened_twice(place: Place) -> None:
    a, b = trial(place)
    place.generator.open()
    place.registry.promote(b)
    place.settle()
    assert {place.said_by(str(at)) for at in range(20)} == {b}
    assert len(place.opened[b]) == 1
    eventually(lambda: not place.opened[a][0].open)


def test_a_canary_that_is_ended_serves_no_more(place: Place) -> None:
    a, b = trial(place)
    place.generator.open()
    assert {place.said_by(str(at)) for at in range(20)} == {a, b}
    place.registry.end_canary()
    place.settle()
    assert {place.said_by(str(at)) for at in range(20)} == {a}
    eventually(lambda: not place.opened[b][0].open)


def test_a_share_can_be_changed_while_it_serves(place: Place) -> None:
    a, b = trial(place, share=0.001)
    place.generator.open()
    assert {place.said_by(str(at)) for at in range(20)} == {a}
    place.registry.start_canary(b, share=0.999)
    place.settle()
    assert {place.said_by(str(at)) for at in range(20)} == {b}
    assert len(place.opened[b]) == 1


def asked_until_ended(place: Place, most: int = 400) -> int:
    """Requests until the trial was ended; `most` if it was not."""
    for at in range(most):
        with suppress(EndpointError):
            place.said_by(f"{at}")
        if (worker := place.generator._deployment._worker) is not None:
            worker.join()
        if place.registry.canary is None:
            return at
    return most


def test_a_canary_that_fails_more_often_is_rolled_back(place: Place) -> None:
    a, b = trial(place)
    place.traits[b] = {"fails": True}
    place.generator.open()
    assert asked_until_ended(place) < 60
    ended = place.registry.log()[-1]
    assert (ended.action, ended.version) == ("canary-end", b)
    assert "requests failed (at least" in ended.reason
    assert {place.said_by(str(at)) for at in range(20)} == {a}
    assert place.registry.production == a


def test_a_canary_that_is_late_is_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path / "models", monkeypatch, max_first_token_s=0.02)
    _, b = trial(place, share=0.9)
    place.traits[b] = {"late_s": 0.03}
    place.generator.open()
    try:
        assert asked_until_ended(place) < 60
    finally:
        place.generator.close()
    assert "the limit is 0.02 s" in place.registry.log()[-1].reason


def test_a_canary_no_worse_than_production_stays(place: Place) -> None:
    trial(place)
    place.generator.open()
    assert asked_until_ended(place, 200) == 200


def test_a_canary_that_cannot_be_ended_in_the_registry_serves_no_more_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = trial(place)
    place.traits[b] = {"fails": True}
    place.generator.open()

    def refuse(**_: Any) -> None:
        raise StorageError("read-only.")

    monkeypatch.setattr(place.generator._deployment._registry, "end_canary", refuse)
    for at in range(100):
        with suppress(EndpointError):
            place.said_by(f"{at}")
        if (worker := place.generator._deployment._worker) is not None:
            worker.join()
    assert {place.said_by(str(at)) for at in range(20)} == {a}
    assert "read-only" in place.generator.problems[0]


def test_ratings_are_kept_by_model(place: Place) -> None:
    a, b = trial(place)
    place.generator.open()
    place.generator.rate(b, 5)
    place.generator.rate(b, 2)
    place.generator.rate("of-old", 1)
    found = {each.version: (each.measures.ratings, each.measures.stars) for each in place.generator.models}
    assert found == {a: (0, 0), b: (2, 7)}


# ---------------------------------------------------------------- under load


def test_swaps_under_load_lose_nothing_and_mix_nothing(place: Place) -> None:
    versions = [place.model(at) for at in range(6)]
    place.generator.open()
    stop = threading.Event()

    def swap() -> None:
        for version in versions:
            place.registry.promote(version)
            time.sleep(0.01)
        for _ in range(3):
            place.registry.rollback()
            time.sleep(0.01)
        stop.set()

    async def work() -> list[str]:
        swapping = asyncio.create_task(asyncio.to_thread(swap))
        answers: list[str] = []

        async def client(name: int) -> None:
            at = 0
            while not stop.is_set() or at < 5:
                answers.append(await place.ask(f"{name} {at}"))
                at += 1
                await asyncio.sleep(0)

        await asyncio.gather(*(client(name) for name in range(16)))
        await swapping
        return answers

    answers = asyncio.run(work())
    place.settle()
    assert place.said_by() == versions[2]
    assert len(set(answers)) > 2
    eventually(lambda: sum(model.open for models in place.opened.values() for model in models) == 1)


class TestContract(GeneratorContract):
    """It is a generator like any other."""

    @pytest.fixture
    def make(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
        script = ScriptedGenerator(replies=["once upon a time " * 20])

        def made() -> RegistryGenerator:
            generator = RegistryGenerator(registry=tmp_path / "models")
            monkeypatch.setattr(generator._deployment, "_open_model", lambda _manifest: script)
            return generator

        return made
