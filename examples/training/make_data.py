"""Makes what is learnt from: data/commands.jsonl, instructions with their command, and data/questions.jsonl,
first sentences of the documentation with the page that answers them.

    python make_data.py [--rows 480] [--questions 2400]

As ../aws-assistant/make_data.py, from pages of the even half only, and from none that its evaluation
data cli-commands.jsonl or known-answers.jsonl ask about. The pages are those whose salted hashes are
smallest.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ASSISTANT = HERE.parent / "aws-assistant"
SALT = "asbuilt-training-1"


def _unseen(
    found: Iterable[Mapping[str, Any]], *, evaluation: str, rows: int, letter: str
) -> list[dict[str, Any]]:
    """At most `rows` of the cases, by page, without those whose page the file `evaluation` asks about."""
    evaluated = {
        document
        for line in (ASSISTANT / "data" / evaluation).read_text(encoding="utf-8").splitlines()
        for document in json.loads(line)["documents"]
    }
    by_page = {case["documents"][0]: case for case in found if not evaluated & set(case["documents"])}
    chosen = sorted(by_page, key=lambda page: sha256(f"{SALT}:{page}".encode()).digest())[:rows]
    return [{**by_page[page], "id": f"{letter}{at:04}"} for at, page in enumerate(sorted(chosen), 1)]


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=480)
    parser.add_argument("--questions", type=int, default=2400)
    wanted = parser.parse_args()
    sys.path.insert(0, str(ASSISTANT))
    import make_data

    make_data.SAMPLE = 1_000_000  # all of them; the sample is taken here
    commands, known = make_data.cli_commands(Counter()), make_data.known_answers(Counter())
    for name, made in (
        ("commands", _unseen(commands, evaluation="cli-commands.jsonl", rows=wanted.rows, letter="t")),
        ("questions", _unseen(known, evaluation="known-answers.jsonl", rows=wanted.questions, letter="q")),
    ):
        file = HERE / "data" / f"{name}.jsonl"
        file.parent.mkdir(exist_ok=True)
        lines = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in made)
        file.write_text(lines, encoding="utf-8")
        print(f"{file.name}: {len(made)} cases")


if __name__ == "__main__":
    main()
