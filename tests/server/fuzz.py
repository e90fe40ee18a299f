"""schemathesis in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance"
)


def fuzz(url: str, folder: Path, *options: str) -> str:
    """Send bounded, repeatable input of every kind to the service at `url`; what schemathesis reports.

    Fails with its report when an answer is a 5xx, or other than the OpenAPI document says.
    """
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/v1/openapi.json"),
        *("--seed", "20261123", "--max-examples", "20", "--generation-database", "none"),
        *("--phases", "examples,coverage,fuzzing", "--checks", CHECKS, *options),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    return done.stdout
