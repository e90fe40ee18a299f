"""A folder for one run of a program that is not trusted."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["private_folder"]


@contextmanager
def private_folder() -> Iterator[Path]:
    """An empty folder that only this user can enter; it is gone afterwards, whatever is in it."""
    path = Path(tempfile.mkdtemp(prefix="asbuilt-")).resolve()
    try:
        yield path
    finally:
        with suppress(RecursionError):  # a thousand folders within each other
            shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            for command in (("chmod", "-R", "u+rwx"), ("rm", "-rf")):
                subprocess.run([*command, "--", str(path)], check=False, capture_output=True)
