"""Alert rules for Prometheus, from the targets of a blueprint.

Targets for requests become error budgets: P95 < 3 s lets 5 % of requests be slower. A rule fires
when the budget burns several times faster than it may, in a long window (so that it matters) and
in a short one (so that it still lasts); windows and factors are those of Google's Site Reliability
Workbook, chapter 5, for a budget of 30 days. Failed requests count as slow, as in the measures.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

from prometheus_client.utils import floatToGoString
from ruamel.yaml import YAML

from asbuilt.blueprint import Blueprint
from asbuilt.server.metrics import (
    BEHIND,
    DURATION,
    FAILURES,
    FIRST_TOKEN,
    PROBLEMS,
    RESIDENT,
    RESPONSES,
    SUCCESS,
    chat_routes,
    search_routes,
)
from asbuilt.server.objectives import (
    ErrorObjective,
    LatencyObjective,
    RequestObjective,
    error_objectives,
    latency_objectives,
    memory_objectives,
)

__all__ = ["alert_rules"]

_SHARE = "asbuilt:bad_requests:share_{}"
_VOLUME = "asbuilt:requests:increase_{}"
_WINDOWS = ("5m", "30m", "1h", "6h", "3d")
_BAD_AT_LEAST = 5  # bad requests behind a share: a single slow one at night wakes nobody
_LEAST_SHARE, _MOST_SHARE = 1e-4, 0.9

_Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Burn:
    severity: str
    factor: float
    long: str
    short: str


_BURNS = (
    _Burn("page", 14.4, "1h", "5m"),
    _Burn("page", 6, "6h", "30m"),
    _Burn("ticket", 1, "3d", "6h"),
)


def alert_rules(blueprint: Blueprint) -> str:
    """Rules of the service that `blueprint` describes, as a file for Prometheus's `rule_files`.

    They select the job that is named after the system; `up` and the job are Prometheus's, all other
    series are those of ``/metrics``. The same blueprint gives the same text.
    """
    job = f"job={json.dumps(blueprint.system.name, ensure_ascii=False)}"
    objectives: tuple[RequestObjective, ...] = (*latency_objectives(blueprint), *error_objectives(blueprint))
    groups = [
        {"name": f"asbuilt {each.name}", "rules": [*_recorded(each, blueprint, job), *_burning(each, job)]}
        for each in objectives
    ]
    groups.append({"name": "asbuilt service", "rules": list(_of_service(blueprint, job))})
    yaml = YAML()
    yaml.width = 100_000  # an expression stays on its line
    yaml.indent(mapping=2, sequence=4, offset=2)
    written = StringIO()
    yaml.dump({"groups": groups}, written)
    return _head(blueprint) + written.getvalue()


def _head(blueprint: Blueprint) -> str:
    name = json.dumps(blueprint.system.name, ensure_ascii=False)
    target = json.dumps(f"{blueprint.api.host}:{blueprint.api.port}")
    return (
        "# Made from the blueprint's targets; change those and not this file. In prometheus.yml:\n"
        f"#   scrape_configs: [{{job_name: {name}, static_configs: [{{targets: [{target}]}}]}}]\n"
        "# and, where the service asks for keys, `authorization: {credentials_file: ...}` with one of them.\n"
    )


# ---------------------------------------------------------------- budgets of requests


def _recorded(objective: RequestObjective, blueprint: Blueprint, job: str) -> Iterator[_Rule]:
    """Of each window, the share of bad requests and the number of all."""
    routes = chat_routes(blueprint) if objective.route == "chat" else search_routes(blueprint)
    chosen = f"{job},route=~{json.dumps('|'.join(map(re.escape, routes)))}"
    failed = f'{RESPONSES}{{{chosen},status=~"{"|".join(FAILURES)}"}}'
    answered = f'{DURATION}_count{{{chosen},status="{SUCCESS}"}}'
    good = answered
    if isinstance(objective, LatencyObjective):
        edge = f'le="{floatToGoString(objective.seconds)}"'  # type: ignore[no-untyped-call]
        good = f'{DURATION}_bucket{{{chosen},status="{SUCCESS}",{edge}}}'
        if objective.first_token:
            answered, good = f"{FIRST_TOKEN}_count{{{chosen}}}", f"{FIRST_TOKEN}_bucket{{{chosen},{edge}}}"
    labels = {"objective": objective.name}
    for window in _WINDOWS:
        counted = " + ".join(f"sum by (job) (increase({each}[{window}]))" for each in (answered, failed))
        share = f"1 - sum by (job) (increase({good}[{window}])) / ({counted})"
        yield {"record": _SHARE.format(window), "expr": share, "labels": labels.copy()}
        yield {"record": _VOLUME.format(window), "expr": counted, "labels": labels.copy()}


def _burning(objective: RequestObjective, job: str) -> Iterator[_Rule]:
    chosen = f"{{{job},objective={json.dumps(objective.name)}}}"
    for burn in _BURNS:
        limit = _limit(objective.budget, burn.factor)
        volume = math.ceil(_BAD_AT_LEAST / limit)
        conditions = (
            f"{_SHARE.format(burn.long)}{chosen} > {limit:.6g}",
            f"{_SHARE.format(burn.short)}{chosen} > {limit:.6g}",
            f"{_VOLUME.format(burn.long)}{chosen} >= {volume}",
        )
        yield {
            "alert": "AsbuiltTargetMissed",
            "expr": " and ".join(conditions),
            "labels": {"severity": burn.severity, "window": burn.long, "objective": objective.name},
            "annotations": {
                "summary": f"{objective.name} ({objective.target}) is missed by too many requests",
                "description": (
                    f"{{{{ $value | humanizePercentage }}}} of {objective.route} requests in {burn.long} are "
                    f"{_what(objective)}; {100 * objective.budget:g} % may be."
                ),
            },
        }


def _limit(budget: float, factor: float) -> float:
    """The share of bad requests that burns `budget` at `factor` times the rate it allows.

    Bounded on both sides: no share is above 1, so that 14.4 times the budget of a P90 would never be
    seen, and a budget of nothing has no rate.
    """
    return min(max(factor * budget, _LEAST_SHARE), _MOST_SHARE)


def _what(objective: RequestObjective) -> str:
    if isinstance(objective, ErrorObjective):
        return "failed"
    return f"failed or {'began' if objective.first_token else 'ended'} after {objective.seconds:g} s"


# ---------------------------------------------------------------- the service itself


def _of_service(blueprint: Blueprint, job: str) -> Iterator[_Rule]:
    yield _alert(
        "AsbuiltDown", f"up{{{job}}} == 0 or absent(up{{{job}}})", "2m", "page", "The service does not answer"
    )
    yield _alert(
        "AsbuiltProblem", f"{PROBLEMS}{{{job}}} > 0", "5m", "ticket", "Something fails inside; see /health"
    )
    # Never caught up in all this time: while documents come in, some lag is as it should be.
    yield _alert(
        "AsbuiltIndexBehind",
        f"min_over_time({BEHIND}{{{job}}}[30m]) > 0",
        "5m",
        "ticket",
        "The index has not caught up with the catalogue for half an hour",
    )
    for objective in memory_objectives(blueprint):
        rule = _alert(
            "AsbuiltMemory",
            f"{RESIDENT}{{{job}}} > {objective.limit_bytes:.0f}",
            "5m",
            "page",
            f"Resident memory is over its target ({objective.name}: {objective.target})",
        )
        rule["labels"]["objective"] = objective.name
        yield rule


def _alert(name: str, expr: str, lasting: str, severity: str, summary: str) -> _Rule:
    return {
        "alert": name,
        "expr": expr,
        "for": lasting,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }
