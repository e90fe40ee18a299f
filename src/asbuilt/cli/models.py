"""`asbuilt models`: the registry of models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asbuilt.cli.output import BlueprintOption, JsonOption, note, print_json

if TYPE_CHECKING:
    from asbuilt.lineage import Manifest
    from asbuilt.model_registry import Change, ModelRegistry

__all__ = ["app"]

app = typer.Typer(
    help="List, compare, promote and roll back registered models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_DEFAULT = Path("blueprint.yaml")
_FOLDER = "models"
_COMPONENTS = ("generator/registry", "embedder/registry")
_ROWS = "train.jsonl"

_Registry = Annotated[
    Path | None,
    typer.Option(
        "-r",
        "--registry",
        help="Folder of the registry; default: the blueprint's, else models/ beside it.",
        show_default=False,
        metavar="FOLDER",
    ),
]
_Version = Annotated[
    str, typer.Argument(help='A version, the start of one, or "production".', metavar="VERSION")
]
_Reason = Annotated[str, typer.Option(help="Why; kept in the log.", show_default=False)]


@app.command("list")
def list_models(
    registry: _Registry = None, blueprint: BlueprintOption = _DEFAULT, json: JsonOption = False
) -> None:
    """List all models, newest first."""
    models = _opened(registry, blueprint)
    found = models.list()
    if json:
        print_json([_plain(models, each) for each in found])
        return
    for each in found:
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in sorted(each.metrics.items()))
        state = _state(models, each.version)
        line = f"{each.version}  {state:<12}  {each.created_at[:16]}  {each.kind:<7}  {each.name}  {metrics}"
        sys.stdout.write(line.rstrip() + "\n")
    if not found:
        note(f"No models in {models.folder}.")


@app.command()
def show(
    version: _Version,
    registry: _Registry = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Show how one model was made and how it did."""
    models = _opened(registry, blueprint)
    manifest = models.get(version)
    values = _plain(models, manifest)
    log = [entry for entry in models.log() if entry.version == manifest.version]
    if json:
        print_json({**values, "log": [_entry(each) for each in log]})
        return
    for name, value in values.items():
        if isinstance(value, dict):
            sys.stdout.write(f"{name}\n")
            for key, each in sorted(value.items()):
                sys.stdout.write(f"  {key}: {_shown(each)}\n")
        elif value not in (None, ""):
            sys.stdout.write(f"{name}: {_shown(value)}\n")
    for entry in log:
        sys.stdout.write(f"{entry.at}  {entry.action}  {entry.reason}".rstrip() + "\n")


@app.command()
def rows(
    version: _Version,
    find: Annotated[
        str, typer.Option(help="Only rows whose question or reply holds this text.", show_default=False)
    ] = "",
    registry: _Registry = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Show what a model was trained on: origin and reply of each row."""
    from dataclasses import asdict

    from asbuilt.training.data_files import read_rows

    models = _opened(registry, blueprint)
    found = [
        row
        for row in read_rows(models.verified_path(version, _ROWS))
        if any(find.casefold() in each.content.casefold() for each in row.messages[-2:])
    ]
    if json:
        print_json([{"id": row.id, **asdict(row)} for row in found])
        return
    for row in found:
        sys.stdout.write(f"{row.origin}  {' '.join(row.messages[-1].content.split())}\n")
    if not found:
        note("No row holds that text." if find else "It was trained on no rows.")


@app.command()
def diff(
    first: _Version,
    second: _Version,
    registry: _Registry = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Show where two models differ: settings, measures, data. Exit code 1 if they do."""
    from dataclasses import asdict

    found = _opened(registry, blueprint).diff(first, second)
    groups: dict[str, tuple[Change, ...]] = {
        "made": found.made,
        "settings": found.settings,
        "metrics": found.metrics,
        "data card": found.data_card,
        "files": found.files,
    }
    if json:
        print_json(asdict(found))
    else:
        for name, changes in groups.items():
            if changes:
                sys.stdout.write(f"{name}\n")
            for change in changes:
                sys.stdout.write(f"  {change.name}: {_shown(change.first)} -> {_shown(change.second)}\n")
    raise typer.Exit(1 if any(groups.values()) else 0)


@app.command()
def promote(
    version: _Version,
    reason: _Reason = "",
    registry: _Registry = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Put a model in production, once its files are checked."""
    models = _opened(registry, blueprint)
    _tell(json, production=models.promote(version, reason=reason).version)


@app.command()
def rollback(
    reason: _Reason = "",
    registry: _Registry = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Put the model in production that was there before."""
    _tell(json, production=_opened(registry, blueprint).rollback(reason=reason))


@app.command()
def canary(
    version: _Version,
    share: Annotated[float, typer.Option(help="Of conversations: above 0, below 1.")] = 0.1,
    registry: _Registry = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Try a model on a share of conversations."""
    manifest = _opened(registry, blueprint).start_canary(version, share=share)
    _tell(json, canary=manifest.version, share=share)


@app.command()
def end_canary(
    reason: _Reason = "",
    registry: _Registry = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """End the trial."""
    ended = _opened(registry, blueprint).end_canary(reason=reason)
    if ended is None and not json:
        note("No model is on trial.")
        return
    _tell(json, ended=ended)


@app.command()
def export(
    version: _Version,
    mlflow: Annotated[
        str,
        typer.Option(help="MLflow: http://127.0.0.1:5000, or sqlite:///mlflow.db.", metavar="URI"),
    ],
    registry: _Registry = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Copy a model to MLflow, with settings, metrics and files."""
    from dataclasses import asdict

    from asbuilt.model_registry.mlflow_copy import copy_to_mlflow

    found = copy_to_mlflow(_opened(registry, blueprint), version, uri=mlflow)
    if json:
        print_json(asdict(found))
        return
    done = "copied" if found.made else "there already"
    sys.stdout.write(f"{found.name} version {found.version}, run {found.run_id}: {done}\n")


@app.command()
def verify(
    registry: _Registry = None, blueprint: BlueprintOption = _DEFAULT, json: JsonOption = False
) -> None:
    """Read all files again and compare digests. Exit code 1 for a fault."""
    from dataclasses import asdict

    found = _opened(registry, blueprint).verify()
    if json:
        print_json(asdict(found))
    else:
        for fault in found.faults:
            sys.stdout.write(f"{fault}\n")
        note(f"{found.models} models, {found.blobs} files: {len(found.faults) or 'no'} faults.")
    raise typer.Exit(1 if found.faults else 0)


@app.command()
def gc(
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest stay in any case.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing; say what would be.")] = False,
    registry: _Registry = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Delete models that nothing needs.

    What is in production, what a rollback leads to and the model on trial stay.
    """
    from dataclasses import asdict

    found = _opened(registry, blueprint).collect_garbage(keep=keep, dry_run=dry_run)
    if json:
        print_json({**asdict(found), "dry_run": dry_run})
        return
    for version in found.versions:
        sys.stdout.write(f"{version}\n")
    done = "would be deleted" if dry_run else "deleted"
    note(f"{len(found.versions)} models and {len(found.blobs)} files {done}, {found.bytes / 2**20:.1f} MiB.")


def _opened(registry: Path | None, blueprint: Path) -> ModelRegistry:
    """The registry of `--registry`, of the blueprint's generator or embedder, or beside the blueprint.

    Raises NotFoundError for a folder that is not there, and BlueprintError.
    """
    from asbuilt.errors import NotFoundError
    from asbuilt.model_registry import ModelRegistry

    folder = registry or _of_blueprint(blueprint)
    if not folder.is_dir():
        raise NotFoundError(
            f"there is no model registry {str(folder)!r}.", hint="Name its folder with --registry."
        )
    return ModelRegistry(folder)


def _of_blueprint(file: Path) -> Path:
    beside = file.resolve().parent
    if file.is_file():
        from asbuilt.blueprint import config_values, load_checked

        drawn = {component.use: component for component in load_checked(file).components}
        for use in _COMPONENTS:
            if (component := drawn.get(use)) is not None:
                return Path(config_values(component, beside)["registry"])
    return beside / _FOLDER


def _state(models: ModelRegistry, version: str) -> str:
    trial = models.canary
    if version == models.production:
        return "production"
    return f"canary {trial.share:.0%}" if trial is not None and trial.version == version else ""


def _plain(models: ModelRegistry, manifest: Manifest) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(manifest), "state": _state(models, manifest.version)}


def _entry(entry: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {name: value for name, value in asdict(entry).items() if value not in (None, "")}


def _shown(value: Any) -> str:
    from json import dumps

    return value if isinstance(value, str) else dumps(value, ensure_ascii=False, sort_keys=True)


def _tell(as_json: bool, **values: Any) -> None:
    if as_json:
        print_json(values)
    else:
        words = (f"{name} {'none' if value is None else value}" for name, value in values.items())
        sys.stdout.write("  ".join(words) + "\n")
