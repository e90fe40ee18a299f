"""Hundreds of pages in one PDF file: pages a second, and whether memory stays flat.

    python benchmarks/document_speed.py [--route text] [--pages 500]
    python benchmarks/document_speed.py --route scan --pages 40

Prediction: 20 pages a second with a text layer on two cores, 4 s a scanned page at 200 dpi, a peak below
1.5 GB, and no more memory in the second half than between the 20th and the 100th page (or the first and
the second quarter of fewer). Documents of the generator's building layouts, one after the other in one
file; memory is the resident memory of this process and of its worker together, sampled at each page.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import Literal

sys.path.insert(0, str(Path(__file__).parent.parent / "examples" / "documents"))

import psutil
import pypdfium2
from paperwork import BUILDING, KINDS, make, routed

from asbuilt.documents.pdf import PdfReader

GIB = 2**30


Route = Literal["text", "scan"]


def documents(route: Route) -> Iterator[bytes]:
    for seed in count():
        for layout in BUILDING:
            for kind in KINDS:
                made = routed(make(kind, layout, seed), route)
                if made.data.startswith(b"%PDF"):
                    yield made.data


def joined(route: Route, pages: int) -> bytes:
    """One PDF file of so many pages."""
    whole = pypdfium2.PdfDocument.new()
    for data in documents(route):
        part = pypdfium2.PdfDocument(data)
        wanted = list(range(min(len(part), pages - len(whole))))
        whole.import_pages(part, wanted)
        part.close()
        if len(whole) >= pages:
            break
    out = io.BytesIO()
    whole.save(out)
    return out.getvalue()


def resident_bytes() -> int:
    process = psutil.Process()
    total = int(process.memory_info().rss)
    for child in process.children(recursive=True):
        try:
            total += int(child.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return total


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--route", default="text", choices=("text", "scan"))
    options.add_argument("--pages", type=int, default=500)
    asked = options.parse_args()
    data = joined(asked.route, asked.pages)
    reader = PdfReader()
    memory: list[int] = []
    times: list[float] = []
    words = 0
    began = last = time.perf_counter()
    for page in reader.pages(data, name="many.pdf"):
        now = time.perf_counter()
        times.append(now - last)
        last = now
        memory.append(resident_bytes())
        words += len(page.words)
    took = last - began
    started = time.perf_counter()
    next(iter(reader.pages(data, name="many.pdf", first=asked.pages)))
    resumed = time.perf_counter() - started
    reader.close()
    early = memory[20:100] if len(memory) >= 200 else memory[len(memory) // 4 : len(memory) // 2]
    late = memory[len(memory) // 2 :]
    print(f"{asked.route}: {len(memory)} pages, {words} words, {len(data) / 2**20:.1f} MiB")
    mean_s, median_s = took / len(memory), median(times)
    print(f"{1 / mean_s:.1f} pages a second, {mean_s:.3f} s a page (median {median_s:.3f})")
    peak, first, second = (each / GIB for each in (max(memory), median(early), median(late)))
    print(f"peak {peak:.2f} GiB; early {first:.2f}, late {second:.2f} GiB")
    print(f"the last page alone: {resumed:.2f} s")


if __name__ == "__main__":
    main()
