"""The assistant with one model or another, on the same cases."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from asbuilt import registry
from asbuilt.blueprint import Blueprint, ComponentSpec, build_order, load_checked
from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.needs import resolve_needs
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
    served = blueprint.component(_generator_of_assistant(blueprint, file))
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


def journal_name(
    file: Path, model: ExportedModel | None, cases: Mapping[str, Sequence[Case]], *, production: str | None
) -> str:
    """Names a journal by all that its outcomes depend on; of the model in `production`, where `model` is
    None."""
    about: list[Any] = [load_checked(file).digest]
    about += [[name, [asdict(case) for case in all_of]] for name, all_of in sorted(cases.items())]
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


def _role(blueprint: Blueprint, name: str) -> str:
    return (blueprint.component(name).use or "").partition("/")[0]


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
