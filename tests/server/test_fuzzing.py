"""schemathesis against the OpenAPI document: whatever comes in, no 5xx, and every answer as described."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.server.fuzz import fuzz


@pytest.mark.slow
def test_no_input_makes_it_fail(live_url: str, tmp_path: Path) -> None:
    assert "Tested: 10" in fuzz(live_url, tmp_path)
