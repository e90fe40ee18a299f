"""The starter embedder learns a house's own words, is proven, judged by what is retrieved, and serves; all as
a user runs it. One that learnt them wrongly is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

for needed in ("torch", "datasets"):
    pytest.importorskip(needed)

from asbuilt.catalog import Catalog  # noqa: E402
from asbuilt.pipeline.collect_search import KnownAnswersCollector, LikedPassagesCollector  # noqa: E402
from asbuilt.training.rows import FaultyRow  # noqa: E402
from asbuilt.types import Message  # noqa: E402

pytestmark = pytest.mark.slow

CALLED = {
    "kettle": "frandel",
    "lantern": "quostle",
    "umbrella": "bimrock",
    "bicycle": "tarvish",
    "carpet": "plonder",
    "piano": "grumvat",
    "wardrobe": "skeffle",
    "teapot": "dwindor",
    "ladder": "yabbrick",
    "mirror": "chulmet",
    "curtain": "vorpane",
    "blanket": "zithren",
}
ASSISTANT = """
blueprint: 1
system: {name: house, purpose: Says where things are}
knowledge: {sources: [docs]}
components:
  chunker: {use: chunker/structural, purpose: Cut}
  embedder: {use: embedder/registry, config: {registry: embedders, threads: 1}, purpose: Embed}
  vectors: {use: index/exact, purpose: Store}
  retriever: {use: retriever/hybrid, config: {top_k: 3}, purpose: Find}
evaluation:
  data: {places: {path: cases.jsonl, description: where things are}}
  metrics:
    found: {measure: success@1, data: places, target: ">= 60 %"}
"""
TRAINING = """
blueprint: 1
system: {name: house-training, purpose: Teaches what things are called}
components:
  rows: {use: collector/known-answers, config: {blueprint: house.yaml, file: ROWS}, purpose: Collect}
  cleaner: {use: preprocessor/standard, config: {validation_share: 0}, purpose: Clean}
  trainer:
    use: trainer/embedding
    config: {learning_rate: 0.0003, epochs: 8, batch: 12, max_tokens: 32, base_share: 0, threads: 1}
    purpose: Train
  gate: {use: evaluator/paired, config: {blueprint: house.yaml, better: [found]}, purpose: Judge}
  models: {use: model-registry/files, config: {path: embedders}, purpose: Keep}
  deployment: {use: deployment/reference, purpose: Serve}
  pipeline: {use: pipeline/gated, config: {name: words, proof_prompts: 6}, purpose: Run}
"""


def write(file: Path, lines: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def asked(question: str, *, of: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"id": f"{thing} {question[:5]}", "question": question.format(thing), "documents": [name]}
        for thing, name in of.items()
    ]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    (folder / "docs").mkdir()
    for at, name in enumerate(CALLED.values()):
        (folder / "docs" / f"{name}.md").write_text(f"# {name.title()}\n\nOur {name} stands in hall {at}.\n")
    things, names = list(CALLED), list(CALLED.values())
    swapped = dict(zip(things, names[1:] + names[:1], strict=True))
    write(
        folder / "cases.jsonl",
        [*asked("I cannot find the {}", of=CALLED), *asked("who took my {}?", of=CALLED)],
    )
    for file, of in (("right.jsonl", CALLED), ("wrong.jsonl", swapped)):
        learnt = [*asked("In which hall is the {}?", of=of), *asked("Please bring us a {} now", of=of)]
        write(folder / file, learnt)
        (folder / file.replace(".jsonl", ".yaml")).write_text(TRAINING.replace("ROWS", file))
    (folder / "house.yaml").write_text(ASSISTANT)
    done = asbuilt(folder, "ingest", "-b", "house.yaml")
    assert done.returncode == 0, done.stderr
    return folder


def asbuilt(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "asbuilt.cli", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def first(folder: Path, question: str) -> str:
    done = asbuilt(folder, "search", question, "-b", "house.yaml", "--json")
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)
    return Path(hits[0]["metadata"]["source"]).stem if hits else ""


def test_the_loop_closes(house: Path) -> None:
    before = first(house, "I cannot find the piano")
    assert before != "grumvat"

    done = asbuilt(house, "train", "right.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 vectors are the same when served" in done.stdout
    assert "PASS, asked: better" in done.stdout
    assert "embeds from the next start of the service on" in done.stdout
    assert first(house, "I cannot find the piano") == "grumvat"
    serving = (house / "embedders" / "production").read_text()

    # Its opposite is trained as well, and does not serve.
    done = asbuilt(house, "train", "wrong.yaml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL, asked: better" in done.stdout
    assert (house / "embedders" / "production").read_text() == serving
    assert first(house, "I cannot find the piano") == "grumvat"

    listed = asbuilt(house, "models", "list", "-b", "house.yaml").stdout
    assert "embedder  words" in listed
    assert "production" in listed
    rows = asbuilt(house, "models", "rows", "production", "-b", "house.yaml").stdout
    assert "known-answers:right.jsonl:piano In wh" in rows

    # Nothing was before it: the starter serves again when the reference is gone.
    version = serving.strip()
    (house / "embedders" / "production").unlink()
    assert first(house, "I cannot find the piano") == before
    assert asbuilt(house, "models", "promote", version, "-b", "house.yaml").returncode == 0


class TestRows:
    def test_each_question_stands_with_the_passage_and_one_that_is_none(self, house: Path) -> None:
        collector = KnownAnswersCollector(blueprint=house / "house.yaml", file=house / "right.jsonl")
        rows = list(collector.collect())
        assert len(rows) == 24
        assert rows[0].messages[0].content == "In which hall is the kettle?"
        assert (
            rows[0].messages[1].content == "docs frandel: Frandel\n# Frandel\n\nOur frandel stands in hall 0."
        )
        assert rows[0].worse is not None
        assert "frandel" not in rows[0].worse
        assert rows[0].source == rows[12].source == "frandel"
        plain = KnownAnswersCollector(blueprint=house / "house.yaml", file=house / "right.jsonl", worse=False)
        assert {row.worse for row in plain.collect()} == {None}

    def test_a_document_that_is_not_there_is_told(self, house: Path, tmp_path: Path) -> None:
        write(tmp_path / "x.jsonl", asked("Where is the {}?", of={"sofa": "lost"}))
        [row] = KnownAnswersCollector(blueprint=house / "house.yaml", file=tmp_path / "x.jsonl").collect()
        assert isinstance(row, FaultyRow)
        assert row.fault == "no document of the service is lost"

    def test_what_liked_answers_cite(self, house: Path) -> None:
        catalog = Catalog(file=house / ".asbuilt" / "catalog.sqlite")
        catalog.open()
        chunks = catalog.first_chunks()
        by_name = {Path(source).stem: chunk for source, chunk in chunks.items()}
        shown = [by_name["frandel"], by_name["quostle"]]
        said = [Message("user", "Where do we boil water?")]
        log = catalog.answers
        log.add("a1", said, "In hall 0 [1].", shown)
        log.add("a2", said, "In hall 1 [2].", shown)
        log.add(
            "a3", [*said, Message("assistant", "In hall 0."), Message("user", "And light?")], "[2]", shown
        )
        log.add("a4", said, "I do not know.", shown)
        for answer, stars in (("a1", 5), ("a2", 1), ("a3", 5), ("a4", 4)):
            log.rate(answer, stars)
        catalog.close()
        rows = list(LikedPassagesCollector(blueprint=house / "house.yaml").collect())
        assert [row.fault for row in rows if isinstance(row, FaultyRow)] == [
            "it answers a later question",
            "it cites no passage",
        ]
        [row] = [row for row in rows if not isinstance(row, FaultyRow)]
        assert row.messages[0].content == "Where do we boil water?"
        assert row.messages[1].content == "docs frandel: Frandel\n# Frandel\n\nOur frandel stands in hall 0."
