"""Every fault of a blueprint in one report, in the order of its file.

The form (keys, types, ranges) was read by `load`; here it is what needs the whole file, the
registry or the disk. A fault hides no other, unless the other only follows from it.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asbuilt import registry
from asbuilt.blueprint.check_components import component_faults
from asbuilt.blueprint.check_evaluation import evaluation_faults
from asbuilt.blueprint.fault import Fault, Steps, in_order, shown
from asbuilt.blueprint.load import Loaded, load, load_text
from asbuilt.blueprint.name import as_name, is_name
from asbuilt.blueprint.secrets import secret_faults
from asbuilt.blueprint.spec import Blueprint
from asbuilt.errors import BlueprintError, MissingError

__all__ = ["check", "load_checked", "refuse_faulty"]

_TAKEN_PREFIX = "/v1"  # the OpenAI-compatible endpoints


def check(loaded: Loaded) -> list[Fault]:
    """All faults and warnings. Imports the modules of the components that the blueprint uses, and
    those under ``policy.allow_imports`` (looked for beside the blueprint last)."""
    blueprint = loaded.blueprint
    if blueprint is None:
        return list(loaded.faults)
    hidden = list(secret_faults(loaded.tree))
    secrets = {fault.path for fault in hidden}
    found = [
        *loaded.faults,
        *_import_faults(loaded, blueprint),
        *_name_faults(loaded, blueprint),
        *component_faults(loaded, blueprint),
        *_api_faults(loaded, blueprint),
        *evaluation_faults(loaded, blueprint),
        *_path_faults(loaded, blueprint),
    ]
    return list(in_order((*hidden, *(fault for fault in found if fault.path not in secrets))))


def load_checked(path: Path) -> Blueprint:
    """The blueprint in a file that has no fault; warnings are left to `check`.

    Raises BlueprintError with all of them otherwise, and what `load` raises.
    """
    return _faultless(load(path))


def refuse_faulty(blueprint: Blueprint, *, folder: Path) -> None:
    """Check a blueprint that was made in Python; relative paths start in `folder`.

    Raises BlueprintError with every fault; places are those of `blueprint.to_yaml()`.
    """
    _faultless(load_text(blueprint.to_yaml(), file=folder / "blueprint"))


def _faultless(loaded: Loaded) -> Blueprint:
    faults = check(loaded)
    errors = sum(fault.severity == "error" for fault in faults)
    if errors or loaded.blueprint is None:
        lines = tuple(fault.format(loaded.file) for fault in faults)
        raise BlueprintError(f"{loaded.file} has {errors} fault{'s' * (errors != 1)}.", faults=lines)
    return loaded.blueprint


def _import_faults(loaded: Loaded, blueprint: Blueprint) -> Iterator[Fault]:
    modules = blueprint.policy.allow_imports
    if modules and str(loaded.folder) not in sys.path:
        sys.path.append(str(loaded.folder))  # last, so that it hides no installed module
    for number, module in enumerate(modules):
        steps: Steps = ("policy", "allow_imports", number)
        if not all(part.isidentifier() for part in module.split(".")):
            yield loaded.tree.fault(steps, "is not the name of a module", value=shown(module))
            continue
        try:
            registry.allow_import(module)
        except MissingError as error:
            reason = f"{error.__cause__ or error}. {error.hint}"
            yield loaded.tree.fault(steps, f"cannot be imported: {reason}", value=shown(module))
        except (Exception, SystemExit) as error:  # the module is the user's: anything may happen
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            yield loaded.tree.fault(steps, f"fails while it is imported: {reason}", value=shown(module))


def _name_faults(loaded: Loaded, blueprint: Blueprint) -> Iterator[Fault]:
    tree = loaded.tree
    if not tree.has(("blueprint",)):
        yield tree.fault(("blueprint",), "is missing", allowed=("1",))
    if not blueprint.components and not loaded.is_broken("components"):
        yield tree.fault(("components",), "is missing: a blueprint has at least one component", key=True)
    written: list[tuple[Steps, str, bool]] = []
    if not loaded.is_broken("system", "name"):
        written.append((("system", "name"), blueprint.system.name, False))
    for section, entries in (
        (("components",), blueprint.components),
        (("evaluation", "data"), blueprint.evaluation.datasets),
        (("evaluation", "metrics"), blueprint.evaluation.metrics),
        (("evaluation", "load"), blueprint.evaluation.loads),
    ):
        written += [((*section, entry.name), entry.name, True) for entry in entries]
    for steps, name, key in written:
        if not is_name(name):
            message = "a name is lower-case words and digits, joined by hyphens"
            yield tree.fault(steps, message, key=key, value=shown(name), nearest=as_name(name))


def _api_faults(loaded: Loaded, blueprint: Blueprint) -> Iterator[Fault]:
    api, tree = blueprint.api, loaded.tree
    if f"{api.prefix}/".startswith(f"{_TAKEN_PREFIX}/"):
        message = f"{_TAKEN_PREFIX} belongs to the OpenAI-compatible endpoints"
        yield tree.fault(("api", "prefix"), message, value=shown(api.prefix), nearest=f"/api{api.prefix}")
    if not _is_loopback(api.host) and not api.require_keys:
        yield tree.fault(
            ("api", "host"),
            "is reachable from other machines, and require_keys is false: `serve` will refuse it",
            value=shown(api.host),
            severity="warning",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class _Written:
    """A path in the blueprint, and whether the system can do without it for now."""

    steps: Steps
    path: str
    optional: bool


def _path_faults(loaded: Loaded, blueprint: Blueprint) -> Iterator[Fault]:
    knowledge = blueprint.knowledge
    written = [
        *(
            _Written(("evaluation", "data", each.name, "path"), each.path, optional=False)
            for each in blueprint.evaluation.datasets
            if each.path
        ),
        *(
            _Written(("knowledge", "sources", number), each, optional=True)
            for number, each in enumerate(knowledge.sources)
            if not each.startswith("package:") and not any(wild in each for wild in "*?[")
        ),
        *(_Written(("api", "roots", number), each, True) for number, each in enumerate(blueprint.api.roots)),
    ]
    if blueprint.evaluation.judge is not None:
        labels = blueprint.evaluation.judge.labels
        written.append(_Written(("evaluation", "judge", "labels"), labels, optional=False))
    if knowledge.known_answers is not None:
        written.append(_Written(("knowledge", "known_answers"), knowledge.known_answers, optional=False))
    for each in written:
        if not _exists(loaded.folder, each.path) and not loaded.is_broken(*each.steps):
            yield loaded.tree.fault(
                each.steps,
                f"there is no such file or folder below {loaded.folder}",
                value=shown(each.path),
                severity="warning" if each.optional else "error",
            )


def _exists(folder: Path, text: str) -> bool:
    try:
        return (folder / Path(text).expanduser()).exists()
    except (OSError, RuntimeError):  # too long for the file system; the home folder of nobody
        return False
