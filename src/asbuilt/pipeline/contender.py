"""The assistant with one model or another, on the same cases."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from asbuilt import registry
from asbuilt.blueprint import Blueprint, ComponentSpec, load_checked
from asbuilt.blueprint.cases import Case
from asbuilt.errors import UserError
from asbuilt.evaluation.outcome import Outcome
from asbuilt.evaluation.subjects import subjects
from asbuilt.lineage import ExportedModel
from asbuilt.system import System

__all__ = ["journal_name", "outcomes_of", "with_model"]

_ENGINE = "generator/llama-cpp"
Tell = Callable[[int], None]


def with_model(file: Path, model: ExportedModel | None) -> Blueprint:
    """The blueprint of `file`, with `model` in the place of the one that its generator serves.

    The engine's other settings (context, slots, threads) stay where both have them.
    """
    blueprint = load_checked(file)
    if model is None:
        return blueprint
    generators = [each for each in blueprint.components if (each.use or "").startswith("generator/")]
    if not generators:
        raise UserError(f"{file} has no generator whose model could be replaced.")
    served = generators[-1]
    known = {each.name for each in registry.signature(_ENGINE).config}
    config: dict[str, Any] = {key: value for key, value in served.config.items() if key in known}
    config.pop("adapter", None)
    config["model"] = str(model.base if model.kind == "adapter" else model.file)
    if model.kind == "adapter":
        config["adapter"] = str(model.file)
    changed: ComponentSpec = replace(served, use=_ENGINE, config=config)
    components = tuple(changed if each.name == served.name else each for each in blueprint.components)
    return replace(blueprint, components=components)


def outcomes_of(
    file: Path,
    model: ExportedModel | None,
    cases: Mapping[str, Sequence[Case]],
    *,
    journal: Path,
    tell: Tell,
    stop: threading.Event,
) -> dict[str, dict[str, Outcome]] | None:
    """What the assistant of `file` answers with `model`, by data set and case.

    Outcomes go to `journal` as they come, and are not asked for again. None when `stop` was set before
    all was done.
    """
    known = _read(journal)
    done = sum(case.id in known.get(name, {}) for name, all_of in cases.items() for case in all_of)
    tell(done)
    missing = [
        (name, case)
        for name, all_of in cases.items()
        for case in all_of
        if case.id not in known.get(name, {})
    ]
    if missing:
        journal.parent.mkdir(parents=True, exist_ok=True)
        with (
            System(with_model(file, model), folder=file.resolve().parent) as system,
            journal.open("a", encoding="utf-8") as lines,
        ):
            [subject] = subjects(system, ())
            for name, case in missing:
                if stop.is_set():
                    return None
                outcome = subject.do("answer", case, data=name, depth=0)
                lines.write(json.dumps(outcome.to_json(), ensure_ascii=False) + "\n")
                lines.flush()
                known.setdefault(name, {})[case.id] = outcome
                done += 1
                tell(done)
    return known


def journal_name(file: Path, model: ExportedModel | None, *, production: str | None) -> str:
    """Names a journal by all that its outcomes depend on."""
    about = [load_checked(file).digest, production]
    if model is not None:
        parts = [each for each in (model.file, model.base) if each is not None]
        about += [sha256(each.read_bytes()).hexdigest() for each in parts]
    return sha256(json.dumps(about).encode()).hexdigest()[:16]


def _read(journal: Path) -> dict[str, dict[str, Outcome]]:
    known: dict[str, dict[str, Outcome]] = {}
    if not journal.is_file():
        return known
    kept = []
    for line in journal.read_text(encoding="utf-8").splitlines():
        try:
            outcome = Outcome.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError):  # the process was killed while it wrote
            continue
        kept.append(line)
        known.setdefault(outcome.data, {})[outcome.case_id] = outcome
    journal.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return known
