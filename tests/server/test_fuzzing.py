"""schemathesis against the OpenAPI document: whatever comes in, no 5xx, and every answer as described."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance"
)


@pytest.mark.slow
def test_no_input_makes_it_fail(live_url: str, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{live_url}/api/v1/openapi.json"),
        *("--seed", "20261123", "--max-examples", "20", "--generation-database", "none"),
        *("--phases", "examples,coverage,fuzzing", "--checks", CHECKS),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "Tested: 8" in done.stdout
