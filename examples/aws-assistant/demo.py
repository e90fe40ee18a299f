"""`make demo`: ingest the AWS CLI's example pages and answer a question, with times.

The question is asked as soon as every page is searchable by terms; then embedding goes on. A
second run finds everything done and answers at once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from asbuilt import AsbuiltError, System
from asbuilt.cli.conversation import show_sources
from asbuilt.cli.output import note, progress_bar

HERE = Path(__file__).parent
QUESTION = "How do I stop an EC2 instance?"


def main() -> None:
    """Ingest, ask in between, and say how long each took."""
    started = time.monotonic()
    terms_s = answered_s = 0.0
    with System.load(HERE / "blueprint.yaml") as system:
        note("Reading the AWS CLI's example pages...")
        with progress_bar() as show:

            def progress(stage: str, done: int, total: int) -> None:
                nonlocal terms_s, answered_s
                show(stage, done, total)
                if stage == "read" and done == total:
                    terms_s = time.monotonic() - started
                    ask(system)
                    answered_s = time.monotonic() - started

            report = system.ingest(progress=progress)
        ingested_s = time.monotonic() - started
    note(
        f"\n{len(report.receipts)} pages, {report.chunks} chunks, {report.embedded} embedded now, "
        f"{len(report.quarantined)} quarantined.\nAll pages searchable by terms after {terms_s:.1f} s, "
        f"question answered after {answered_s:.1f} s, all embedded and checked after {ingested_s:.1f} s."
    )
    asbuilt = Path(sys.executable).parent / "asbuilt"
    note(f"\nGo on: cd {HERE} && {asbuilt} ask 'Your question'")


def ask(system: System) -> None:
    """Ask the question and show what its answer stands on."""
    note(f"\n> {QUESTION}\n")
    answer = system.ask(QUESTION)
    print(answer.text)
    show_sources(answer)
    note("")


if __name__ == "__main__":
    try:
        main()
    except AsbuiltError as error:
        sys.exit(f"error: {error}")
