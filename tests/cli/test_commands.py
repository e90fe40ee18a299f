"""Every command as a user runs it: a project from `new`, good input and bad."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTED = """
blueprint: 1
system: {name: cli-test, purpose: Tests the command line}
knowledge: {sources: [docs]}
components:
  chunker: {use: chunker/structural, purpose: Cut}
  embedder: {use: embedder/fake, purpose: Embed}
  index: {use: index/exact, purpose: Find}
  retriever: {use: retriever/hybrid, purpose: Retrieve, config: {min_similarity: 0.2}}
  llm:
    use: generator/scripted
    purpose: Answer
    config: {replies: ["Purging a queue deletes every message that waits in it [1]."]}
  assistant: {use: assistant/cited, purpose: Cite}
"""


def run(*arguments: str, cwd: Path, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-c", "from asbuilt.cli.main import main; main()", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
        check=False,
    )
    assert result.returncode == code, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "blueprint.yaml").write_text(SCRIPTED)
    docs = folder / "docs"
    docs.mkdir()
    (docs / "queues.md").write_text("# Queues\n\nPurging a queue deletes every message that waits in it.\n")
    (docs / "buckets.md").write_text("# Buckets\n\nA bucket policy says who may read a bucket.\n")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    result = run("ingest", cwd=folder)
    assert "3 files" in result.stderr
    assert "quarantined" in result.stderr
    assert "broken.pdf" in result.stderr
    return folder


def test_a_new_project_checks_out(tmp_path: Path) -> None:
    run("new", "assistant", "mine", cwd=tmp_path)
    result = run("check", cwd=tmp_path / "mine")
    assert "no faults" in result.stderr
    refused = run("new", "assistant", "mine", cwd=tmp_path, code=1)
    assert "mine" in refused.stderr
    unknown = run("new", "asistant", "other", cwd=tmp_path, code=1)
    assert "assistant" in unknown.stderr
    assert not (tmp_path / "other").exists()


def test_ten_faults_give_ten_lines(tmp_path: Path) -> None:
    (tmp_path / "blueprint.yaml").write_text("""\
blueprint: 2
system: {name: x, purpose: y, colour: red}
components:
  a: {use: embedder/minilm-16, purpose: Embed}
  b: {use: retriever/hybrid, purpose: Retrieve, needs: {embeder: a, index: nowhere}}
  c: {use: chunker/structural, purpose: Cut, config: {chunk_size: many, chunk_overlop: 3}}
  d: {purpose: 7}
  e: {use: wizard/merlin, purpose: Magic}
api: {port: 99999}
knowledge: {known_answers: missing.jsonl}
""")
    result = run("check", cwd=tmp_path, code=1)
    lines = result.stdout.strip().splitlines()
    assert len(lines) >= 10
    assert all(line.startswith("blueprint.yaml:") for line in lines)
    assert "embedder/minilm-l6" in result.stdout
    as_json = json.loads(run("check", "--json", cwd=tmp_path, code=1).stdout)
    assert len(as_json) == len(lines)
    assert "minilm-16" in run("ask", "anything", cwd=tmp_path, code=1).stdout


def test_search_prints_passages_and_json(project: Path) -> None:
    text = run("search", "who may read a bucket", "--explain", cwd=project).stdout
    assert "buckets.md" in text
    assert "dense: rank" in text
    assert "times:" in text
    hits = json.loads(run("search", "who may read a bucket", "-k", "1", "--json", cwd=project).stdout)
    assert [set(hit) for hit in hits] == [{"content", "score", "metadata"}]
    assert hits[0]["metadata"]["source"].endswith("docs/buckets.md")
    assert "bucket policy" in hits[0]["content"]
    filtered = json.loads(run("search", "queue", "--where", "name=buckets", "--json", cwd=project).stdout)
    assert all(hit["metadata"]["name"] == "buckets" for hit in filtered)


def test_bad_options_are_usage_errors(project: Path) -> None:
    assert "KEY=VALUE" in run("search", "queue", "--where", "nonsense", cwd=project, code=2).stderr
    run("search", "queue", "-k", "0", cwd=project, code=2)
    run("frobnicate", cwd=project, code=2)


def test_ask_answers_with_a_checked_citation(project: Path) -> None:
    result = run("ask", "What does purging a queue do?", cwd=project)
    assert "deletes every message" in result.stdout
    assert "[1] verified" in result.stdout
    answer = json.loads(run("ask", "What does purging a queue do?", "--json", cwd=project).stdout)
    [citation] = answer["citations"]
    assert citation["verified"] is True
    text = (project / "docs/queues.md").read_text()
    assert text[citation["start"] : citation["end"]] == citation["quote"]
    assert answer["usage"]["total_tokens"] > 0


def test_ask_refuses_when_nothing_is_relevant(project: Path) -> None:
    answer = json.loads(run("ask", "zzz qqq xxx", "--json", cwd=project).stdout)
    assert answer["refused"] is True
    assert answer["citations"] == []


def test_chat_holds_a_conversation(project: Path) -> None:
    result = run("chat", cwd=project, stdin="What does purging a queue do?\n/exit\n")
    assert "deletes every message" in result.stdout


def test_ingest_is_incremental_and_prints_receipts(project: Path) -> None:
    receipts = json.loads(run("ingest", "--json", cwd=project).stdout)
    assert {Path(receipt["source"]).name: receipt["status"] for receipt in receipts} == {
        "broken.pdf": "quarantined",
        "buckets.md": "indexed",
        "queues.md": "indexed",
    }
    assert "3 unchanged" in run("ingest", cwd=project).stderr
    run("ingest", "--strict", cwd=project, code=1)
    assert "no file or folder" in run("ingest", "nowhere", cwd=project, code=1).stderr
    assert "no package 'nope'" in run("ingest", "package:nope/docs", cwd=project, code=1).stderr


def test_keys_are_shown_once(project: Path) -> None:
    key = run("keys", "add", "ci", cwd=project).stdout.strip()
    assert key.startswith("asbuilt-")
    assert run("keys", "list", cwd=project).stdout == "ci\n"
    run("keys", "remove", "ci", cwd=project)
    assert "'ci'" in run("keys", "remove", "ci", cwd=project, code=1).stderr


def test_doctor_finds_the_starter_models(tmp_path: Path) -> None:
    report = json.loads(run("doctor", "--json", cwd=tmp_path).stdout)
    assert {model["state"] for model in report["models"]} == {"verified"}
    assert "Apache-2.0" in run("doctor", cwd=tmp_path).stdout


def test_without_a_blueprint_the_next_step_is_named(tmp_path: Path) -> None:
    assert "asbuilt new" in run("search", "queue", cwd=tmp_path, code=1).stderr


def test_a_full_pipe_is_no_error(project: Path) -> None:
    command = f"{sys.executable} -c 'from asbuilt.cli.main import main; main()' --help | head -1"
    result = subprocess.run(command, shell=True, cwd=project, capture_output=True, text=True, check=True)
    assert "Traceback" not in result.stderr
