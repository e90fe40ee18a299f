"""`asbuilt plan`, and `serve` refusing what cannot fit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from asbuilt.cli.main import app
from asbuilt.errors import AsbuiltError, UserError
from asbuilt.planning.measured import read_peaks

COMMAND = "from asbuilt.cli.main import main; main()"
BLUEPRINT = """\
blueprint: 1
system: {{name: planned, purpose: Be planned}}
target: dgx-spark
components:
  llm:
    use: generator/llama-cpp
    purpose: Write
    config: {config}
    hours: 3
  later: {{purpose: Wait}}
"""


def project(folder: Path, **config: Any) -> Path:
    file = folder / "blueprint.yaml"
    file.write_text(BLUEPRINT.format(config=json.dumps(config)))
    return file


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_what_fits_is_shown_with_its_parts_and_exit_code_0(tmp_path: Path) -> None:
    file = project(tmp_path, model="llama-3.1-8b", precision="q4_k_m")
    found = run("plan", str(file))
    assert found.exit_code == 0
    for text in (
        "KV cache",
        "architecture, q4_k_m",
        "good:",
        "dgx-spark (NVIDIA GB10)",
        "tokens/s",
        "3 hours",
    ):
        assert text in found.stdout


def test_what_does_not_fit_ends_with_1_and_the_nearest_plans(tmp_path: Path) -> None:
    file = project(tmp_path, model="llama 3.3 70b", precision="bf16")
    found = run("plan", str(file))
    assert found.exit_code == 1
    assert "over by " in found.stdout
    assert "precision: q8_0" in found.stdout
    assert "Least loss first" in found.stdout
    assert run("plan", str(file), "--target", "b200").exit_code == 0


def test_json_is_for_programs(tmp_path: Path) -> None:
    file = project(tmp_path, model="llama-3.3-8b", precision="q4_k_m")
    found = run("plan", str(file), "--json", "--chunks", "5")
    told = json.loads(found.stdout)
    assert told["memory"]["total_bytes"] == sum(part["bytes"] for part in told["memory"]["parts"])
    assert told["chunks"] == {"count": 5, "from": "as asked"}
    assert told["build"]["critical_path"] == ["llm"]
    assert any("there is no Llama 3.3 8B" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("arguments", "config", "message"),
    [
        (("--target", "rtx-409"), {}, "no machine is called 'rtx-409'. Did you mean 'rtx-4090'?"),
        ((), {"model": "lama-9-70b"}, "no published model is known as 'lama-9-70b'"),
    ],
)
def test_bad_input_is_one_error(
    arguments: tuple[str, ...], config: dict[str, Any], message: str, tmp_path: Path
) -> None:
    found = run("plan", str(project(tmp_path, **config)), *arguments)
    assert isinstance(found.exception, AsbuiltError)
    assert message in str(found.exception)
    assert found.stdout == ""


def test_serve_refuses_what_cannot_fit_here(tmp_path: Path) -> None:
    file = project(tmp_path, model="llama-3.1-405b", precision="bf16")
    found = run("serve", "-b", str(file), "--port", "0")
    assert isinstance(found.exception, UserError)
    for text in ("planned does not fit: over by", "this-machine", "--unplanned serves it all the same."):
        assert text in str(found.exception)


@pytest.mark.slow
def test_a_service_leaves_its_peak_beside_its_prediction(tmp_path: Path) -> None:
    file = project(tmp_path, context_tokens=512, slots=1)
    command = [sys.executable, "-c", COMMAND, "serve", "-b", str(file), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert "is served at" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
    [peak] = read_peaks(tmp_path / ".asbuilt")
    assert abs(peak.error) < 0.1
    assert not peak.ingested
    again = run("plan", str(file), "--target", "this-machine")
    assert "for this blueprint" in again.output


def test_what_was_never_served_leaves_no_peak(tmp_path: Path) -> None:
    file = project(tmp_path, model=str(tmp_path / "none.gguf"))
    assert isinstance(run("serve", "-b", str(file), "--unplanned").exception, AsbuiltError)
    assert read_peaks(tmp_path / ".asbuilt") == []
