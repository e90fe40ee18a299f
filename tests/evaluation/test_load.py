"""The load generator against servers whose behaviour is known, and what is made of its samples."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from statistics import quantiles

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from load_truth import ANCHOR, CASES, STALL_S, known_server, p95, truth

from asbuilt.blueprint import EvaluationMetric, EvaluationPlan, LoadSpec
from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.measures import parse_measure
from asbuilt.evaluation.arrivals import due_times
from asbuilt.evaluation.load import LoadResult, Sample, run_load
from asbuilt.evaluation.outcome import Passage
from asbuilt.evaluation.result import Measurement
from asbuilt.evaluation.under_load import measured_under_load

# ---------------------------------------------------------------- schedule

LOADS = st.builds(
    LoadSpec,
    st.just("steady"),
    st.just("data"),
    rate_per_s=st.floats(0.1, 200),
    duration_s=st.floats(0.1, 20),
    warmup_s=st.floats(0, 5),
    arrivals=st.sampled_from(["poisson", "constant"]),
    seed=st.integers(0, 2**31),
)


@given(LOADS)
def test_a_schedule_is_ordered_and_the_same_for_the_same_load(load: LoadSpec) -> None:
    times = due_times(load)
    assert times == sorted(times) == due_times(load)
    assert all(0 <= time < load.warmup_s + load.duration_s for time in times)


def test_arrivals_come_as_often_as_they_should() -> None:
    load = LoadSpec("steady", "data", rate_per_s=50, duration_s=200, warmup_s=0)
    times = due_times(load)
    assert abs(len(times) - 10_000) < 4 * 10_000**0.5  # a Poisson count lies within 4 sigma
    gaps = [later - earlier for earlier, later in pairwise(times)]
    # Exponential: as many as 1/e of the gaps are longer than their mean.
    assert sum(gap > 1 / 50 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-1), abs=0.02)
    assert due_times(replace(load, seed=1)) != times
    assert due_times(replace(load, arrivals="constant", duration_s=0.1)) == [0.0, 0.02, 0.04, 0.06, 0.08]


# ---------------------------------------------------------------- real servers


def result_of(load: LoadSpec, *, stall: tuple[float, float] | None) -> LoadResult:
    with known_server(stall, anchor_due=due_times(load)[ANCHOR]) as url:
        return run_load(load, CASES, url=url)


@pytest.mark.parametrize("stalls", [False, True], ids=["steady", "stalls"])
def test_latency_counts_from_when_a_request_was_due(stalls: bool) -> None:
    load = LoadSpec(
        "known", "data", route="search", rate_per_s=40, duration_s=2.4 if stalls else 1.4, warmup_s=0.6
    )
    stall = (1.2, 1.2 + STALL_S / 2) if stalls else None
    result = result_of(load, stall=stall)
    if result.refused:  # this machine was busy with something else for a moment
        result = result_of(load, stall=stall)
    assert not result.refused
    # The warm-up does not count, and nothing else is missing.
    assert [each.due for each in result.samples] == [due for due in due_times(load) if due >= load.warmup_s]
    expected, measured = truth(result, stall), [each.latency_s for each in result.samples]
    assert p95(measured) == pytest.approx(p95(expected), rel=0.05, abs=0.03)
    # Single requests, too: within 60 ms on a machine that others use.
    late = [
        measured[at] - expected[at]
        for at, each in enumerate(result.samples)
        # The stall begins when a request has come, so a little late: which side these fall on is chance.
        if stall is None or not -0.02 <= each.due - stall[0] <= 0.1
    ]
    assert quantiles(late, n=20)[-1] < 0.060
    assert min(late) > -0.010
    if stall is not None:
        inside = [each for each in result.samples if stall[0] + 0.1 < each.due < stall[1] - 0.02]
        assert len(inside) > 20
        assert all(each.latency_s > stall[1] - each.due for each in inside)


@contextmanager
def server(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> Iterator[str]:
    """A server in a thread that does `handle` with each connection."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def careful(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def end() -> None:
        listening.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(careful, "127.0.0.1", 0), loop).result()
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


def response(status: str, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


TOKEN = b'event: token\ndata: {"text": "Call "}\n\nevent: token\ndata: {"text": "it [1]."}\n\n'
CITED = b'event: citations\ndata: {"citations": [{"verified": true}, {"verified": false}]}\n\n'
DONE = b'event: done\ndata: {"refused": false}\n\n'
AWAY = b'event: error\ndata: {"status": 502, "detail": "the endpoint is away."}\n\n'
STREAM = "text/event-stream"
REPLIES = {
    "fine": response("200 OK", STREAM, b": hello\n\n" + TOKEN + CITED + DONE),
    "busy": response("503 Service Unavailable", "application/json", b'{"detail": "busy"}'),
    "away": response("200 OK", STREAM, TOKEN + AWAY),
    "short": response("200 OK", STREAM, TOKEN),
    "garbage": response("200 OK", STREAM, b"event: token\ndata: {nothing\n\n"),
    "strange": response("200 OK", STREAM, b"event: token\ndata: []\n\n"),
    "not http": b"hello\r\n\r\n",
    "hangs up": b"",
}
ERRORS = {
    "busy": "HTTP 503: ",
    "away": "502: the endpoint is away.",
    "short": "the stream ended before it was done",
    "garbage": "Expecting property name",
    "strange": "indices must be",
    "not http": "",
    "hangs up": "closed the connection without a reply",
    "silent": "not answered within 0.5 s",
}


async def by_question(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Replies as the question asks for; one connection after the other may ask."""
    while True:
        body = await read_request(reader)
        kind = next((kind for kind in REPLIES if f'"{kind}"'.encode() in body), None)
        if kind is None:
            await asyncio.sleep(60)
            return
        writer.write(REPLIES[kind])
        await writer.drain()
        if kind in ("not http", "hangs up"):
            return


def test_errors_and_timeouts_are_infinitely_slow_and_named() -> None:
    """Questions are taken in turn: the first two are asked again."""
    cases = [Case(kind, kind) for kind in (*REPLIES, "silent")]
    load = LoadSpec(
        "known",
        "data",
        rate_per_s=20,
        duration_s=(len(cases) + 2) / 20,
        warmup_s=0,
        timeout_s=0.5,
        arrivals="constant",
    )
    told: list[tuple[str, int, int]] = []
    with server(by_question) as url:
        result = run_load(load, cases, url=url, progress=lambda *each: told.append(each))
    assert told == [("load known", done, 11) for done in range(1, 12)]
    assert [each.case_id for each in result.samples] == [*REPLIES, "silent", *list(REPLIES)[:2]]
    samples = {each.case_id: each for each in result.samples}
    for kind, words in ERRORS.items():
        assert samples[kind].latency_s == samples[kind].first_token_s == math.inf, kind
        assert samples[kind].error, kind
        assert words in samples[kind].error, kind
    fine = samples["fine"]
    assert (fine.text, fine.citations, fine.refused, fine.error) == ("Call it [1].", (True, False), False, "")
    assert 0 < fine.first_token_s <= fine.latency_s < 0.5
    assert result.answered == 2
    assert f"{len(ERRORS) + 1} failed" in result.summary
    assert LoadResult.from_json(result.to_json()) == result


def test_a_server_that_is_not_there_fails_every_request() -> None:
    load = LoadSpec("known", "data", rate_per_s=20, duration_s=0.3, warmup_s=0.2, arrivals="constant")
    result = run_load(load, CASES, url="http://127.0.0.1:9")
    assert [each.latency_s for each in result.samples] == [math.inf] * 6
    assert result.answered == 0
    assert not result.refused  # the client did its part


def test_a_connection_that_the_server_gave_up_is_not_used_again() -> None:
    """Servers close what is idle; the next request must not pay for it."""

    async def briefly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(response("200 OK", "application/json", b"[]"))
        await writer.drain()

    load = LoadSpec(
        "known", "data", route="search", rate_per_s=10, duration_s=0.5, warmup_s=0, arrivals="constant"
    )
    with server(briefly) as url:
        result = run_load(load, CASES, url=url)
    assert [each.error for each in result.samples] == [""] * 5


def test_an_interruption_returns_what_was_measured_even_while_nothing_is_answered() -> None:
    """Of 100 requests the first 5 are answered, and then none for a minute."""
    asked = 0
    stop = threading.Event()

    async def five(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while True:
            await read_request(reader)
            asked += 1
            if asked > 5:
                await asyncio.sleep(60)
            writer.write(response("200 OK", "application/json", b"[]"))
            await writer.drain()

    load = LoadSpec("known", "data", route="search", rate_per_s=50, duration_s=2, warmup_s=0, timeout_s=60)
    with server(five) as url:
        threading.Timer(1.2, stop.set).start()
        started = time.perf_counter()
        result = run_load(load, CASES, url=url, stop=stop)
        assert time.perf_counter() - started < 4
    assert result.interrupted
    assert len(result.samples) == 5
    assert result.refused == "the load was interrupted"


# ---------------------------------------------------------------- what is made of samples


def sample(at: float, latency_s: float, *, lag_s: float = 0.0, error: str = "", text: str = "") -> Sample:
    return Sample(
        f"c{at:g}", at, at + lag_s, at + latency_s, first_token=at + latency_s / 2, error=error, text=text
    )


def load_result(samples: list[Sample], **more: object) -> LoadResult:
    return LoadResult("steady", "chat", 10.0, tuple(samples), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lag_s", "latency_s", "refused"),
    [(0.002, 0.05, False), (0.011, 0.05, True), (0.03, 3.0, False), (0.07, 3.0, True)],
)
def test_a_client_that_is_late_itself_is_refused(lag_s: float, latency_s: float, refused: bool) -> None:
    result = load_result(
        [sample(at / 10, latency_s * (1 + at * 7 % 11 / 1000), lag_s=lag_s) for at in range(100)]
    )
    assert bool(result.refused) == refused
    metric = EvaluationMetric("latency", "", "< 5 s", measure="chat.latency.p95", load="steady")
    measured = taken(metric, result)
    assert (measured.verdict == "INCONCLUSIVE") == refused
    assert ("the client was the bottleneck" in "".join(measured.notes)) == refused


def test_a_load_without_requests_gives_no_verdict() -> None:
    assert load_result([]).refused == "no request was due in the measured time"


def taken(
    metric: EvaluationMetric, result: LoadResult, *more: EvaluationMetric, cases: tuple[Case, ...] = ()
) -> Measurement:
    plan = EvaluationPlan(
        metrics=(metric, *more),
        datasets=("known",),  # type: ignore[arg-type]
        loads=(LoadSpec("steady", "known", route=result.route),),  # type: ignore[arg-type]
    )
    return measured_under_load(metric, parse_measure(metric.measure), result, plan, cases)


def under(measure: str, target: str, **more: str) -> EvaluationMetric:
    return EvaluationMetric("m", "", target, measure=measure, load="steady", **more)


ONE_IN_TEN_FAILS = load_result(
    [  # neither latencies nor failures come in a row
        sample(at / 10, 0.2 + at * 41 % 100 / 1000, error="HTTP 503" if at * 37 % 100 < 10 else "")
        for at in range(100)
    ],
    peak_bytes=10**9,
)


def test_failures_count_as_infinitely_slow() -> None:
    slow = taken(under("chat.latency.p95", "< 3 s"), ONE_IN_TEN_FAILS)
    assert (slow.verdict, slow.value, slow.high, slow.failures) == ("FAIL", math.inf, math.inf, 10)
    half = taken(under("chat.latency.p50", "< 3 s"), ONE_IN_TEN_FAILS)
    assert half.verdict == "PASS"
    assert half.value is not None
    assert 0.2 < half.value < 0.3
    token = taken(under("chat.first_token.p50", "< 3 s"), ONE_IN_TEN_FAILS)
    assert token.value == pytest.approx(half.value / 2, rel=0.01)


def test_rates_errors_and_memory_of_a_load() -> None:
    throughput = taken(under("chat.throughput", ">= 5 requests/s"), ONE_IN_TEN_FAILS)
    assert (throughput.value, throughput.verdict) == (9.0, "PASS")
    errors = taken(under("chat.error_rate", "< 30 %"), ONE_IN_TEN_FAILS)
    assert (errors.value, errors.n, errors.verdict) == (0.1, 100, "PASS")
    memory = taken(under("memory.peak", "< 1.5 GB"), ONE_IN_TEN_FAILS)
    assert (memory.value, memory.verdict, memory.failures) == (1e9, "PASS", 0)


def test_goodput_counts_what_meets_every_latency_target_of_the_load() -> None:
    limit = replace(under("chat.latency.p95", "< 250 ms"), name="limit")
    goodput = taken(under("chat.goodput", ">= 1 requests/s"), ONE_IN_TEN_FAILS, limit)
    good = sum(not each.error and each.latency_s <= 0.25 for each in ONE_IN_TEN_FAILS.samples)
    assert 0 < good < 90
    assert goodput.value == good / 10
    elsewhere = replace(limit, load="another")
    assert taken(under("chat.goodput", ">= 1 requests/s"), ONE_IN_TEN_FAILS, elsewhere).value == 9.0


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        (under("search.latency.p95", "< 1 s"), "search.latency cannot be taken from a load on chat"),
        (under("accuracy.exact", ">= 90 %", data="other"), "the load 'steady' asks the questions of 'known'"),
        (under("memory.peak", "< 1 GB"), "the service had ended before its memory was read"),
    ],
)
def test_what_a_load_cannot_tell_is_not_measured(metric: EvaluationMetric, why: str) -> None:
    found = taken(metric, load_result([sample(at / 10, 0.1) for at in range(100)]))
    assert (found.verdict, found.value, found.notes) == ("INCONCLUSIVE", None, (why,))


def test_answers_under_load_are_judged_like_others_and_a_search_has_none() -> None:
    cases = tuple(Case(f"c{at / 10:g}", "?", reference="yes") for at in range(120))
    samples = [
        sample(at / 10, 0.1, text="Yes." if at % 4 else "No.", error="HTTP 500" if at % 10 == 1 else "")
        for at in range(100)
    ]
    metric = under("accuracy.exact", ">= 40 %", data="known")
    found = taken(metric, load_result(samples), cases=cases)
    right = sum(1 for at in range(100) if at % 4 and at % 10 != 1)
    assert (found.value, found.n, found.failures) == (right / 100, 100, 10)
    assert found.worst
    assert taken(metric, replace(load_result(samples), route="search")).value is None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
TIMES = st.floats(0, 1e6)
SAMPLES = st.builds(
    Sample,
    TEXT,
    TIMES,
    TIMES,
    TIMES,
    first_token=st.none() | TIMES,
    error=TEXT,
    citations=st.lists(st.booleans(), max_size=2).map(tuple),
    passages=st.lists(st.builds(Passage, TEXT, st.just(0), st.just(1), TEXT), max_size=2).map(tuple),
)


@settings(max_examples=30)
@given(st.lists(SAMPLES, max_size=4).map(tuple), st.integers(0))
def test_a_load_reads_back_as_it_was(samples: tuple[Sample, ...], peak: int) -> None:
    result = LoadResult("steady", "chat", 10.0, samples, peak_bytes=peak)
    assert LoadResult.from_json(result.to_json()) == result
