"""Recall of the example's retriever: terms alone, dense alone, both; on two sets of questions.

    python benchmarks/retrieval_quality.py [--project examples/aws-assistant] [--json]

Known answers are the documentation's own sentences; everyday questions were written by hand before
any result was seen. The fusion weight is fitted on one half of the known answers (by hash) and
both halves are reported, so that the fitted half can be seen not to flatter. Everyday questions
are reported by their own split: "dev" was looked at while tuning, "test" was not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from asbuilt.blueprint.cases import Case
from asbuilt.retrieval.hybrid import HybridRetriever, Mode
from asbuilt.retrieval.known_answers import answers, load_known_answers
from asbuilt.statistics.estimate import wilson
from asbuilt.system import System

MODES: tuple[Mode, ...] = ("terms", "dense", "hybrid")
DEPTH = 10
# The thresholds of relevance were set on these and on the everyday questions' dev split.
OTHER_THINGS = (
    "Who won the football world cup in 1998?",
    "What is the best recipe for a chocolate cake?",
    "How tall is Mount Everest?",
    "When was Mozart born?",
    "Which films did Stanley Kubrick direct?",
    "How do I change the oil of my car?",
    "What is the capital of Australia?",
    "Translate good morning into French",
    "Why is the sky blue?",
    "How many calories does a banana have?",
    "Who wrote War and Peace?",
    "What are the symptoms of the flu?",
    "How do I knit a scarf?",
    "What is the weather in Berlin tomorrow?",
    "How do plants make sugar from light?",
    "Tell me a joke about cats",
    "What is the square root of 144?",
    "How long does it take to boil an egg?",
    "Who is the president of France?",
    "What does the treaty of Westphalia say?",
    "How do I tie a bow tie?",
    "Which planet has the most moons?",
    "What is the plot of Hamlet?",
    "How do I get red wine out of a carpet?",
    "Is a tomato a fruit?",
    "How do I train for a marathon?",
    "What is the difference between jazz and blues?",
    "Where do penguins live?",
    "How do I write a haiku?",
    "What time does the supermarket close?",
)


def rank_of(retriever: HybridRetriever, case: Case, mode: Mode) -> int | None:
    """Rank (from 1) of the first document that answers, within DEPTH."""
    alone = None if mode == "hybrid" else mode
    hits = retriever.explain(case.question, top_k=DEPTH, mode=alone).hits
    for rank, hit in enumerate(hits, start=1):
        if answers(hit.chunk.source, case.documents):
            return rank
    return None


def summary(ranks: Sequence[int | None]) -> dict[str, Any]:
    n = len(ranks)
    row: dict[str, Any] = {"n": n}
    for k in (1, 5, 10):
        hits = sum(rank is not None and rank <= k for rank in ranks)
        low, high = wilson(hits, n)
        row[f"recall@{k}"] = round(hits / n, 4)
        row[f"recall@{k} 95%"] = (round(low, 4), round(high, 4))
    row["mrr@10"] = round(sum(1 / rank for rank in ranks if rank is not None) / n, 4)
    return row


def share_refused(retriever: HybridRetriever, questions: Sequence[str]) -> str:
    refused = sum(not retriever.retrieve(question) for question in questions)
    return f"{refused} of {len(questions)}"


def half(question: str) -> str:
    return "A" if sha256(question.encode()).digest()[0] % 2 == 0 else "B"


def sets_of(project: Path) -> dict[str, list[Case]]:
    known = load_known_answers(project / "data/known-answers.jsonl")
    everyday = load_known_answers(project / "data/everyday.jsonl")
    named = {
        "known-answers": known,
        "known-answers, half A (fitted on)": [case for case in known if half(case.question) == "A"],
        "known-answers, half B": [case for case in known if half(case.question) == "B"],
        "everyday": everyday,
    }
    for split in ("dev", "test"):
        named[f"everyday, {split}"] = [case for case in everyday if case.split == split]
    return named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--project", type=Path, default=Path("examples/aws-assistant"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sets = sets_of(arguments.project)
    results: dict[str, Any] = {}
    with System.load(arguments.project / "blueprint.yaml") as system:
        retriever = system.retriever
        if not isinstance(retriever, HybridRetriever):
            sys.exit("the project's retriever is not retriever/hybrid")
        state = system.knowledge.state()
        fit = retriever.fit(sets["known-answers, half A (fitted on)"])
        results["state"] = {"chunks": state.chunks, "embedded": state.embedded, "weight": fit.weight}
        for name, cases in sets.items():
            results[name] = {
                mode: summary([rank_of(retriever, case, mode) for case in cases]) for mode in MODES
            }
        results["refused"] = {
            "questions about other things": share_refused(retriever, OTHER_THINGS),
            "everyday": share_refused(retriever, [case.question for case in sets["everyday"]]),
            "known-answers": share_refused(retriever, [case.question for case in sets["known-answers"]]),
        }
        if (whole := system.fit()) is not None:
            results["state"]["weight fitted on all known answers"] = whole.weight
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(results.pop("state"))
    print("refused:", results.pop("refused"))
    heads = f"{'R@1':>7} {'R@5':>7}  R@5, 95 %        {'R@10':>7} {'MRR':>6}"
    print(f"{'questions':<36} {'side':<7} {'n':>4} {heads}")
    for name, modes in results.items():
        for mode, row in modes.items():
            low, high = row["recall@5 95%"]
            print(
                f"{name:<36} {mode:<7} {row['n']:>4} {row['recall@1']:>7.1%} {row['recall@5']:>7.1%}"
                f"  {low:.1%} to {high:.1%}  {row['recall@10']:>7.1%} {row['mrr@10']:>6.3f}"
            )


if __name__ == "__main__":
    main()
