"""`asbuilt docs`: what it writes, again and again the same, whole or not at all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from asbuilt.blueprint import PATTERNS, load_checked, write_pattern
from asbuilt.cli.main import app, main

FILES = {
    "alerts.yml",
    "architecture.md",
    "architecture.svg",
    "architecture.mmd",
    "openapi.json",
    "memory-plan.md",
    "evaluation-plan.md",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write(tmp_path / "mine", "assistant", monkeypatch)


def write(folder: Path, pattern: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For a machine that is known: the speed of this one would have to be measured."""
    write_pattern(pattern, folder)
    with (folder / "blueprint.yaml").open("a") as file:
        file.write("target: dgx-spark\n")
    monkeypatch.chdir(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def error_of(*arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["asbuilt", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    return capsys.readouterr().err


def test_everything_is_written_and_names_its_blueprint(project: Path) -> None:
    result = CliRunner().invoke(app, ["docs", "-o", "out"])
    assert result.exit_code == 0
    assert {path.name for path in (project / "out").iterdir()} == FILES
    blueprint = load_checked(project / "blueprint.yaml")
    for name, data in contents(project / "out").items():
        assert blueprint.digest in data.decode(), name
    ElementTree.parse(project / "out" / "architecture.svg")
    openapi = json.loads((project / "out" / "openapi.json").read_text())
    text = (project / "out" / "architecture.md").read_text()
    for path in openapi["paths"]:
        assert f"{path}`" in text
    for component in blueprint.components:
        assert f"### {component.name}\n" in text
        assert f"`{component.use}`" in text
    assert "- **Needs**: embedder = embedder, index = vectors" in text  # found by role, written nowhere
    assert "| query | `str` |" in text  # from the signature of `retrieve`
    memory = (project / "out" / "memory-plan.md").read_text()
    assert "- **Machine**: dgx-spark (NVIDIA GB10)" in memory
    assert "| llm | weights |" in memory
    assert not (project / ".asbuilt").exists()


def test_links_lead_somewhere(project: Path) -> None:
    CliRunner().invoke(app, ["docs", "-o", "out"])
    text = (project / "out" / "architecture.md").read_text()
    anchors = set(re.findall(r'<a id="([^"]+)">', text))
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert link.removeprefix("#") in anchors or (project / "out" / link).is_file(), link


def test_the_same_blueprint_gives_the_same_bytes(project: Path) -> None:
    written = []
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "asbuilt.cli", "docs", "-o", "out"],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        written.append(contents(project / "out"))
    assert written[0] == written[1]
    assert set(written[0]) == FILES


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_can_be_documented(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "x", pattern, monkeypatch)
    assert CliRunner().invoke(app, ["docs", "-o", "out"]).exit_code == 0
    text = (tmp_path / "x" / "out" / "architecture.md").read_text()
    blueprint = load_checked(tmp_path / "x" / "blueprint.yaml")
    for component in blueprint.components:
        assert f"### {component.title or component.name}\n" in text
    if all(each.use is None for each in blueprint.components):
        assert "**Status**: built" not in text


def test_declared_ports_stand_beside_the_real_ones(tmp_path: Path) -> None:
    (tmp_path / "blueprint.yaml").write_text("""\
blueprint: 1
system: {name: ports, purpose: Shows ports}
components:
  words:
    use: embedder/fake
    purpose: Embed
    inputs:
      - {name: texts, type: "Sequence[str]", description: what to embed}
      - {name: kind, type: "Literal['passage', 'query']"}
    outputs: [{name: vectors, type: Matrix, description: a row each}]
""")
    arguments = ["docs", str(tmp_path / "blueprint.yaml"), "-o", str(tmp_path / "out")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    text = (tmp_path / "out" / "architecture.md").read_text()
    assert "| texts | `Sequence[str]` | `Sequence[str]` | what to embed |" in text
    assert "| vectors | `Matrix` | `Matrix` | a row each |" in text


def test_a_folder_that_cannot_be_written_is_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "file").write_text("mine")
    for place in ("file", "file/below", "/proc/nowhere"):
        error = error_of("docs", "-o", place, capsys=capsys, monkeypatch=monkeypatch)
        assert error.count("\n") == 1
        assert place in error
    (project / "out" / "openapi.json").mkdir(parents=True)
    error = error_of("docs", "-o", "out", capsys=capsys, monkeypatch=monkeypatch)
    assert "openapi.json is a folder" in error
    assert [path.name for path in (project / "out").iterdir()] == ["openapi.json"]


def test_a_blueprint_with_faults_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (project / "blueprint.yaml").read_text()
    (project / "blueprint.yaml").write_text(text.replace("retriever/hybrid", "retriever/hybrd"))
    assert "has 1 fault" in error_of("docs", "-o", "out", capsys=capsys, monkeypatch=monkeypatch)
    assert not (project / "out").exists()
