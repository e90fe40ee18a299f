"""The multimodal processor on pages that nobody tuned it on: does it rank, tell apart and answer rightly?

Documents are drawn by the generator of `examples/documents` (held-out layouts with ``--set measuring``).

- classify: kinds told from 1, 2 and 3 examples each, of other layouts than the documents asked about;
  by text alone, by the look of pages alone, and by both.
- retrieve: a query made of two values of one document among all; recall@1 and mean reciprocal rank; over
  fused channels, and over words alone and meaning alone in the same run.
- answer: "What is the LABEL?" for fields that stand on the page with a label; exact answers, wrong
  answers, refusals; and questions about what is nowhere, which must be refused.

    python benchmarks/multimodal_quality.py --n 3
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent.parent / "examples" / "documents"))

from paperwork import BUILDING, KINDS, MEASURING, Layout, make

from asbuilt.catalog import Catalog
from asbuilt.documents.pdf import PdfReader
from asbuilt.modalities import UNKNOWN, InputFile, Task, TaskOutput
from asbuilt.multimodal.classify import ClassifyHead
from asbuilt.multimodal.formatters import JsonFormatter
from asbuilt.multimodal.fusion import WeightedFusion
from asbuilt.multimodal.page_features import PageFeaturesEncoder
from asbuilt.multimodal.processor import MultimodalProcessor
from asbuilt.multimodal.quote import QuoteHead
from asbuilt.multimodal.retrieve import RetrieveHead
from asbuilt.multimodal.router import PageRouter
from asbuilt.retrieval.minilm import MiniLMEmbedder
from asbuilt.statistics.estimate import wilson

_SHOTS = (1, 2, 3)
_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "text": {"picture": 0.0},
    "look": {"text": 0.0},
    "both": {},
}
_NOWHERE = ("name of the ship", "patient's blood group", "flight number", "atomic weight", "court of appeal")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A document, its kind and layout, and values that stand on it by path."""

    file: InputFile
    kind: str
    layout: str
    values: Mapping[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=("building", "measuring"), default="measuring")
    parser.add_argument("--n", type=int, default=2, help="documents a kind and layout")
    options = parser.parse_args()
    layouts = BUILDING if options.set == "building" else MEASURING
    documents = list(drawn(layouts, options.n))
    embedder = MiniLMEmbedder()
    embedder.open()
    reader = PdfReader()
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(file=Path(folder) / "catalog.sqlite")
        catalog.open()
        try:

            def processor(weights: Mapping[str, float]) -> MultimodalProcessor:
                return MultimodalProcessor(
                    router=PageRouter(readers=(reader,), unnamed_readers={}, catalog=catalog),
                    text_encoder=embedder,
                    vision_encoders=(PageFeaturesEncoder(),),
                    fusion=WeightedFusion(weights=weights),
                    heads=(RetrieveHead(), ClassifyHead(), QuoteHead()),
                    formatters=(JsonFormatter(),),
                )

            names = ", ".join(each.name for each in layouts)
            print(f"set {options.set}, {len(documents)} documents, layouts {names}")
            classified({name: processor(weights) for name, weights in _WEIGHTS.items()}, documents)
            ranked(processor, documents)
            answered(processor({}), documents)
        finally:
            catalog.close()
            embedder.close()


def drawn(layouts: Sequence[Layout], n: int) -> Iterator[Drawn]:
    seed = 7_000
    for kind in KINDS:
        for layout in layouts:
            for number in range(n):
                seed += 1  # no two documents share a record
                made = make(kind, layout, seed)
                truth = made.truth
                quotes = {
                    path: " ".join(truth.words[number].text for number in words)
                    for path, words in truth.evidence.items()
                }
                values = {path: quote for path, quote in quotes.items() if len(quote) > 3}
                file = InputFile(f"{kind}-{layout.name}-{number}.pdf", partial(bytes, made.data), kind)
                yield Drawn(file, kind, layout.name, values)


def share(right: int, n: int) -> str:
    low, high = wilson(right, n)
    return f"{right / n:.3f} [{low:.3f}, {high:.3f}] (n={n})"


# ---------------------------------------------------------------- classify


def classified(processors: Mapping[str, MultimodalProcessor], documents: Sequence[Drawn]) -> None:
    """Examples are of one layout, documents of the others, for each layout in turn."""
    print("\n| classify | shots | accuracy | unknown | probability when right / wrong | s/document |")
    print("|---|---:|---|---:|---|---:|")
    for shots in _SHOTS:
        for name, processor in processors.items():
            right = wrong = unknown = 0
            sure: dict[bool, list[float]] = {True: [], False: []}
            began, asked = time.perf_counter(), 0
            for layout in sorted({each.layout for each in documents}):
                examples = [each for each in documents if each.layout == layout]
                taken = [
                    each.file
                    for kind in KINDS
                    for each in [each for each in examples if each.kind == kind][:shots]
                ]
                others = [each for each in documents if each.layout != layout]
                if len(taken) < shots * len(KINDS) or not others:
                    continue
                task = Task("classify", tuple(each.file for each in others), examples=tuple(taken))
                output = processor.process(task).output
                asked += len(others)
                for each, found in zip(others, output.classified, strict=True):
                    if found.label == UNKNOWN:
                        unknown += 1
                    else:
                        right += found.label == each.kind
                        wrong += found.label != each.kind
                        sure[found.label == each.kind].append(found.probability)
            if asked:
                both = (sure[True], sure[False])
                means = " / ".join(f"{sum(each) / len(each):.2f}" if each else "-" for each in both)
                took = (time.perf_counter() - began) / asked
                print(f"| {name} | {shots} | {share(right, asked)} | {unknown} | {means} | {took:.3f} |")


# ---------------------------------------------------------------- retrieve


def ranked(processor: object, documents: Sequence[Drawn]) -> None:
    """Queries of two values of a document; its page must come first."""
    queries = []
    for number, each in enumerate(documents):
        values = sorted(set(each.values.values()))
        if len(values) >= 2:
            queries.append((" ".join(Random(number).sample(values, 2)), each.file.name))
    queries = Random(1).sample(queries, min(60, len(queries)))
    files = tuple(each.file for each in documents)
    print("\n| retrieve | recall@1 | MRR@10 |\n|---|---|---:|")
    for name, weights in (("fused", {}), ("words", {"meaning": 0.0}), ("meaning", {"words": 0.0})):
        right, reciprocal = 0, 0.0
        chosen = processor(weights)  # type: ignore[operator]
        for query, wanted in queries:
            output: TaskOutput = chosen.process(Task("retrieve", files, query=query)).output
            ranks = [page.rank for page in output.ranked if page.source == wanted]
            right += ranks[:1] == [1]
            reciprocal += 1 / ranks[0] if ranks else 0.0
        print(f"| {name} | {share(right, len(queries))} | {reciprocal / len(queries):.3f} |")


# ---------------------------------------------------------------- answer


def answered(processor: MultimodalProcessor, documents: Sequence[Drawn]) -> None:
    """One document at a time: the label of a field is asked for."""
    right = wrong = refused = pointed = invented = 0
    asked = nowhere = 0
    for number, each in enumerate(documents):
        single = [path for path in each.values if "." not in path and "[" not in path and path.isalpha()]
        for path in Random(number).sample(sorted(single), min(2, len(single))):
            task = Task("answer", (each.file,), query=f"What is the {path.replace('_', ' ')}?")
            answer = processor.process(task).output.answer
            assert answer is not None
            asked += 1
            holds = each.values[path] in answer.text
            refused += answer.refused
            right += holds and not answer.refused
            wrong += not holds and not answer.refused
            pointed += bool(holds and answer.places)
        task = Task("answer", (each.file,), query=f"What is the {Random(number).choice(_NOWHERE)}?")
        answer = processor.process(task).output.answer
        assert answer is not None
        nowhere += 1
        invented += not answer.refused
    print("\n| answer | share |\n|---|---|")
    print(f"| the value stands in the quote | {share(right, asked)} |")
    print(f"| another quote | {share(wrong, asked)} |")
    print(f"| refused | {share(refused, asked)} |")
    print(f"| what is nowhere, answered | {share(invented, nowhere)} |")


if __name__ == "__main__":
    main()
