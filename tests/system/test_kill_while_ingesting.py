"""kill -9 at random moments of an ingestion: nothing half visible, nothing acknowledged and lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asbuilt.catalog import Catalog
from asbuilt.system import System

KILLS = 20
FILES = 240
BLUEPRINT = """
blueprint: 1
system: {name: kill-test, purpose: Survives}
components:
  chunker: {use: chunker/structural, purpose: Cut, config: {chunk_size: 64, chunk_overlap: 8}}
  embedder: {use: embedder/fake, purpose: Embed}
  index: {use: index/qdrant-edge, purpose: Find}
  retriever: {use: retriever/hybrid, purpose: Retrieve}
"""
# Prints a line for each receipt that it has seen committed: what is printed is acknowledged.
SCRIPT = """
import sys, time
from asbuilt.system import System
with System.load("blueprint.yaml") as system:
    print("open", flush=True)
    def acknowledge(stage, done, total):
        for receipt in system.catalog.receipts("default").values():
            if receipt.status in ("stored", "indexed"):
                print(f"{receipt.source}\\t{receipt.content_hash}", flush=True)
    system.ingest(["docs"], progress=acknowledge)
print("done", flush=True)
"""


def write_files(folder: Path, rng: random.Random, edition: int) -> None:
    """Every edition changes a third of the files."""
    folder.mkdir(exist_ok=True)
    for number in range(FILES):
        if edition and rng.random() > 1 / 3:
            continue
        words = " ".join(rng.choices(["queue", "bucket", "instance", "policy", "alarm"], k=30))
        (folder / f"page-{number}.md").write_text(
            f"# Page {number}\n\nEdition {edition} of page {number}: {words}.\n\n## More\n\n{words} again.\n"
        )


def check_state(project: Path, acknowledged: set[str]) -> None:
    """What must hold after any kill."""
    catalog = Catalog(file=project / ".asbuilt/catalog.sqlite")
    catalog.open()
    try:
        known = catalog.known_documents("default")
        assert acknowledged <= set(known), "an acknowledged document is gone"
        shown: dict[int, list[tuple[int, int, str]]] = {}
        versions: dict[int, set[int]] = {}
        ids = [point.id for batch in catalog.feed(0, "any") for point in batch.points]
        for chunk in catalog.chunks(ids).values():
            shown.setdefault(chunk.document_id, []).append((chunk.start, chunk.end, chunk.text))
            versions.setdefault(chunk.document_id, set()).add(chunk.version)
        assert all(len(numbers) == 1 for numbers in versions.values()), "two versions are visible"
        for document_id, spans in shown.items():
            [number] = versions[document_id]
            text = catalog.version_text(document_id, number)
            covered: set[int] = set()
            for start, end, chunk_text in spans:
                assert text[start:end] == chunk_text
                covered.update(range(start, end))
            missing = [
                at for at, character in enumerate(text) if at not in covered and not character.isspace()
            ]
            assert missing == [], "a document is half visible"
    finally:
        catalog.close()


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    rng = random.Random()
    (tmp_path / "blueprint.yaml").write_text(BLUEPRINT)
    write_files(tmp_path / "docs", rng, 0)
    acknowledged: set[str] = set()
    killed = 0
    edition = 0
    while killed < KILLS:
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(rng.uniform(0, 1.2))
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read()
        assert first == "open\n"
        lines = rest.splitlines()
        acknowledged |= {line.split("\t")[0] for line in lines if line.count("\t") == 1 and len(line) > 64}
        check_state(tmp_path, acknowledged)
        if "done" in lines:
            edition += 1
            write_files(tmp_path / "docs", rng, edition)
        else:
            killed += 1

    with System.load(tmp_path / "blueprint.yaml") as system:
        report = system.ingest([str(tmp_path / "docs")])
        assert len(report.receipts) == FILES
        assert {receipt.status for receipt in report.receipts} == {"indexed"}
        assert all(0 < receipt.chunks == receipt.embedded == receipt.found for receipt in report.receipts)
        assert system.knowledge.state().behind == 0
        hits = system.search("Edition page 17", top_k=5, filters={"name": "page-17"})
        assert {Path(hit.chunk.source).name for hit in hits} == {"page-17.md"}
    check_state(tmp_path, acknowledged)
