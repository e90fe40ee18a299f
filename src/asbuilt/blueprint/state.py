"""Where the state of a system lies: beside its blueprint."""

from __future__ import annotations

from pathlib import Path

__all__ = ["STATE_FOLDER", "catalog_file"]

STATE_FOLDER = ".asbuilt"


def catalog_file(folder: Path) -> Path:
    """The catalogue of the system whose blueprint lies in `folder`."""
    return folder / STATE_FOLDER / "catalog.sqlite"
