"""The measures that a metric may name: a closed list, each with one pinned definition.

A definition never changes under its version: an older result says which one it was made with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from asbuilt.blueprint.target import Target
from asbuilt.errors import NotFoundError, UserError
from asbuilt.registry import nearest

__all__ = [
    "BASELINES",
    "BEST_RATING",
    "JUDGED",
    "MEASURES",
    "Kind",
    "Measure",
    "MeasureRef",
    "Source",
    "parse_measure",
]

Kind = Literal["share", "mean", "percentile", "rate", "level"]
"""How it is estimated: a share of cases, a mean over cases, a percentile of requests, events a second,
or one number."""

Source = Literal["retrieval", "answers", "load", "feedback", "memory"]
"""Where its numbers come from."""


@dataclass(frozen=True, slots=True)
class Measure:
    """`suffix` says what stands behind the name: a cut-off (``@5``), a percentile (``.p95``), or both
    may be left out. `unit` is that of its values; "share" runs from 0 to 1."""

    name: str
    kind: Kind
    source: Source
    unit: Literal["share", "score", "s", "/s", "bytes", "of 5"]
    definition: str
    suffix: Literal["", "@k", "[@k]", ".pN"] = ""
    higher_is_better: bool = True
    version: int = 1

    @property
    def written(self) -> str:
        """As a blueprint writes it: ``recall@k``."""
        return f"{self.name}{self.suffix}"


@dataclass(frozen=True, slots=True)
class MeasureRef:
    """A measure as a metric names it: ``recall@5``, ``chat.latency.p95``."""

    measure: Measure
    cutoff: int | None = None
    percent: float | None = None

    @property
    def needs_data(self) -> bool:
        """Whether a metric has to name a data set."""
        return self.measure.source in ("retrieval", "answers")

    @property
    def needs_load(self) -> bool:
        """Whether a metric has to name a load."""
        return self.measure.source in ("load", "memory")

    def threshold(self, target: Target) -> float:
        """The target's number in the unit of the values. Raises UserError when its unit is another."""
        factor = _FACTORS[self.measure.unit].get(target.unit)
        if factor is None or (target.best is not None and self.measure.unit != "of 5"):
            units = ", ".join(repr(unit) if unit else "none" for unit in _FACTORS[self.measure.unit])
            given = f"of {target.best:g}" if target.best is not None else target.unit or "no unit"
            raise UserError(f"{self.measure.name} is not measured in {given!r}.", hint=f"Units: {units}.")
        if target.best is not None and target.best != BEST_RATING:
            raise UserError(f"{self.measure.name} is a mean of ratings from 1 to 5")
        number = target.number * factor
        if self.measure.unit == "share" and number > 1:
            raise UserError("a share is at most 100 %", hint="Write 90 %, or 0.9.")
        return number


BEST_RATING = 5

JUDGED = "accuracy.judge"
"""The one measure that needs a judge."""

_FACTORS: dict[str, dict[str, float]] = {
    "share": {"%": 0.01, "": 1.0},
    "score": {"": 1.0, "%": 0.01},
    "s": {"s": 1.0, "ms": 0.001, "min": 60.0},
    "/s": {"/s": 1.0, "requests/s": 1.0},
    "bytes": {"GiB": 2.0**30, "MiB": 2.0**20, "GB": 1e9, "MB": 1e6},
    "of 5": {"": 1.0},
}

_OVER_ALL = "Mean over all cases; one that failed or found nothing counts 0."
_DUE = "Counted from the moment when the request was due; failed requests never arrive."

MEASURES: dict[str, Measure] = {
    each.name: each
    for each in (
        Measure(
            "recall", "mean", "retrieval", "share",
            "Relevant documents among the first k passages, divided by all relevant documents. " + _OVER_ALL,
            "@k",
        ),
        Measure(
            "success", "share", "retrieval", "share",
            "Share of cases with at least one relevant document among the first k passages.",
            "@k",
        ),
        Measure(
            "precision", "mean", "retrieval", "share",
            "Relevant documents among the first k passages, divided by k. " + _OVER_ALL,
            "@k",
        ),
        Measure(
            "ndcg", "mean", "retrieval", "score",
            "Discounted cumulative gain of the first k passages (gain 1 for a relevant document, divided "
            "by log2 of rank + 1), divided by that of the best order of all relevant documents. " + _OVER_ALL,
            "@k",
        ),
        Measure(
            "mrr", "mean", "retrieval", "score",
            "1 divided by the rank of the first relevant document, within the first k passages where a "
            "cut-off is given. " + _OVER_ALL,
            "[@k]",
        ),
        Measure(
            "map", "mean", "retrieval", "score",
            "Average precision: the mean, over all relevant documents, of the precision at their rank; "
            "0 for those not found. " + _OVER_ALL,
        ),
        Measure(
            "accuracy.exact", "share", "answers", "share",
            "Share of answers equal to the reference after lower-casing, dropping punctuation at word "
            "ends and citation numbers, and folding white space.",
        ),
        Measure(
            "accuracy.numeric", "share", "answers", "share",
            "Share of answers that hold every number of the reference within a relative error of 1e-6, "
            "each followed by the same unit where the reference gives one.",
        ),
        Measure(
            "accuracy.command", "share", "answers", "share",
            "Share of answers whose first command (by the reference's program, one that is set off before "
            "one within a sentence) has the reference's subcommands and every option that the reference "
            "names; values are not compared.",
        ),
        Measure(
            JUDGED, "share", "answers", "share",
            "Share of answers that the plan's judge, a language model shown question, reference and answer, "
            "calls right; corrected for its true positive and true negative rate on labelled answers "
            "(Rogan and Gladen 1978).",
        ),
        Measure(
            "citation.precision", "mean", "answers", "share",
            "Verified citations divided by all citations of an answer, over answers that cite anything; one "
            "that failed counts 0.",
        ),
        Measure(
            "refusal.accuracy", "share", "answers", "share",
            "Share of cases where the system refuses exactly when the case is unanswerable.",
        ),
        Measure(
            "chat.latency", "percentile", "load", "s",
            "Time to the end of the answer. " + _DUE, ".pN", higher_is_better=False,
        ),
        Measure(
            "chat.first_token", "percentile", "load", "s",
            "Time to the first piece of text, at the client. " + _DUE, ".pN", higher_is_better=False,
        ),
        Measure(
            "search.latency", "percentile", "load", "s",
            "Time to the end of the result. " + _DUE, ".pN", higher_is_better=False,
        ),
        Measure(
            "chat.throughput", "rate", "load", "/s",
            "Answers a second, those due within the measured time, while requests come at their own pace.",
        ),
        Measure(
            "search.throughput", "rate", "load", "/s",
            "Results a second, those due within the measured time, while requests come at their own pace.",
        ),
        Measure(
            "chat.goodput", "rate", "load", "/s",
            "Answers a second that meet every latency target of the plan; failed ones meet none.",
        ),
        Measure(
            "chat.error_rate", "share", "load", "share",
            "Share of requests that failed or were not answered in time.", higher_is_better=False,
        ),
        Measure(
            "search.error_rate", "share", "load", "share",
            "Share of requests that failed or were not answered in time.", higher_is_better=False,
        ),
        Measure(
            "satisfaction", "mean", "feedback", "of 5",
            "Mean rating from 1 to 5 of the answers that users rated; thumbs up is 5, thumbs down 1.",
        ),
        Measure(
            "memory.peak", "level", "memory", "bytes",
            "Highest resident memory of the service during the load.", higher_is_better=False,
        ),
    )
}  # fmt: skip

BASELINES: dict[str, str] = {
    "retrieval-alone": "the text of the best passage, without a model",
    "model-alone": "the model without any passage",
    "terms-only": "the index searched by words alone",
}
"""What the system can be compared with, on the same cases."""

_CUTOFF = re.compile(r"@([1-9][0-9]{0,3})", re.ASCII)
_PERCENT = re.compile(r"\.p([1-9][0-9](?:\.[0-9]{1,3})?)", re.ASCII)


def parse_measure(text: str) -> MeasureRef:
    """``recall@5`` or ``chat.latency.p95``.

    Raises NotFoundError for an unknown name, UserError for a missing or wrong suffix.
    """
    name = max((known for known in MEASURES if _begins(text, known)), key=len, default="")
    if not name:
        known = tuple(each.written for each in MEASURES.values())
        close = nearest(text, known) or nearest(text.partition("@")[0], tuple(MEASURES))
        hint = f"Did you mean {close!r}?" if close else f"There are: {', '.join(known)}."
        raise NotFoundError(f"there is no measure {text!r}.", hint=hint)
    measure, suffix = MEASURES[name], text.removeprefix(name)
    cutoff, percent = _CUTOFF.fullmatch(suffix), _PERCENT.fullmatch(suffix)
    if measure.suffix == ".pN" and percent:
        return MeasureRef(measure, percent=float(percent[1]))
    if measure.suffix in ("@k", "[@k]") and cutoff:
        return MeasureRef(measure, cutoff=int(cutoff[1]))
    if not suffix and measure.suffix in ("", "[@k]"):
        return MeasureRef(measure)
    raise UserError(
        f"{text!r} is not written as {measure.written}.", hint="For example recall@5, chat.latency.p95."
    )


def _begins(text: str, name: str) -> bool:
    return text == name or text.startswith((f"{name}@", f"{name}.p"))
