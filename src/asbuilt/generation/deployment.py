"""Models of a registry while they serve: swapped, tried out and rolled back without losing a request.

A new model is opened beside the old one, in a thread of its own, and takes over at a stroke. Requests
that run go on with the model that they began with; it is closed after the last of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import takewhile

from asbuilt.errors import AsbuiltError, StorageError
from asbuilt.generation.live import Judgement, LiveMeasures, Measures
from asbuilt.lineage import Manifest
from asbuilt.model_registry import Canary, ModelRegistry
from asbuilt.roles import Generator
from asbuilt.types import Message

__all__ = ["Deployment", "Open", "ServedModel", "conversation_share"]

Open = Callable[[Manifest | None], Generator]
"""Opens a registered model, or the fallback for None. Whatever it raises, the model is not served."""

_log = logging.getLogger("asbuilt.generation")

_FALLBACK = "(fallback)"  # in messages
_LOOK_EVERY_S = 1.0
_RETRY_S = 60.0
_AWAITED = 256  # tool calls
_AWAITED_S = 120.0
_ASKED = "Question: "
"""What assistants write between their passages and the question."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is open, and what was seen of it. `version` is empty for the fallback."""

    version: str
    role: str
    share: float
    running: int
    measures: Measures


@dataclass(eq=False)
class _Open:
    """An open model. `held` counts requests, and tool calls whose results it is to read."""

    version: str
    generator: Generator
    measures: LiveMeasures = field(default_factory=LiveMeasures)
    held: int = 0


@dataclass(frozen=True, slots=True)
class _Reference:
    """What the registry says that should serve."""

    production: str | None
    canary: Canary | None


class Deployment:
    """Serves what `registry` has in production, and a share of requests by its canary.

    The reference is read when a request comes, at most once a second. `problems` says what does not
    serve although it should. `max_first_token_s` ends a canary that breaks it, as more errors than in
    production do, both beyond chance.
    """

    def __init__(
        self, registry: ModelRegistry, open_model: Open, *, max_first_token_s: float | None = None
    ) -> None:
        self._registry = registry
        self._open_model = open_model
        self._max_first_token_s = max_first_token_s
        self._lock = threading.Lock()
        self._current: _Open | None = None
        self._canary: _Open | None = None
        self._draining: set[_Open] = set()
        self._share = 0.0
        self._judgement = Judgement()
        self._awaited: OrderedDict[str, tuple[_Open, float]] = OrderedDict()
        self._settled: _Reference | None = None
        self._look_at = 0.0
        self._retry_at: float | None = None
        self._refused: dict[str, str] = {}
        self._noted: set[tuple[str, str]] = set()
        self._unreadable = ""
        self._worker: threading.Thread | None = None
        self._closers: list[threading.Thread] = []

    # ------------------------------------------------------------ life

    def open(self) -> None:
        """Open what is in production, or what a rollback would lead to, or the fallback.

        Raises what opening the fallback raises. A registry that cannot be read is a problem, no error.
        """
        self._refused, self._unreadable = {}, ""
        reference = self._read() or _Reference(None, None)
        target = None
        with suppress(StorageError):
            target = self._registry.rollback_target
        for version in (reference.production, target):
            if version is not None and (opened := self._opened(version)) is not None:
                break
        else:
            opened = _Open("", self._open_model(None))
        self._current, self._settled = opened, _Reference(reference.production, None)
        self.settle()

    def close(self) -> None:
        """Close all models, once an opening that is under way has ended."""
        with self._lock:
            current, self._current = self._current, None
            canary, self._canary = self._canary, None
            self._awaited.clear()
            worker = self._worker
        if worker is not None:
            worker.join()
        with self._lock:
            draining = tuple(self._draining)
            self._draining.clear()
        for each in (*draining, canary, current):
            if each is not None:
                _close(each)
        for closer in self._closers:
            closer.join()
        self._closers.clear()

    # ------------------------------------------------------------ requests

    @contextmanager
    def serving(self, messages: Sequence[Message]) -> Iterator[_Open | None]:
        """The open model for these messages, which is not closed meanwhile; None when nothing is open."""
        self._look()
        with self._lock:
            chosen = self._chosen(messages)
            if chosen is not None:
                chosen.held += 1
        try:
            yield chosen
        finally:
            if chosen is not None:
                self._release(chosen)

    def await_results(self, served: _Open, calls: Sequence[str]) -> None:
        """Have the results of tool calls, by their ids, read by the model that asked for them."""
        with self._lock:
            if self._current is None:
                return
            for call in calls:
                served.held += 1
                self._awaited[call] = (served, time.monotonic() + _AWAITED_S)

    def results_read(self, messages: Sequence[Message]) -> None:
        """The results of tool calls at the end of `messages` have been read."""
        read = {call for message in _results(messages) if (call := message.tool_call_id)}
        with self._lock:
            let_go = [self._awaited.pop(call)[0] for call in read & self._awaited.keys()]
        for each in let_go:
            self._release(each)

    def rate(self, version: str, stars: int) -> None:
        """Take a person's rating, 1 to 5, of an answer by a model; one that is not open is passed over."""
        for each in (self._current, self._canary):
            if each is not None and each.version == version:
                each.measures.rate(stars)

    # ------------------------------------------------------------ state

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each thing that does not serve although the registry says that it should."""
        lines = [f"model {version} is not served: {why}" for version, why in self._refused.items()]
        return (*((self._unreadable,) if self._unreadable else ()), *lines)

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """The models that new requests go to."""
        with self._lock:
            current, canary, share = self._current, self._canary, self._share
        found = []
        if current is not None:
            role = "production" if current.version else "fallback"
            rest = 1.0 - (share if canary is not None else 0.0)
            found.append(ServedModel(current.version, role, rest, current.held, current.measures.now))
        if canary is not None:
            found.append(ServedModel(canary.version, "canary", share, canary.held, canary.measures.now))
        return tuple(found)

    def settle(self) -> None:
        """Look at the registry now, and wait until what it says serves or was refused."""
        while self._current is not None:
            reference = self._read()
            if reference is None or reference == self._settled:
                return
            self._wake()
            if (worker := self._worker) is not None:
                worker.join()

    # ------------------------------------------------------------ choosing

    def _chosen(self, messages: Sequence[Message]) -> _Open | None:
        for message in _results(messages):
            if message.tool_call_id is not None and message.tool_call_id in self._awaited:
                return self._awaited[message.tool_call_id][0]
        if self._canary is not None and conversation_share(messages) < self._share:
            return self._canary
        return self._current

    def _release(self, served: _Open) -> None:
        with self._lock:
            served.held -= 1
            over = served.held == 0 and served in self._draining
            if over:
                self._draining.remove(served)
        if over:
            self._close_aside(served)
        canary = self._canary
        if canary is not None and self._judgement.due(canary.measures.now):
            self._wake()

    def _forget_awaited(self) -> None:
        """Let go of tool calls whose results nobody gave."""
        with self._lock:
            now, too_many = time.monotonic(), len(self._awaited) - _AWAITED
            gone = [
                call
                for at, (call, (_, until)) in enumerate(self._awaited.items())
                if until < now or at < too_many
            ]
            let_go = [self._awaited.pop(call)[0] for call in gone]
        for each in let_go:
            self._release(each)

    # ------------------------------------------------------------ following the reference

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        if self._awaited:
            self._forget_awaited()
        reference = self._read()
        due = self._retry_at is not None and now >= self._retry_at
        if reference is not None and (due or reference != self._settled):
            self._wake()

    def _read(self) -> _Reference | None:
        try:
            found = _Reference(self._registry.production, self._registry.canary)
        except StorageError as error:
            self._unreadable = str(error)
            return None
        self._unreadable = ""
        return found

    def _wake(self) -> None:
        """Have the thread look, which lives as long as there is something to do."""
        with self._lock:
            if self._current is not None and self._worker is None:
                self._worker = threading.Thread(target=self._follow, name="follow-registry", daemon=True)
                self._worker.start()

    def _follow(self) -> None:
        try:
            while True:
                self._judge()
                reference = self._read()
                due = self._retry_at is not None and time.monotonic() >= self._retry_at
                if self._current is None or reference is None or (reference == self._settled and not due):
                    return
                self._serve(reference)
        finally:
            with self._lock:
                self._worker = None

    def _serve(self, wanted: _Reference) -> None:
        self._retry_at = None
        self._serve_production(wanted.production)
        self._serve_canary(wanted.canary)
        named = {wanted.production or _FALLBACK, wanted.canary and wanted.canary.version}
        self._refused = {name: why for name, why in self._refused.items() if name in named}
        self._settled = wanted

    def _serve_production(self, version: str | None) -> None:
        current, canary = self._current, self._canary
        if current is None or current.version == (version or ""):
            return
        if canary is not None and canary.version == version:
            self._swap(canary, None)  # it is open already
        elif (opened := self._opened(version)) is not None:
            self._swap(opened, canary)

    def _serve_canary(self, named: Canary | None) -> None:
        current, canary = self._current, self._canary
        if current is None:
            return
        if named is None or named.version == current.version:
            self._swap(current, None)
        elif canary is not None and canary.version == named.version:
            self._share = named.share
        else:
            self._swap(current, None)  # first, for the memory
            if (opened := self._opened(named.version)) is not None:
                current.measures = LiveMeasures()  # what the trial is compared with happens beside it
                self._judgement = Judgement(max_first_token_s=self._max_first_token_s)
                self._share = named.share
                self._swap(current, opened)

    def _swap(self, current: _Open, canary: _Open | None) -> None:
        """New requests go to these two from now on; others are closed when their last request ends."""
        with self._lock:
            if self._current is None:  # closed meanwhile
                before = {current, canary}
            else:
                before = {self._current, self._canary} - {current, canary}
                self._current, self._canary = current, canary
            gone = {each for each in before if each is not None}
            running = {each for each in gone if each.held}
            self._draining |= running
        for each in gone - running:
            _close(each)

    def _opened(self, version: str | None) -> _Open | None:
        """The model of a version, open; None, with the reason kept and logged, where that fails."""
        try:
            manifest = None if version is None else self._registry.get(version)
            opened = _Open(version or "", self._open_model(manifest))
        except Exception as error:  # whatever an engine or a file does wrong, the old model serves on
            known = isinstance(error, AsbuiltError)
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            if not known:
                _log.error("a model cannot be opened", exc_info=error)
        else:
            self._refused = {name: why for name, why in self._refused.items() if name != version}
            return opened
        self._refused = {**self._refused, version or _FALLBACK: reason}
        self._retry_at = time.monotonic() + _RETRY_S
        if version is not None and (version, reason) not in self._noted:
            self._noted.add((version, reason))
            with suppress(StorageError):  # shown by `problems` all the same
                self._registry.note_failure(version, reason=reason)
        return None

    # ------------------------------------------------------------ trials

    def _judge(self) -> None:
        current, canary = self._current, self._canary
        if current is None or canary is None:
            return
        seen = canary.measures.now
        if not self._judgement.due(seen):
            return
        fault = self._judgement.fault(seen, current.measures.now)
        if not fault:
            return
        _log.warning("the trial of model %s ends: %s", canary.version, fault)
        self._swap(current, None)
        try:
            self._registry.end_canary(reason=fault, version=canary.version)
        except StorageError as error:
            # It stays in the registry, and is not opened again before that changes.
            self._refused = {**self._refused, canary.version: f"{fault}; {error}"}

    # ------------------------------------------------------------ closing

    def _close_aside(self, served: _Open) -> None:
        """Close it in a thread: an event loop may be waiting."""
        closer = threading.Thread(target=_close, args=(served,), name="close-model", daemon=True)
        with self._lock:
            self._closers = [each for each in self._closers if each.is_alive()]
            self._closers.append(closer)
        closer.start()


def _close(served: _Open) -> None:
    if close := getattr(served.generator, "close", None):
        close()


def _results(messages: Sequence[Message]) -> Iterator[Message]:
    """The results of tool calls that a conversation ends with, last first."""
    return takewhile(lambda message: message.role == "tool", reversed(messages))


def conversation_share(messages: Sequence[Message]) -> float:
    """A number from 0 to below 1 that is drawn by the first thing that the user said.

    Where an assistant put passages before that, only the question counts: it is the same in the next
    turn, the passages are not.
    """
    first = next((message.content for message in messages if message.role == "user"), "")
    asked = first.rpartition(_ASKED)[2].strip()
    return int.from_bytes(sha256(asked.encode(errors="replace")).digest()[:8]) / 2**64
