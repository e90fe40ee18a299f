"""Makes the modules of examples/aws-assistant importable, as its blueprint does."""

from __future__ import annotations

import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "aws-assistant"

if str(EXAMPLE) not in sys.path:
    sys.path.insert(0, str(EXAMPLE))
