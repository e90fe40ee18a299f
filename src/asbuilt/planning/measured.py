"""Peaks that were measured while serving, beside what was predicted: one JSON line each.

They stay in the state folder, whatever becomes of the blueprint: the error of past predictions on this
machine is what a new one is worth.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean

from asbuilt.errors import StorageError
from asbuilt.planning.memory import MemoryPlan
from asbuilt.planning.target import identity

__all__ = ["PEAKS_FILE", "PastError", "Peak", "past_error", "read_peaks", "record_peak"]

PEAKS_FILE = "peaks.jsonl"

_PACKAGES = ("asbuilt", "xllamacpp", "onnxruntime", "qdrant-edge-py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """One service from its start to its end. All sizes in bytes.

    `predicted_bytes` is what the process was to have resident while it answers, `predicted_parts` of what
    ("component: part"). `ingested`: the documents changed meanwhile, so that the prediction was made for
    others.
    """

    when: str
    machine: str
    blueprint: str
    predicted_bytes: int
    predicted_parts: dict[str, int]
    measured_bytes: int
    ingested: bool
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def error(self) -> float:
        """Predicted against measured: +0.02 says that 2 % too much was predicted."""
        return self.predicted_bytes / self.measured_bytes - 1


@dataclass(frozen=True, slots=True)
class PastError:
    """Of the predictions made on this machine: of `count`, the mean, and the one that was farthest off."""

    count: int
    mean: float
    worst: float


def record_peak(
    state_folder: Path, memory: MemoryPlan, *, blueprint: str, measured_bytes: int, ingested: bool
) -> Peak:
    """Append a line for what was planned for `blueprint` (a digest), on the machine that it ran on.

    Raises StorageError.
    """
    rows = [row for row in memory.rows if row.part.when == "serving"]
    peak = Peak(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=identity(memory.machine),
        blueprint=blueprint,
        predicted_bytes=memory.process_bytes,
        predicted_parts={f"{row.component}: {row.part.name}": row.part.bytes for row in rows},
        measured_bytes=measured_bytes,
        ingested=ingested,
        versions=_versions(),
    )
    file = state_folder / PEAKS_FILE
    try:
        state_folder.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(peak)) + "\n")
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}.") from error
    return peak


def read_peaks(state_folder: Path) -> list[Peak]:
    """Oldest first. A line that another version wrote, or that was cut short, is passed over."""
    try:
        lines = (state_folder / PEAKS_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {state_folder / PEAKS_FILE}: {error}.") from error
    peaks = []
    for line in lines:
        try:
            peak = Peak(**json.loads(line))
        except (ValueError, TypeError):
            continue
        peaks.append(peak)
    return peaks


def past_error(peaks: Sequence[Peak], *, machine: str) -> PastError | None:
    """None when nothing comparable was measured on `machine`."""
    errors = [peak.error for peak in peaks if peak.machine == machine and not peak.ingested]
    if not errors:
        return None
    return PastError(len(errors), fmean(errors), max(errors, key=abs))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
