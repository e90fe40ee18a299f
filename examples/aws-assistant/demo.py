"""`make demo`: ingest the AWS CLI's example pages and answer a question, with times.

Pages are searchable by terms after some seconds and by meaning as embeddings arrive. The question
is asked once every page is in. A second run finds everything done.
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
QUESTION = "How do I stop an EC2 instance?"


def main() -> None:
    """Ingest, ask, and say how long each took."""
    started = time.monotonic()
    terms_s: float | None = None
    with System.load(HERE / "blueprint.yaml") as system:
        note("Reading the AWS CLI's example pages...")
        with progress_bar() as show:

            def progress(stage: str, done: int, total: int) -> None:
                nonlocal terms_s
                if terms_s is None and stage == "read" and done == total:
                    assert system.index.search("purge queue", top_k=1)
                    terms_s = time.monotonic() - started
                if stage == "embed" and done == total:
                    # The pages are embedded; the language model loads while they are checked.
                    threading.Thread(target=lambda: system.generator, daemon=True).start()
                show(stage, done, total)

            report = system.ingest(progress=progress)
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
    note(
        f"All pages searchable by terms after {terms_s or 0:.1f} s, by meaning after {ingested_s:.1f} s; "
        f"answered after {answered_s:.1f} s."
    )
    asbuilt = Path(sys.executable).parent / "asbuilt"
    note(f"\nGo on: cd {HERE} && {asbuilt} ask 'Your question'")


if __name__ == "__main__":
    try:
        main()
    except AsbuiltError as error:
        sys.exit(f"error: {error}")
