"""The assistant with one model or embedder or another, on the same cases."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple

from asbuilt import registry
from asbuilt.blueprint import Blueprint, ComponentSpec, build_order, load_checked
from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.needs import resolve_needs
from asbuilt.errors import UserError
from asbuilt.evaluation.outcome import Outcome, Task
from asbuilt.evaluation.subjects import subjects
from asbuilt.lineage import ExportedModel
from asbuilt.roles import Progress
from asbuilt.system import System

__all__ = ["Cases", "Work", "journal_name", "outcomes_of", "with_model"]

_ENGINE = "generator/llama-cpp"
_EMBEDDER = "embedder/onnx"
_OF_THE_MODEL = {"adapter", "max_tokens", "pooling", "query_prefix", "passage_prefix"}
"""Settings that belong to what is replaced; a candidate brings its own."""


class Work(NamedTuple):
    """What is done with the cases of a data set; `depth` passages are retrieved where that is the task."""

    data: str
    task: Task
    depth: int = 0


Cases = Mapping[Work, Sequence[Case]]


def with_model(file: Path, model: ExportedModel | None) -> Blueprint:
    """The blueprint of `file`, with `model` in the place of the one that its generator or embedder serves.

    The component's other settings (context, slots, threads) stay where both have them.
    """
    blueprint = load_checked(file)
    if model is None:
        return blueprint
    if model.kind == "embedder":
        served, use = _embedder(blueprint, file), _EMBEDDER
        given = {"folder_path": str(model.file.parent)}
    else:
        served, use = blueprint.component(_generator_of_assistant(blueprint, file)), _ENGINE
        given = {"model": str(model.base if model.kind == "adapter" else model.file)}
        if model.kind == "adapter":
            given["adapter"] = str(model.file)
    known = {each.name for each in registry.signature(use).config} - _OF_THE_MODEL
    kept = {key: value for key, value in served.config.items() if key in known}
    changed: ComponentSpec = replace(served, use=use, config={**kept, **given})
    components = tuple(changed if each.name == served.name else each for each in blueprint.components)
    return replace(blueprint, components=components)


def outcomes_of(
    file: Path,
    model: ExportedModel | None,
    cases: Cases,
    *,
    journal: Path,
    tell: Progress,
    stop: threading.Event,
) -> dict[Work, dict[str, Outcome]] | None:
    """What the system of `file` does with `model`, by work and case.

    Outcomes go to `journal` as they come, and are not asked for again. An embedder first gives every passage
    of that system a vector; they are kept there beside those that serve. None when `stop` was set before all
    was done.
    """
    known = _read(journal)
    found = {work: known.get((work.data, work.task), {}) for work in cases}
    missing = [(work, case) for work, each in cases.items() for case in each if case.id not in found[work]]
    total = sum(map(len, cases.values()))
    done = total - len(missing)
    tell("", done, total)
    if missing:
        journal.parent.mkdir(parents=True, exist_ok=True)
        with (
            System(with_model(file, model), folder=file.resolve().parent) as system,
            journal.open("a", encoding="utf-8") as lines,
        ):
            if model is not None and model.kind == "embedder":
                system.embed(progress=tell, stop=stop)
            [subject] = subjects(system, ())
            for work, case in missing:
                if stop.is_set():
                    return None
                outcome = subject.do(work.task, case, data=work.data, depth=work.depth)
                lines.write(json.dumps(outcome.to_json(), ensure_ascii=False) + "\n")
                lines.flush()
                found[work][case.id] = outcome
                done += 1
                tell("", done, total)
    return found


def journal_name(file: Path, model: ExportedModel | None, cases: Cases, *, production: str | None) -> str:
    """Names a journal by all that its outcomes depend on; of the model in `production`, where `model` is
    None."""
    about: list[Any] = [load_checked(file).digest]
    about += [[*work, [asdict(case) for case in each]] for work, each in sorted(cases.items())]
    if model is None:
        about.append(production)
    else:
        about += [_digest(each) for each in (model.file, model.base) if each is not None]
    return sha256(json.dumps(about).encode()).hexdigest()[:16]


def _digest(weights: Path) -> str:
    with weights.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _generator_of_assistant(blueprint: Blueprint, file: Path) -> str:
    """The generator that the assistant writes with; with several on its way, the one that it names itself."""
    needs = resolve_needs(blueprint)
    built = [name for name in build_order(blueprint) if blueprint.component(name).use]
    reached = [name for name in built if _role(blueprint, name) == "assistant"][-1:]
    for name in reached:  # grows: those nearest to the assistant come first
        if _role(blueprint, name) == "generator":
            return name
        for given in needs.get(name, {}).values():
            targets = (given,) if isinstance(given, str) else given
            reached += [each for each in targets if each not in reached]
    raise UserError(
        f"the assistant of {file} has no generator whose model could be replaced.",
        hint="The gate needs an assistant that writes with a model, as assistant/cited.",
    )


def _embedder(blueprint: Blueprint, file: Path) -> ComponentSpec:
    for name in build_order(blueprint):
        component = blueprint.component(name)
        if component.use and _role(blueprint, name) == "embedder":
            return component
    raise UserError(f"{file} has no embedder that could be replaced.")


def _role(blueprint: Blueprint, name: str) -> str:
    return (blueprint.component(name).use or "").partition("/")[0]


def _read(journal: Path) -> dict[tuple[str, Task], dict[str, Outcome]]:
    """Outcomes by data set and task, and case."""
    known: dict[tuple[str, Task], dict[str, Outcome]] = {}
    if not journal.is_file():
        return known
    kept = []
    for line in journal.read_text(encoding="utf-8").splitlines():
        try:
            outcome = Outcome.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError):  # the process was killed while it wrote
            continue
        kept.append(line)
        known.setdefault((outcome.data, outcome.task), {})[outcome.case_id] = outcome
    journal.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return known
