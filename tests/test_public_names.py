"""`import asbuilt`: its names, and how light it is."""

from __future__ import annotations

import subprocess
import sys

import asbuilt

HEAVY = ("numpy", "sqlalchemy", "pydantic", "fastapi", "onnxruntime", "xllamacpp", "qdrant_edge", "typer")


def test_every_public_name_is_there() -> None:
    for name in asbuilt.__all__:
        named = getattr(asbuilt, name)
        assert named is asbuilt.PATTERN_REFERENCE if name.isupper() else named.__name__ == name
    assert set(asbuilt.__all__) < set(dir(asbuilt))


def test_importing_it_loads_nothing_heavy() -> None:
    script = f"import sys, asbuilt; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_does_not_load_the_engines() -> None:
    heavy = ("numpy", "sqlalchemy", "pydantic", "onnxruntime", "rich")
    script = (
        "import sys; sys.argv = ['asbuilt', '--help']\n"
        "from asbuilt.cli.main import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("[]")
    assert "ingest" in result.stdout
    assert "..." not in result.stdout.partition("Commands:")[2]  # every summary fits its line
