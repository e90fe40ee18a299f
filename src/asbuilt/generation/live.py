"""What is seen of a model while it serves, and when a trial has gone wrong beyond chance."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean

from asbuilt.errors import UserError
from asbuilt.statistics.estimate import percentile_estimate, share_estimate
from asbuilt.types import Event, Finished, TextDelta, ToolCall

__all__ = ["Judgement", "LiveMeasures", "Measures", "Watched"]

_KEPT = 1000
_FIRST_LOOK = 10
_ERROR = 0.05


@dataclass(frozen=True, slots=True)
class Measures:
    """What a model did since it was opened, or since a trial beside it began.

    `errors` are requests that failed for no fault of the caller, `empty` replies without text or call,
    `cut` those that ended at their length limit. `first_token_s` and `tokens_per_s` are of the last
    thousand requests, oldest first. `ratings` and their sum come from people, 1 to 5 each.
    """

    requests: int = 0
    errors: int = 0
    empty: int = 0
    cut: int = 0
    first_token_s: tuple[float, ...] = ()
    tokens_per_s: tuple[float, ...] = ()
    ratings: int = 0
    stars: int = 0

    @property
    def first_token_p95_s(self) -> float | None:
        """The smallest time that at least 95 % of the requests did not exceed; None without any."""
        ordered = sorted(self.first_token_s)
        return ordered[max(1, math.ceil(0.95 * len(ordered) - 1e-9)) - 1] if ordered else None

    @property
    def mean_tokens_per_s(self) -> float | None:
        """None where no reply had more than one token."""
        return fmean(self.tokens_per_s) if self.tokens_per_s else None


class Watched:
    """One request under way."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.first_token_s: float | None = None
        self.finished: Finished | None = None
        self._ended = 0.0

    def see(self, event: Event) -> None:
        """Take note of the next event."""
        if self.first_token_s is None and isinstance(event, TextDelta | ToolCall):
            self.first_token_s = time.perf_counter() - self._began
        if isinstance(event, Finished):
            self.finished = event
            self._ended = time.perf_counter() - self._began

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens after the first, by the time that they took."""
        if self.finished is None or self.first_token_s is None:
            return None
        more, took = self.finished.usage.completion_tokens - 1, self._ended - self.first_token_s
        return more / took if more > 0 and took > 0 else None


class LiveMeasures:
    """Adds up `Measures`; any thread may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = self._errors = self._empty = self._cut = 0
        self._ratings = self._stars = 0
        self._first: deque[float] = deque(maxlen=_KEPT)
        self._speed: deque[float] = deque(maxlen=_KEPT)

    @contextmanager
    def watching(self) -> Iterator[Watched]:
        """Measure a request. What the caller did wrong, or did not wait for, counts neither way."""
        watched = Watched()
        try:
            yield watched
        except UserError:
            raise
        except Exception:
            with self._lock:
                self._requests += 1
                self._errors += 1
            raise
        self._add(watched)

    def rate(self, stars: int) -> None:
        """Take a person's rating of one of its answers, 1 to 5."""
        with self._lock:
            self._ratings += 1
            self._stars += stars

    @property
    def now(self) -> Measures:
        with self._lock:
            return Measures(
                self._requests,
                self._errors,
                self._empty,
                self._cut,
                tuple(self._first),
                tuple(self._speed),
                self._ratings,
                self._stars,
            )

    def _add(self, watched: Watched) -> None:
        finished, speed = watched.finished, watched.tokens_per_s
        if finished is None:
            return
        with self._lock:
            self._requests += 1
            self._empty += not finished.message.content.strip() and not finished.message.tool_calls
            self._cut += finished.reason == "length"
            if watched.first_token_s is not None:
                self._first.append(watched.first_token_s)
            if speed is not None:
                self._speed.append(speed)


class Judgement:
    """Whether a trial fails, looked at when it has had 10 requests, then 20, 40 and so on.

    Each look may err with half the probability that the looks before it left over, so that a sound
    model is judged wrongly in at most 5 % of all trials, however long they last. `max_first_token_s`
    is the limit that the 95th percentile of the time to the first token must not be above.
    """

    def __init__(self, *, max_first_token_s: float | None = None) -> None:
        self._limit_s = max_first_token_s
        self._next_look = _FIRST_LOOK
        self._error = _ERROR

    def due(self, canary: Measures) -> bool:
        """Whether it is time to look again."""
        return canary.requests >= self._next_look

    def fault(self, canary: Measures, production: Measures) -> str:
        """Look: what is wrong beyond chance; empty where nothing is."""
        while self._next_look <= canary.requests:
            self._next_look *= 2
        self._error /= 2
        return self._failing(canary, production) or self._late(canary)

    def _failing(self, canary: Measures, production: Measures) -> str:
        if not production.requests or not canary.errors:
            return ""
        # Two findings (errors, lateness), and two bounds in this one.
        confidence = 1 - self._error / 4
        ours = share_estimate(canary.errors, canary.requests, confidence=confidence)
        theirs = share_estimate(production.errors, production.requests, confidence=confidence)
        if ours.low <= theirs.high:
            return ""
        return (
            f"{canary.errors} of {canary.requests} requests failed (at least {ours.low:.1%}); in production "
            f"{production.errors} of {production.requests} (at most {theirs.high:.1%})"
        )

    def _late(self, canary: Measures) -> str:
        if self._limit_s is None or not canary.first_token_s:
            return ""
        found = percentile_estimate(canary.first_token_s, 95, serial=True, confidence=1 - self._error / 2)
        if found.low <= self._limit_s:
            return ""
        return (
            f"the 95th percentile of the time to the first token is {found.value:.3g} s (at least "
            f"{found.low:.3g} s, of {found.n} requests); the limit is {self._limit_s:g} s"
        )
