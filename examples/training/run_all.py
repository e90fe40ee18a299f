"""Makes the rows, ingests the pages if that is still to be done, trains, and shows what serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ASSISTANT = HERE.parent / "aws-assistant"
ASBUILT = Path(sys.executable).parent / "asbuilt"


def main() -> int:
    """Returns the exit status of the first command that fails, or of the training."""
    steps = (
        ([sys.executable, "make_data.py"], HERE),
        ([str(ASBUILT), "ingest"], ASSISTANT),
        ([str(ASBUILT), "train"], HERE),
        ([str(ASBUILT), "models", "list"], ASSISTANT),
    )
    for command, folder in steps:
        print(f"\n$ {Path(command[0]).name} {' '.join(command[1:])}", flush=True)
        status = subprocess.run(command, cwd=folder, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
