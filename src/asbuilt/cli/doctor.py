"""`asbuilt doctor`."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import typer

from asbuilt.cli.output import JsonOption, print_json

__all__ = ["doctor"]

_PACKAGES = ("xllamacpp", "onnxruntime", "qdrant-edge-py", "sqlalchemy", "fastapi", "pypdfium2", "tokenizers")
_OPTIONAL = {
    "fastembed": ("embedding models by name", "pip install 'asbuilt[fastembed]'"),
    "awscli": ("the AWS example", "pip install 'asbuilt[aws]'"),
}


def doctor(json: JsonOption = False) -> None:
    """Show versions, models, and what is missing.

    Models have their hash and licence; what is missing, how to get it. Exit code 1 when every system
    would need it.
    """
    report = _report()
    if json:
        print_json(report)
    else:
        _show(report)
    broken = [row for row in [*report["packages"], *report["models"]] if row["state"] == "missing"]
    raise typer.Exit(1 if broken else 0)


def _report() -> dict[str, Any]:
    import psutil

    from asbuilt import __version__
    from asbuilt.generation.models import starter_models as language_models
    from asbuilt.retrieval.starter_models import starter_models as embedding_models

    memory = psutil.virtual_memory()
    return {
        "asbuilt": __version__,
        "python": sys.version.split()[0],
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": psutil.cpu_count(logical=True),
            "memory_gib": round(memory.total / 2**30, 1),
            "available_gib": round(memory.available / 2**30, 1),
        },
        "sandbox": _sandbox(),
        "packages": [_package(name, "pip install asbuilt") for name in _PACKAGES],
        "extras": [_package(name, get, use) for name, (use, get) in _OPTIONAL.items()],
        "models": [asdict(model) for model in (*embedding_models(), *language_models())],
    }


def _sandbox() -> dict[str, str]:
    """What tools that run code are confined by, and why not by the others."""
    from asbuilt.tools.sandbox.support import probe

    support = probe()
    reasons = {"landlock": support.landlock, "bubblewrap": support.bubblewrap}
    return {name: f"not here: {reason}" if reason else "works" for name, reason in reasons.items()}


def _package(name: str, get: str, use: str = "") -> dict[str, str]:
    try:
        return {"name": name, "state": "ok", "version": version(name), "use": use}
    except PackageNotFoundError:
        return {"name": name, "state": "missing", "get": get, "use": use}


def _show(report: dict[str, Any]) -> None:
    machine = report["machine"]
    typer.echo(f"asbuilt {report['asbuilt']}, Python {report['python']}, {machine['system']}")
    typer.echo(
        f"{machine['cores']} cores, {machine['memory_gib']} GiB memory, {machine['available_gib']} GiB free"
    )
    typer.echo("\nsandbox of tools that run code")
    for mechanism, state in report["sandbox"].items():
        typer.echo(f"  {mechanism:<16} {state}")
    for title in ("packages", "extras"):
        typer.echo(f"\n{title}")
        for row in report[title]:
            use = f" ({row['use']})" if row["use"] else ""
            state = row.get("version") or f"missing; get it with: {row['get']}"
            typer.echo(f"  {row['name']:<16} {state}{use}")
    typer.echo("\nstarter models")
    for row in report["models"]:
        typer.echo(f"  {row['name']}: {row['purpose']}")
        if row["state"] == "missing":
            typer.echo(f"    missing; get it with: {row['get']}")
            continue
        typer.echo(f"    {row['state']}, {row['licence']}, {row['bytes'] / 1e6:.1f} MB")
        typer.echo(f"    {row['path']}")
        typer.echo(f"    SHA-256 {row['sha256']}")
