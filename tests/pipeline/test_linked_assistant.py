"""The assistant of another blueprint, as this one sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.pipeline.assistants import assistant, question

from asbuilt.errors import AsbuiltError, BugError, NotFoundError, UserError
from asbuilt.pipeline.linked_assistant import LinkedAssistant
from asbuilt.training.collect_knowledge import KnowledgeCollector
from asbuilt.types import Message

ASKED = [Message("user", question(0))]


def test_it_renders_the_prompt_with_that_assistants_documents(tmp_path: Path) -> None:
    linked = LinkedAssistant(blueprint=assistant(tmp_path, cases=1))
    linked.open()
    try:
        prompt, hits = linked.prompt_for(ASKED, marker="x")
    finally:
        linked.close()
    assert question(0) in prompt[-1].content
    assert "A lamp has a colour: blue." in prompt[-1].content
    assert hits[0].chunk.source.endswith("lamps.md")


def test_what_it_opened_is_let_go_of_when_the_rows_are_collected(tmp_path: Path) -> None:
    file = assistant(tmp_path, cases=1)
    linked = LinkedAssistant(blueprint=file)
    linked.open()
    try:
        before = linked.prompt_for(ASKED, marker="x")
        used = linked._system
        rows = tmp_path / "rows.jsonl"
        rows.write_text(json.dumps({"id": "r", "question": question(5), "reference": "blue"}) + "\n")
        [row] = KnowledgeCollector(assistant=linked, file=rows).collect()
        assert row.messages[-1].content == "blue"
        assert linked._system is not used
        assert linked._system is not None
        assert not linked._system._parts
        assert linked.prompt_for(ASKED, marker="x") == before
    finally:
        linked.close()


def test_it_is_used_between_open_and_close_only(tmp_path: Path) -> None:
    linked = LinkedAssistant(blueprint=assistant(tmp_path, cases=1))
    linked.open()
    linked.close()
    linked.close()
    with pytest.raises(BugError, match=r"before open\(\) or after close\(\)"):
        linked.prompt_for(ASKED, marker="x")


def test_nothing_ingested_says_what_to_do(tmp_path: Path) -> None:
    linked = LinkedAssistant(blueprint=assistant(tmp_path, cases=1, documents={}))
    linked.open()
    try:
        with pytest.raises(
            UserError, match=r"has no documents yet\. Run: asbuilt ingest -b .*assistant.yaml"
        ):
            linked.prompt_for(ASKED, marker="x")
    finally:
        linked.close()


def changed(folder: Path, use: str | None) -> Path:
    file = assistant(folder, cases=1, documents={})
    drawn = json.loads(file.read_text())
    if use is None:
        del drawn["components"]["assistant"]
        del drawn["evaluation"]
    else:
        drawn["components"]["assistant"]["use"] = use
    file.write_text(json.dumps(drawn))
    return file


def test_a_blueprint_without_an_assistant(tmp_path: Path) -> None:
    linked = LinkedAssistant(blueprint=changed(tmp_path, None))
    linked.open()
    try:
        with pytest.raises(NotFoundError, match="no component that plays 'assistant'"):
            linked.prompt_for(ASKED, marker="x")
    finally:
        linked.close()


def test_an_assistant_that_gives_a_model_nothing(tmp_path: Path) -> None:
    linked = LinkedAssistant(blueprint=changed(tmp_path, "assistant/extractive"))
    linked.open()
    try:
        with pytest.raises(UserError, match="cannot say what it would give its model"):
            linked.prompt_for(ASKED, marker="x")
    finally:
        linked.close()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AsbuiltError, match=r"nowhere\.yaml"):
        LinkedAssistant(blueprint=tmp_path / "nowhere.yaml").open()
