"""`make demo`: ingest the AWS CLI's example pages and ask a question, with times.

The question is asked as soon as the pages are searchable by meaning. A second run finds everything
done and takes seconds.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from asbuilt import AsbuiltError, System
from asbuilt.cli.conversation import show_sources
from asbuilt.cli.output import note, progress_bar

HERE = Path(__file__).parent
QUESTION = "How do I delete all messages in an SQS queue?"


class Milestones:
    """Passes progress on, and notes when search by terms first finds something."""

    def __init__(self, system: System, started: float) -> None:
        self._system = system
        self._started = started
        self.terms_s: float | None = None

    def watch(self, show: object) -> object:
        def progress(stage: str, done: int, total: int) -> None:
            if self.terms_s is None and self._system.index.search("queue", top_k=1):
                self.terms_s = time.monotonic() - self._started
            show(stage, done, total)  # type: ignore[operator]

        return progress


def main() -> None:
    started = time.monotonic()
    with System.load(HERE / "blueprint.yaml") as system:
        milestones = Milestones(system, started)
        # The language model loads while pages are embedded.
        threading.Thread(target=lambda: system.generator, daemon=True).start()
        note("Reading the AWS CLI's example pages...")
        with progress_bar() as show:
            report = system.ingest(progress=milestones.watch(show))  # type: ignore[arg-type]
        ingested_s = time.monotonic() - started
        note(f"\n> {QUESTION}\n")
        answer = system.ask(QUESTION)
        answered_s = time.monotonic() - started
    print(answer.text)
    show_sources(answer)
    note(
        f"\n{len(report.receipts)} pages, {report.chunks} chunks, {report.embedded} embedded now, "
        f"{len(report.quarantined)} quarantined."
    )
    if milestones.terms_s is not None:
        note(
            f"Searchable by terms after {milestones.terms_s:.1f} s, ",
        )
    note(f"ingested after {ingested_s:.1f} s, answered after {answered_s:.1f} s.")
    note(f"\nGo on: cd {HERE} && {Path(sys.executable).parent / 'asbuilt'} ask 'Your question'")


if __name__ == "__main__":
    try:
        main()
    except AsbuiltError as error:
        sys.exit(f"error: {error}")
