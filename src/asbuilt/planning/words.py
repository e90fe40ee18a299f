"""Plans in words and JSON, the same in the command line, in errors and in documents."""

from __future__ import annotations

from typing import Any

from asbuilt.planning.alternatives import Alternative
from asbuilt.planning.measured import PastError, Peak
from asbuilt.planning.memory import Fit
from asbuilt.planning.plan import Forecast, Plan
from asbuilt.resources.forecast import Band
from asbuilt.resources.machines import GIB

__all__ = ["change_text", "fit_text", "gib", "last_text", "past_text", "plan_json", "refusal"]

_MIB = 2**20


def gib(size: int) -> str:
    """Bytes as MiB below one GiB, as GiB above."""
    if abs(size) < GIB:
        return f"{size / _MIB:.0f} MiB"
    return f"{size / GIB:.2f} GiB" if abs(size) < 10 * GIB else f"{size / GIB:,.1f} GiB"


def fit_text(each: Fit, machine: str) -> str:
    """The verdict on one memory of a machine."""
    where = {"memory": machine, "GPU": f"the GPU of {machine}", "host": f"the main memory of {machine}"}
    has = f"{where[each.memory]} has {gib(each.budget_bytes)} for it"
    match each.verdict:
        case "over":
            return f"over by {gib(-each.spare_bytes)}: {gib(each.need_bytes)} needed, {has}"
        case "tight":
            return f"tight: {gib(each.need_bytes)} needed, {has}, {gib(each.spare_bytes)} left"
    return f"good: {gib(each.need_bytes)} needed, {has}, {gib(each.spare_bytes)} left"


def change_text(alternative: Alternative) -> str:
    """As it would be written under `config`."""
    return ", ".join(f"{key}: {value}" for key, value in alternative.changes.items())


def past_text(past: PastError) -> str:
    """What predictions on this machine were worth."""
    return (
        f"Error of earlier predictions on this machine: {past.mean:+.1%} on average, {past.worst:+.1%} at "
        f"worst (n = {past.count})."
    )


def last_text(last: Peak) -> str:
    """What this blueprint took the last time."""
    return (
        f"Measured {last.when[:10]}: a peak of {gib(last.measured_bytes)} for this blueprint, "
        f"predicted {gib(last.predicted_bytes)} ({last.error:+.1%})."
    )


def refusal(plan: Plan) -> tuple[str, str]:
    """Why a plan that does not fit is refused, and the way out."""
    tightest = plan.memory.tightest
    message = f"{plan.system} does not fit: {fit_text(tightest, plan.machine.name)}."
    if not plan.alternatives:
        return message, "No smaller context, precision or model makes it fit; see `asbuilt plan`."
    best = plan.alternatives[0]
    return message, (
        f"It fits with {change_text(best)} in {best.component!r} ({gib(best.total_bytes)}); "
        "`asbuilt plan` lists more."
    )


def plan_json(plan: Plan) -> dict[str, Any]:
    """For programs; sizes in bytes."""
    machine = plan.machine
    return {
        "system": plan.system,
        "blueprint": plan.blueprint,
        "build": {
            "waves": [list(wave) for wave in plan.schedule.waves],
            "critical_path": list(plan.schedule.critical_path),
            "critical_hours": plan.schedule.critical_hours,
            "total_hours": plan.schedule.total_hours,
            "unestimated": list(plan.schedule.unestimated),
        },
        "components": [
            {
                "name": each.name,
                "use": each.use,
                "status": each.status,
                "typed_status": each.typed_status.value,
                "hours": each.hours,
                "memory_bytes": (
                    None if each.demand is None else sum(part.bytes for part in each.demand.all_parts())
                ),
            }
            for each in plan.components
        ],
        "machine": {
            "name": machine.name,
            "device": machine.device,
            "unified": machine.unified,
            "memory_bytes": machine.memory_bytes,
            "usable_bytes": machine.usable_bytes,
            "reserve_bytes": machine.reserve_bytes,
            "host_bytes": machine.host_bytes,
            "bandwidth_gbs": machine.bandwidth_gbs,
        },
        "chunks": {"count": plan.chunks, "from": plan.chunks_from},
        "memory": {
            "verdict": plan.memory.verdict,
            "total_bytes": plan.memory.total_bytes,
            "serving_bytes": plan.memory.serving_bytes,
            "process_bytes": plan.memory.process_bytes,
            "fits": [
                {
                    "memory": each.memory,
                    "need_bytes": each.need_bytes,
                    "budget_bytes": each.budget_bytes,
                    "spare_bytes": each.spare_bytes,
                    "verdict": each.verdict,
                }
                for each in plan.memory.fits
            ],
            "parts": [
                {
                    "component": row.component,
                    "part": row.part.name,
                    "bytes": row.part.bytes,
                    "source": row.part.source,
                    "on_device": row.part.on_device,
                    "when": row.part.when,
                }
                for row in plan.memory.rows
            ],
            "not_stated": list(plan.not_stated),
        },
        "forecasts": [_forecast_json(each) for each in plan.forecasts],
        "alternatives": [
            {"component": each.component, "changes": each.changes, "total_bytes": each.total_bytes}
            for each in plan.alternatives
        ],
        "past": (
            {"count": plan.past.count, "mean_error": plan.past.mean, "worst_error": plan.past.worst}
            if plan.past
            else None
        ),
        "last": (
            {
                "when": plan.last.when,
                "predicted_bytes": plan.last.predicted_bytes,
                "measured_bytes": plan.last.measured_bytes,
                "error": plan.last.error,
            }
            if plan.last
            else None
        ),
        "notes": list(plan.notes),
    }


def _forecast_json(forecast: Forecast) -> dict[str, Any]:
    def band(value: Band | None) -> dict[str, float] | None:
        return {"low": value.low, "expected": value.expected, "high": value.high} if value else None

    return {
        "component": forecast.component,
        "prompt_tokens": forecast.prompt_tokens,
        "tokens_per_s": band(forecast.tokens_per_s),
        "first_token_s": band(forecast.first_token_s),
        "note": forecast.note,
    }
