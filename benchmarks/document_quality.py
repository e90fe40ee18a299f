"""How well documents are read and their values found, beside Tesseract, plain RapidOCR and pdfplumber.

    python benchmarks/document_quality.py [--set measuring] [--n 3] [--kinds invoice] [--routes text,scan]

Documents come from examples/documents/paperwork; `measuring` are the layouts that nothing here was
built or tuned with, `building` the others. Prints one table; --fit prints weights for
asbuilt/extraction/confidence.py, fitted on the building set.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "examples" / "documents"))

import pdfplumber
from document_measures import (
    calibration_error,
    character_error,
    order_tau,
    points_at,
    rows_of,
    same_value,
    teds,
)
from paperwork import BUILDING, KINDS, MEASURING, ROUTES, Made, make, routed

from asbuilt.documents.docx import DocxReader
from asbuilt.documents.pdf import PdfReader
from asbuilt.documents.xlsx import XlsxReader
from asbuilt.extraction.layout import LayoutExtractor
from asbuilt.extraction.run import extract
from asbuilt.extraction.schema import load_schema
from asbuilt.extraction.values import conventions_of, parse
from asbuilt.fields import PagedDocument
from asbuilt.pages import Box, PageLayout
from asbuilt.retrieval.minilm import MiniLMEmbedder
from asbuilt.roles import PagedReader

SCHEMAS = Path(__file__).parent.parent / "examples" / "documents" / "schemas"
WITH_SCHEMA = ("invoice", "receipt", "form", "contract")


class Figures:
    """Means by (what, route), and the labels that confidences are judged by."""

    def __init__(self, extractor: LayoutExtractor) -> None:
        self.extractor = extractor
        self.values: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.labels: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        self.signals: list[tuple[dict[str, float], bool]] = []
        self.by_layout: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.misses: list[str] = []
        self.failures: Counter[str] = Counter()

    def add(self, what: str, route: str, value: float) -> None:
        self.values[what, route].append(value)


def read_all(readers: dict[str, PagedReader], made: Made) -> list[PageLayout]:
    return list(readers[Path(made.name).suffix].pages(made.data, name=made.name))


def in_office(route: str) -> bool:
    """Whether the file states its text and has no places of its own."""
    return route in ("docx", "xlsx")


def placed(made: Made, pages: list[PageLayout]) -> list[tuple[str, int, Box]]:
    """The true words in the geometry of the pages that were read: skew is undone around the middle of
    the page, and the paper grows so that no corner is lost."""
    shift = {
        page.number: ((page.width - made.truth.size[0]) / 2, (page.height - made.truth.size[1]) / 2)
        for page in pages
    }
    words = []
    for word in made.truth.words:
        x, y = shift.get(word.page, (0.0, 0.0))
        left, top, right, bottom = word.box
        words.append((word.text, word.page, Box(left + x, top + y, right + x, bottom + y)))
    return words


def judge_reading(figures: Figures, route: str, made: Made, pages: list[PageLayout]) -> None:
    true = placed(made, pages)
    read = " ".join(word.text for page in pages for word in page.words)
    figures.add("character error", route, character_error(read, made.truth.text))
    if not in_office(route):
        figures.add("order tau", route, order_tau(pages, true))
    tables = [(page, table) for page in pages for table in page.tables]
    if made.kind == "table":
        for true_table in made.truth.tables:
            best = max((teds(rows_of(page, table), true_table.rows) for page, table in tables), default=0.0)
            figures.add(f"TEDS {'ruled' if true_table.ruled else 'without rules'}", route, best)


def judge_fields(figures: Figures, route: str, made: Made, pages: list[PageLayout]) -> None:
    schema = load_schema(SCHEMAS / f"{made.kind}.json")
    document = PagedDocument(made.name, "", tuple(pages))
    extraction = extract(document, schema, extractors=[figures.extractor])
    truth = made.truth
    places = placed(made, pages)
    found = {value.path: value for value in extraction.values if value.status != "not_found"}
    right = 0
    for path, value in found.items():
        good = path in truth.fields and same_value(value.value, truth.fields[path])
        right += good
        figures.labels[route].append((value.confidence, good))
        figures.signals.append((dict(value.signals), good))
        if not good:
            true = truth.fields.get(path)
            figures.misses.append(
                f"{made.layout} {made.name} {path}: {value.value!r}, not {true!r} ({value.why})"
            )
            what = "a value where there is none" if path not in truth.fields else "another value"
            figures.failures[f"{route}: {_sort(path)}, {what}"] += 1
        if path in truth.evidence and value.evidence is not None:
            if in_office(route):
                said = [truth.words[number].text for number in truth.evidence[path]]
                figures.add("evidence says", route, float(value.evidence.quote.split() == said))
            else:
                boxes = [places[number][2] for number in truth.evidence[path]]
                figures.add("evidence points at", route, float(points_at(value.evidence.boxes, boxes)))
    for path in truth.fields.keys() - found.keys():
        figures.misses.append(f"{made.layout} {made.name} {path}: not found, is {truth.fields[path]!r}")
        words = " ".join(truth.words[number].text for number in truth.evidence[path])
        field = next(each for each in schema.fields if each.path == re.sub(r"\[\d+\]", "[]", path))
        parsed = parse(field, words, conventions_of(page.text for page in pages))
        readable = parsed is not None and same_value(parsed.value, truth.fields[path])
        what = "not found" if readable else "not found, and its words are not read as its kind"
        figures.failures[f"{route}: {_sort(path)}, {what}"] += 1
    for path in truth.absent:
        figures.add("absent invented", route, float(path in found))
    precision, recall = right / max(1, len(found)), right / max(1, len(truth.fields))
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    figures.add("field F1", route, f1)
    figures.by_layout[made.layout, route].append(f1)


def _sort(path: str) -> str:
    return "in a list" if "[" in path else "single"


def judge_peers(figures: Figures, route: str, made: Made, peers: dict[str, Any]) -> None:
    if made.kind == "table" and route == "text":
        with pdfplumber.open(io.BytesIO(made.data)) as pdf:
            tables = [table for page in pdf.pages for table in page.extract_tables()]
        for true in made.truth.tables:
            kind = "ruled" if true.ruled else "without rules"
            rows = [[[(cell or "", 1) for cell in row] for row in table] for table in tables]
            figures.add(
                f"TEDS {kind}, pdfplumber", route, max((teds(each, true.rows) for each in rows), default=0.0)
            )
    if route == "text" or in_office(route):
        return
    import pypdfium2

    picture = pypdfium2.PdfDocument(made.data)[0].render(scale=200 / 72).to_pil().convert("RGB")
    if "rapidocr" in peers:
        started = time.perf_counter()
        result = peers["rapidocr"](np.asarray(picture))
        figures.add("seconds, plain RapidOCR", route, time.perf_counter() - started)
        figures.add(
            "character error, plain RapidOCR",
            route,
            character_error(" ".join(result.txts or ()), made.truth.text),
        )
    if "tesseract" in peers:
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            picture.save(file, "PNG", dpi=(200, 200))
            file.flush()
            started = time.perf_counter()
            command = ["tesseract", file.name, "-", "--psm", "1" if route == "turned" else "3"]
            text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            figures.add("seconds, Tesseract", route, time.perf_counter() - started)
        figures.add("character error, Tesseract", route, character_error(text, made.truth.text))


def fitted(signals: list[tuple[dict[str, float], bool]]) -> None:
    """Logistic regression with a normal prior (variance 4), printed for confidence.py."""
    names = sorted({name for each, _ in signals for name in each} - {"label", "template", "learnt"})
    x = np.array([[each.get(name, 0.0) for name in names] + [1.0] for each, _ in signals])
    y = np.array([right for _, right in signals], float)
    at = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ at))
        prior = np.eye(len(at)) / 4
        at -= np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + prior, x.T @ (p - y) + prior @ at)
    print(f"fitted on {len(y)} values, {int(len(y) - y.sum())} of them wrong")
    for name, weight in zip([*names, "intercept"], at, strict=True):
        print(f'    "{name}": {weight:.2f},')


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--set", default="measuring", choices=("measuring", "building"))
    options.add_argument("--n", type=int, default=2, help="seeds of each kind and layout")
    options.add_argument("--kinds", default=",".join(KINDS))
    options.add_argument("--routes", default="text,clean,scan,docx,xlsx")
    options.add_argument("--peers", default="rapidocr,tesseract", help="none: leave them out")
    options.add_argument("--no-meanings", dest="meanings", action="store_false", help="without an embedder")
    options.add_argument("--fit", action="store_true")
    options.add_argument("--misses", action="store_true", help="of the building set only")
    asked = options.parse_args()
    peers: dict[str, Any] = dict.fromkeys(asked.peers.split(","))
    if "rapidocr" in peers:
        from rapidocr import RapidOCR

        peers["rapidocr"] = RapidOCR(params={"Global.log_level": "critical"})
    embedder = MiniLMEmbedder(threads=1) if asked.meanings else None
    if embedder is not None:
        embedder.open()
    figures = Figures(LayoutExtractor(embedder=embedder))
    reader = PdfReader()
    readers: dict[str, PagedReader] = {".pdf": reader, ".docx": DocxReader(), ".xlsx": XlsxReader()}
    seeds = range(asked.n) if asked.set == "building" else range(1000, 1000 + asked.n)
    for layout in BUILDING if asked.set == "building" else MEASURING:
        for kind in asked.kinds.split(","):
            for seed in seeds:
                for route in ROUTES:
                    if route not in asked.routes.split(","):
                        continue
                    made = routed(make(kind, layout, seed), route)
                    started = time.perf_counter()
                    pages = read_all(readers, made)
                    figures.add("seconds", route, time.perf_counter() - started)
                    judge_reading(figures, route, made, pages)
                    if kind in WITH_SCHEMA:
                        judge_fields(figures, route, made, pages)
                    judge_peers(figures, route, made, peers)
    reader.close()
    report(figures, asked)


def report(figures: Figures, asked: argparse.Namespace) -> None:
    routes = [route for route in ROUTES if route in asked.routes.split(",")]
    print(f"{asked.set} set, {asked.n} seeds a kind and layout; means (n)")
    print(f"{'':34}" + "".join(f"{route:>18}" for route in routes))
    for what in sorted({what for what, _ in figures.values}):
        cells = []
        for route in routes:
            values = figures.values.get((what, route), [])
            cells.append(f"{np.mean(values):>11.4f} ({len(values):>4})" if values else f"{'':>18}")
        print(f"{what:34}" + "".join(cells))
    errors = [
        f"{calibration_error(figures.labels[route]):>11.4f} ({len(figures.labels[route]):>4})"
        for route in routes
    ]
    print(f"{'calibration error':34}" + "".join(errors))
    for layout in dict.fromkeys(layout for layout, _ in figures.by_layout):
        means = [f"{np.mean(figures.by_layout[layout, route]):>18.4f}" for route in routes]
        print(f"{'field F1, ' + layout:34}" + "".join(means))
    for failure, count in sorted(figures.failures.items()):
        print(f"{count:>6} values, {failure}")
    if asked.misses:
        print(*figures.misses, sep="\n")
    if asked.fit and asked.set == "building":
        fitted(figures.signals)


if __name__ == "__main__":
    main()
