"""`make documents`: makes documents, takes values out of them, proves each, and answers a question.

Invoices, receipts, forms and contracts are made as PDF files with a text layer and as worn scans, in
four layouts of the building set. Results land in `out/`; open `out/invoice/viewer.html`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from paperwork import BUILDING, make, routed

from asbuilt import AsbuiltError, System
from asbuilt.cli.conversation import show_sources
from asbuilt.cli.output import note, progress_bar
from asbuilt.extraction.schema import load_schema

HERE = Path(__file__).parent
MADE, OUT = HERE / "made", HERE / "out"
QUESTION = "What is the quantity of tool box?"


def main() -> None:
    """Make, extract, verify, ask; say how long each took."""
    started = time.monotonic()
    count = make_documents()
    note(f"Made {count} documents in {MADE} in {time.monotonic() - started:.1f} s.")
    with System.load(HERE / "blueprint.yaml") as system:
        for schema in sorted((HERE / "schemas").glob("*.json")):
            extract_and_verify(system, schema)
        note("\nReading them into the knowledge base...")
        with progress_bar() as progress:
            system.ingest(progress=progress)
        note(f"\n> {QUESTION}\n")
        answer = system.ask(QUESTION)
        print(answer.text)
        show_sources(answer)
    note(f"\nAll of it took {time.monotonic() - started:.0f} s. Look at {OUT / 'invoice' / 'viewer.html'}.")


def make_documents() -> int:
    """Two of each kind a layout, one of them as a scan."""
    MADE.mkdir(exist_ok=True)
    count = 0
    for kind in ("invoice", "receipt", "form", "contract"):
        for number, layout in enumerate(BUILDING[:4]):
            for route in ("text", "scan"):
                made = routed(make(kind, layout, number), "text" if route == "text" else "scan")
                (MADE / made.name).write_bytes(made.data)
                count += 1
    return count


def extract_and_verify(system: System, schema: Path) -> None:
    """One schema over its documents."""
    kind, out = schema.stem, OUT / schema.stem
    started = time.monotonic()
    files = sorted(str(file) for file in MADE.glob(f"{kind}-*"))
    extractions = system.extract(files, schema=load_schema(schema), out=out)
    values = [value for each in extractions for value in each.values]
    found = sum(value.status != "not_found" for value in values)
    repaired = sum(len(each.repairs) for each in extractions)
    took = time.monotonic() - started
    note(f"{kind}: {found} of {len(values)} values in {len(files)} files, {repaired} repaired, {took:.1f} s")
    report = system.verify(out)
    for finding in report.findings:
        note(f"  {finding}")
    note(f"  {report.proved} of {report.values} values proved again")


if __name__ == "__main__":
    try:
        main()
    except AsbuiltError as error:
        sys.exit(f"error: {error}")
