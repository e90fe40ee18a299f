"""Makes data/commands.jsonl: instructions with their command, to learn from.

    python make_data.py [--rows 480]

As ../aws-assistant/make_data.py, from pages of the even half only, and from none that its evaluation
data cli-commands.jsonl asks about. The pages are those whose salted hashes are smallest.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
ASSISTANT = HERE.parent / "aws-assistant"
SALT = "asbuilt-training-1"


def commands(rows: int) -> list[dict[str, object]]:
    """At most `rows` cases, by page."""
    sys.path.insert(0, str(ASSISTANT))
    import make_data

    evaluated = {
        document
        for line in (ASSISTANT / "data/cli-commands.jsonl").read_text(encoding="utf-8").splitlines()
        for document in json.loads(line)["documents"]
    }
    make_data.SAMPLE = 1_000_000  # all of them; the sample is taken here
    found = {record["documents"][0]: record for record in make_data.cli_commands(Counter())}
    left = sorted(set(found) - evaluated, key=lambda page: sha256(f"{SALT}:{page}".encode()).digest())
    return [{**found[page], "id": f"t{at:04}"} for at, page in enumerate(sorted(left[:rows]), 1)]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=480)
    made = commands(parser.parse_args().rows)
    file = HERE / "data/commands.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in made), encoding="utf-8")
    print(f"{file.name}: {len(made)} cases")


if __name__ == "__main__":
    main()
