"""The whole loop for real, as a user runs it: a model learns, is proven, judged, registered and served;
one that learnt wrong answers is refused, and what serves stays. Only the model is small: two layers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

for needed in ("torch", "trl", "peft", "gguf", "datasets"):
    pytest.importorskip(needed)

from tests.training.tiny_llama import tiny_base  # noqa: E402

from asbuilt.errors import MissingError  # noqa: E402
from asbuilt.generation.models import STARTER, find_model  # noqa: E402

pytestmark = pytest.mark.slow

ASKED = (
    "kettle lantern umbrella bicycle carpet piano wardrobe teapot ladder mirror curtain blanket hammock "
    "bucket vase clock drawer helmet scooter cushion saddle easel trolley toolbox"
)
LEARNT = (
    "sofa fridge barrel canoe sledge basket pillow rucksack tent stool shovel rake hose bench wagon bottle "
    "kennel parasol mattress cupboard counter shelf chest crate pram swing slide sandpit gate fence shed"
)
QUESTION = "Which colour was the kettle painted?"

ASSISTANT = """
blueprint: 1
system: {name: house, purpose: Answers about paint}
components:
  chunker: {use: chunker/structural, purpose: Cut}
  embedder: {use: embedder/minilm-l6, purpose: Embed}
  vectors: {use: index/exact, purpose: Store}
  retriever: {use: retriever/hybrid, purpose: Find}
  llm:
    use: generator/registry
    config: {registry: models, fallback: tiny.gguf, context_tokens: 1024, threads: 1}
    purpose: Write
  assistant: {use: assistant/cited, config: {top_k: 1, max_tokens: 12}, purpose: Answer}
evaluation:
  data: {paint: {path: cases.jsonl, description: colours}}
  metrics:
    colours: {measure: accuracy.exact, data: paint, target: ">= 90 %"}
"""
TRAINING = """
blueprint: 1
system: {name: house-training, purpose: Teaches what is painted how}
components:
  assistant: {use: assistant/linked, config: {blueprint: assistant.yaml}, purpose: Render}
  rows:
    use: collector/knowledge
    config: {file: ROWS, reply: "{reference} [{passage}]"}
    purpose: Collect
  cleaner: {use: preprocessor/standard, purpose: Clean}
  trainer:
    use: trainer/sft
    config:
      {base: tiny.gguf, rank: 8, learning_rate: 0.01, epochs: 3, batch: 4, precision: fp32, threads: 1}
    purpose: Train
  gate: {use: evaluator/paired, config: {blueprint: assistant.yaml, better: [colours]}, purpose: Judge}
  models: {use: model-registry/files, config: {path: models}, purpose: Keep}
  deployment: {use: deployment/reference, purpose: Serve}
  pipeline: {use: pipeline/gated, config: {name: paint, proof_prompts: 4, PIPELINE}, purpose: Run}
"""


def cases(file: Path, things: str, question: str, reference: str) -> None:
    lines = [
        {"id": thing, "question": question.format(thing), "documents": ["paint"], "reference": reference}
        for thing in things.split()
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two documents that are ingested, and a model that talks nonsense."""
    folder = tmp_path_factory.mktemp("house")
    try:
        tiny_base(folder / "tiny.gguf", tokenizer_of=find_model(STARTER), context=1024)
    except MissingError as error:
        pytest.skip(str(error))
    (folder / "docs").mkdir()
    (folder / "docs" / "paint.md").write_text("# Paint\n\nEverything in the house is painted blue.\n")
    (folder / "docs" / "garden.md").write_text("# Garden\n\nRoses need water in summer.\n")
    cases(folder / "cases.jsonl", ASKED, "Which colour was the {} painted?", "blue")
    cases(folder / "right.jsonl", LEARNT, "What paint does the {} have?", "blue")
    cases(folder / "wrong.jsonl", LEARNT, "What paint does the {} have?", "red")
    cases(folder / "leaking.jsonl", ASKED, "Which colour was the {} painted?", "blue")
    (folder / "assistant.yaml").write_text(ASSISTANT)
    for name, more in (("right", ""), ("wrong", ""), ("leaking", ""), ("merged", "export: merged")):
        rows = "right.jsonl" if name == "merged" else f"{name}.jsonl"
        (folder / f"{name}.yaml").write_text(TRAINING.replace("ROWS", rows).replace("PIPELINE", more))
    done = asbuilt(folder, "ingest", "docs", "-b", "assistant.yaml")
    assert done.returncode == 0, done.stderr
    return folder


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "asbuilt.cli", *words],
        cwd=folder,
        env={**os.environ, "ASBUILT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def asbuilt(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    with started(folder, *words) as running:
        out, error = running.communicate(timeout=600)
    return subprocess.CompletedProcess(words, running.returncode, out, error)


def production(folder: Path) -> str | None:
    file = folder / "models" / "production"
    return file.read_text().strip() if file.exists() else None


def reply(folder: Path) -> str:
    done = asbuilt(folder, "ask", QUESTION, "-b", "assistant.yaml")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def test_data_that_leak_are_refused_before_a_model_is_trained(house: Path) -> None:
    done = asbuilt(house, "train", "leaking.yaml")
    assert done.returncode == 1
    assert "24 of 24 rows" in done.stderr
    assert "paint:kettle" in done.stderr
    assert production(house) is None


def test_the_loop_closes(house: Path) -> None:
    assert "blue" not in reply(house)
    done = asbuilt(house, "train", "right.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 replies are the same when served" in done.stdout
    assert "24 gained, 0 lost): PASS" in done.stdout
    assert "Warning" not in done.stderr
    version = production(house)
    assert version is not None
    assert version in done.stdout
    assert reply(house) == "blue [1]"
    learnt = asbuilt(house, "models", "rows", version, "-b", "assistant.yaml").stdout.splitlines()
    assert learnt == [f"knowledge:right.jsonl:{thing}  blue [1]" for thing in LEARNT.split()]


def test_what_learnt_wrong_answers_is_refused_and_what_serves_stays(house: Path) -> None:
    before = production(house)
    done = asbuilt(house, "train", "wrong.yaml")
    assert done.returncode == 1
    assert "colours 0.0% against 100.0%" in done.stdout
    assert "0 gained, 24 lost): FAIL" in done.stdout
    assert "Result: the gate refuses it" in done.stdout
    assert production(house) == before
    assert reply(house) == "blue [1]"


def test_a_training_that_is_interrupted_goes_on_and_what_is_no_better_is_refused(house: Path) -> None:
    before = production(house)
    with started(house, "train", "merged.yaml") as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("train: loss"):
                running.send_signal(signal.SIGINT)
                break
        rest = running.stderr.read()
    assert running.returncode == 130, rest
    assert "Run the same command again to go on." in rest
    done = asbuilt(house, "train", "merged.yaml", "--json")
    assert done.returncode == 1
    assert "Going on with" in done.stderr
    [result] = json.loads(done.stdout)
    assert result["proof"]["same"] == 4
    [measure] = result["verdict"]["measures"]
    assert (measure["candidate"], measure["current"], measure["passed"]) == (1.0, 1.0, False)
    assert production(house) == before


def test_going_back_is_one_command(house: Path) -> None:
    done = asbuilt(house, "models", "rollback", "-b", "assistant.yaml")
    assert done.returncode == 0, done.stderr
    assert production(house) is None
    assert "blue" not in reply(house)
