"""Load: requests that come at their own pace, each timed from the moment when it was due.

A closed loop (send, wait, send the next) stops asking while the server stalls, and so leaves out
what users then suffer (coordinated omission). Here a stall delays every request that falls into it.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any, Self

from asbuilt.blueprint import LoadSpec
from asbuilt.blueprint.cases import Case
from asbuilt.errors import EndpointError
from asbuilt.evaluation.arrivals import due_times
from asbuilt.evaluation.outcome import Outcome, Passage
from asbuilt.evaluation.subjects import SYSTEM
from asbuilt.roles import Progress

__all__ = ["LoadResult", "Sample", "run_load"]

_WATCH_S = 0.2
_MOST_LAG_S = 0.010
_MOST_LAG_SHARE = 0.02
"""The client is the bottleneck when the 95th percentile of its lag exceeds both 10 ms and 2 % of the
95th percentile of latency."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request. Times are seconds from the start of the load: when it was `due`, `sent`, when the
    `first_token` came and when all of it had come (`end`). `error` is why it failed."""

    case_id: str
    due: float
    sent: float
    end: float
    first_token: float | None = None
    error: str = ""
    text: str = ""
    refused: bool = False
    citations: tuple[bool, ...] = ()
    passages: tuple[Passage, ...] = ()

    @property
    def latency_s(self) -> float:
        """From when it was due; infinite when it failed."""
        return math.inf if self.error else self.end - self.due

    @property
    def first_token_s(self) -> float:
        """From when it was due; infinite when none came."""
        return math.inf if self.error or self.first_token is None else self.first_token - self.due

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        passages = tuple(Passage(**each) for each in data.get("passages", ()))
        return cls(**{**data, "citations": tuple(data.get("citations", ())), "passages": passages})


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The samples of the measured time (not of the warm-up), in the order in which they were due."""

    load: str
    route: str
    duration_s: float
    samples: tuple[Sample, ...]
    peak_bytes: int = 0
    interrupted: bool = False

    @property
    def answered(self) -> int:
        return sum(not sample.error for sample in self.samples)

    @property
    def lag_p95_s(self) -> float:
        """How late the client itself was."""
        return _p95([sample.sent - sample.due for sample in self.samples])

    @property
    def refused(self) -> str:
        """Why no verdict may be given; empty when one may."""
        if self.interrupted:
            return "the load was interrupted"
        if not self.samples:
            return "no request was due in the measured time"
        latency = _p95([sample.latency_s for sample in self.samples])
        most = max(_MOST_LAG_S, _MOST_LAG_SHARE * latency)
        if self.lag_p95_s > most:
            return (
                f"the client was the bottleneck: it sent requests up to {1000 * self.lag_p95_s:.0f} ms late "
                f"(95th percentile; {1000 * most:.0f} ms would do), so what it measured is its own"
            )
        return ""

    @property
    def summary(self) -> str:
        """One sentence for people."""
        reasons = Counter(sample.error for sample in self.samples if sample.error)
        failed = f", {len(self.samples) - self.answered} failed" if reasons else ""
        why = f" (most often: {reasons.most_common(1)[0][0]})" if reasons else ""
        return (
            f"{len(self.samples)} requests to {self.route} in {self.duration_s:g} s, each at its own time; "
            f"{self.answered} answered{failed}{why}. The client was {1000 * self.lag_p95_s:.1f} ms late at "
            "the 95th percentile."
        )

    def outcomes(self, data: str) -> dict[str, Outcome]:
        """What was answered under load, to be judged as without: the first sample of each case."""
        found: dict[str, Outcome] = {}
        for sample in self.samples:
            found.setdefault(
                sample.case_id,
                Outcome(
                    SYSTEM,
                    data,
                    "answer" if self.route == "chat" else "retrieve",
                    sample.case_id,
                    round(1000 * (sample.end - sample.due), 3),
                    passages=sample.passages,
                    text=sample.text,
                    refused=sample.refused,
                    citations=sample.citations,
                    error=sample.error,
                ),
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back as an equal value."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "samples": tuple(Sample.from_json(each) for each in data["samples"])})


def run_load(
    load: LoadSpec,
    cases: Sequence[Case],
    *,
    url: str,
    key: str | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> LoadResult:
    """Send `load` to the service at `url` (with its prefix) and wait until every request has ended.

    Questions are taken in turn, beginning again when there are fewer than requests. When `stop` is
    set, what was measured until then is returned as interrupted. Raises EndpointError when the client
    process fails.
    """
    times = due_times(load)
    requests = [
        {"due": due, "case_id": case.id, "question": case.question}
        for due, case in zip(times, _in_turn(cases, len(times)), strict=True)
    ]
    job = {"url": url, "route": load.route, "timeout_s": load.timeout_s, "key": key, "requests": requests}
    samples: list[Sample] = []
    with _client(stop) as client:
        for line in _lines(client, json.dumps(job)):
            samples.append(Sample.from_json(json.loads(line)))
            if progress is not None:
                progress(f"load {load.name}", len(samples), len(requests))
    is_cut_off = len(samples) < len(requests)
    interrupted = is_cut_off and stop is not None and stop.is_set()
    if is_cut_off and not interrupted:
        raise EndpointError(
            f"the load generator ended with exit code {client.returncode}; its message stands above."
        )
    measured = sorted((each for each in samples if each.due >= load.warmup_s), key=lambda each: each.due)
    return LoadResult(load.name, load.route, load.duration_s, tuple(measured), interrupted=interrupted)


@contextmanager
def _client(stop: threading.Event | None) -> Iterator[subprocess.Popen[str]]:
    """The client process; it ends at once when `stop` is set, even while no answer comes."""
    client = subprocess.Popen(
        [sys.executable, "-m", "asbuilt.evaluation.load_client"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches us, who say when to stop
    )

    def watch(stop: threading.Event) -> None:
        while client.poll() is None:
            if stop.wait(_WATCH_S):
                client.kill()
                return

    watcher = threading.Thread(target=watch, args=(stop,)) if stop is not None else None
    if watcher is not None:
        watcher.start()
    try:
        with client:
            try:
                yield client
            except BaseException:
                client.kill()
                raise
    finally:
        if watcher is not None:
            watcher.join()


def _lines(client: subprocess.Popen[str], job: str) -> Iterator[str]:
    """What the client reports on `job`, without a last line that a kill cut off."""
    assert client.stdin is not None, "asked for above"
    assert client.stdout is not None, "asked for above"
    with suppress(BrokenPipeError):  # it ended already: its exit code says why
        client.stdin.write(job)
        client.stdin.close()
    for line in client.stdout:
        if line.endswith("\n"):
            yield line


def _in_turn(cases: Sequence[Case], count: int) -> list[Case]:
    return [cases[number % len(cases)] for number in range(count)]


def _p95(values: Sequence[float]) -> float:
    """For judging the client; verdicts use `asbuilt.statistics`."""
    finite = [value for value in values if math.isfinite(value)]
    return quantiles(finite, n=20, method="inclusive")[-1] if len(finite) > 1 else sum(finite)
