"""Rows as the assistant's model would be asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from asbuilt.assistant import CitedAssistant
from asbuilt.catalog import Catalog
from asbuilt.errors import UserError
from asbuilt.lineage import TrainingRow
from asbuilt.roles import PromptRenderer
from asbuilt.system import System
from asbuilt.testing.assistant_contract import ask
from asbuilt.testing.fixed_retriever import FixedRetriever
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tools import FunctionTool
from asbuilt.training.collect_knowledge import KnowledgeCollector
from asbuilt.training.rows import FaultyRow
from asbuilt.types import Message

PASSAGES = {"docs/keys.md": "Keys expire after 90 days.", "docs/doors.md": "Doors close at 10 pm."}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    yield catalog
    catalog.close()


def assistant(
    catalog: Catalog, *, passages: Mapping[str, str] = PASSAGES, context_tokens: int = 4096, **config: Any
) -> tuple[CitedAssistant, ScriptedGenerator]:
    retriever = FixedRetriever(catalog=catalog, passages=passages)
    retriever.open()
    generator = ScriptedGenerator(replies=("Yes.",), context_tokens=context_tokens)
    return CitedAssistant(catalog=catalog, retriever=retriever, generator=generator, **config), generator


def cases(tmp_path: Path, *rows: Mapping[str, Any]) -> Path:
    file = tmp_path / "rows.jsonl"
    lines = [json.dumps({"id": f"r{number}", **row}) for number, row in enumerate(rows, 1)]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def collected(catalog: Catalog, file: Path, **config: Any) -> list[TrainingRow]:
    made, _ = assistant(catalog)
    return list(KnowledgeCollector(assistant=made, file=file, **config).collect())


KEYS = {"question": "When do keys expire?", "documents": ["docs/keys"], "reference": "After 90 days. [1]"}


@pytest.mark.parametrize("context_tokens", [4096, 260])
def test_a_row_is_what_the_model_is_asked_but_for_the_random_marker(
    catalog: Catalog, tmp_path: Path, context_tokens: int
) -> None:
    long = {"docs/keys.md": "Keys expire after 90 days. " * 20, "docs/doors.md": "Doors close. " * 30}
    made, generator = assistant(catalog, passages=long, context_tokens=context_tokens, max_tokens=40)
    [row] = KnowledgeCollector(assistant=made, file=cases(tmp_path, KEYS)).collect()
    ask(made, str(KEYS["question"]))
    [(served, _)] = generator.requests
    [theirs] = set(re.findall(r"<\S+ ([0-9a-f]{8})>", served[-1].content))
    [ours] = set(re.findall(r"<\S+ ([0-9a-f]{8})>", row.messages[-2].content))
    assert [replace_in(each, theirs, ours) for each in served] == list(row.messages[:-1])
    assert row.messages[-1] == Message("assistant", "After 90 days. [1]")


def replace_in(message: Message, old: str, new: str) -> Message:
    return Message(message.role, message.content.replace(old, new))


def test_markers_differ_by_row_and_seed_and_are_the_same_each_time(catalog: Catalog, tmp_path: Path) -> None:
    file = cases(tmp_path, KEYS, {**KEYS, "question": "Do keys expire?"})
    first, again, other = (collected(catalog, file, seed=seed) for seed in (1, 1, 2))
    assert first == again
    markers = {re.findall(r"([0-9a-f]{8})>", row.messages[-2].content)[0] for row in (*first, *other)}
    assert len(markers) == 4


def test_rows_of_one_cluster_or_document_are_of_one_source(catalog: Catalog, tmp_path: Path) -> None:
    file = cases(
        tmp_path, KEYS, {**KEYS, "cluster": "c"}, {"question": "Doors?", "reference": "At 10 pm."}, KEYS
    )
    sources = [row.source for row in collected(catalog, file)]
    assert sources == ["docs/keys", "c", "knowledge:rows.jsonl:r3", "docs/keys"]


def test_a_reference_that_no_passage_can_give_is_not_learnt(catalog: Catalog, tmp_path: Path) -> None:
    file = cases(tmp_path, {**KEYS, "documents": ["docs/lifts"]})
    [row] = collected(catalog, file)
    assert isinstance(row, FaultyRow)
    assert row.fault == "no passage is of docs/lifts"
    [row] = collected(catalog, file, unread="refusal", refusal="Not in the passages.")
    assert row.messages[-1].content == "Not in the passages."
    [row] = collected(catalog, file, unread="keep")
    assert row.messages[-1].content == "After 90 days. [1]"


def test_unanswerable_cases_teach_the_refusal(catalog: Catalog, tmp_path: Path) -> None:
    file = cases(tmp_path, {"question": "Who won?", "unanswerable": True}, {"question": "When?"})
    assert [type(row) for row in collected(catalog, file)] == [FaultyRow, FaultyRow]
    unanswerable, plain = collected(catalog, file, refusal="No.")
    assert unanswerable.messages[-1] == Message("assistant", "No.")
    assert isinstance(plain, FaultyRow)
    assert plain.fault == "it has no reference"


def test_only_the_split_that_is_named(catalog: Catalog, tmp_path: Path) -> None:
    file = cases(tmp_path, {**KEYS, "split": "train"}, {**KEYS, "split": "test"})
    assert [row.origin for row in collected(catalog, file, split="train")] == ["knowledge:rows.jsonl:r1"]
    with pytest.raises(UserError, match=r"no case of .* has the split 'dev'"):
        collected(catalog, file, split="dev")


def test_nothing_found_and_no_room_are_faults_of_the_row(catalog: Catalog, tmp_path: Path) -> None:
    file = cases(tmp_path, KEYS)
    empty, _ = assistant(catalog, passages={})
    [row] = KnowledgeCollector(assistant=empty, file=file).collect()
    assert isinstance(row, FaultyRow)
    assert row.fault == "nothing is retrieved for it"
    small, _ = assistant(catalog, context_tokens=20)
    [row] = KnowledgeCollector(assistant=small, file=file).collect()
    assert isinstance(row, FaultyRow)
    assert "the question takes" in row.fault


def test_an_assistant_that_renders_nothing_or_has_tools_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    class Dumb:
        async def answer(self, messages: Any, *, options: Any = None, filters: Any = None) -> Any:
            await asyncio.sleep(0)
            yield

    def look(word: str) -> str:
        """Look it up."""
        return word

    file = cases(tmp_path, KEYS)
    with pytest.raises(UserError, match="Dumb cannot say what it would give its model"):
        list(KnowledgeCollector(assistant=Dumb(), file=file).collect())
    tooled, _ = assistant(catalog, tools=[FunctionTool(look, effect="read")])
    assert isinstance(tooled, PromptRenderer)
    with pytest.raises(UserError, match=r"tools \(look\)"):
        list(KnowledgeCollector(assistant=tooled, file=file).collect())
    with pytest.raises(UserError, match="no refusal to learn"):
        KnowledgeCollector(assistant=tooled, file=file, unread="refusal")


BLUEPRINT = """
blueprint: 1
system: {name: rows, purpose: Teach}
components:
  retriever: {use: retriever/fixed, purpose: Find, config: {passages: {docs/keys.md: Keys expire.}}}
  generator: {use: generator/scripted, purpose: Write}
  assistant: {use: assistant/cited, purpose: Answer, needs: {tools: []}}
  rows:
    use: collector/knowledge
    purpose: Teach
    config: {file: data/rows.jsonl}
    needs: {assistant: assistant}
  liked: {use: collector/feedback, purpose: Listen, needs: {assistant: assistant}}
  clean: {use: preprocessor/standard, purpose: Clean, config: {validation_share: 0.0}}
"""


def test_a_blueprint_can_draw_the_way_of_rows(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    cases(tmp_path / "data", KEYS)
    (tmp_path / "blueprint.yaml").write_text(BLUEPRINT, encoding="utf-8")
    with System.load(tmp_path / "blueprint.yaml") as system:
        system.catalog.answers.add("a1", [Message("user", "Do keys expire?")], "Yes. [1]", [])
        system.catalog.answers.rate("a1", 5)
        rows = [row for name in ("rows", "liked") for row in system.part(name).collect()]
        data = system.part("clean").prepare(rows, held_out=())
    assert [row.origin for row in data.train] == ["knowledge:rows.jsonl:r1", "feedback:a1"]
    for row in data.train:
        assert "Keys expire." in row.messages[-2].content
