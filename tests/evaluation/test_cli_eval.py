"""`asbuilt eval` as a user runs it: the real command, on a small project of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BLUEPRINT = """
blueprint: 1
system: {name: cli-test, purpose: Tests the command line}
knowledge: {sources: [docs]}
components:
  chunker: {use: chunker/structural, purpose: Cut}
  embedder: {use: embedder/fake, purpose: Embed}
  index: {use: index/exact, purpose: Find}
  retriever: {use: retriever/hybrid, purpose: Retrieve}
  llm:
    use: generator/scripted
    purpose: Answer
    config: {replies: ["Purging a queue deletes every message that waits in it [1]."]}
  assistant: {use: assistant/cited, purpose: Cite}
evaluation:
  data:
    questions: {path: questions.jsonl}
  load:
    steady: {data: questions, rate_per_s: 20, duration_s: 4, warmup_s: 0.5}
  baselines: [retrieval-alone, model-alone, terms-only]
  metrics:
    retrieval: {measure: success@2, data: questions, target: ">= 60 %"}
    answers: {measure: accuracy.exact, data: questions, target: ">= 10 %"}
    latency: {measure: chat.latency.p50, load: steady, target: "< 10 s"}
    throughput: {measure: chat.throughput, load: steady, target: ">= 5 requests/s"}
    memory: {measure: memory.peak, load: steady, target: "< 4 GiB"}
    pleasant: {description: Is it pleasant?, method: by asking people, target: people say so}
"""
PAGES = {
    "queues": "# Queues\n\nPurging a queue deletes every message that waits in it.\n",
    "buckets": "# Buckets\n\nA bucket policy says who may read a bucket.\n",
    "topics": "# Topics\n\nA topic sends one message to many subscribers.\n",
}
pytestmark = pytest.mark.slow  # each command is a process of its own

QUESTIONS = [
    {"id": f"{name}-{number}", "question": f"{word} {page.splitlines()[2]}", "documents": [name]}
    | ({"reference": "Purging a queue deletes every message that waits in it."} if name == "queues" else {})
    for name, page in PAGES.items()
    for number, word in enumerate(("Explain:", "What does this mean?", "Say again:", "In other words:"))
]


def write(folder: Path, *, blueprint: str = BLUEPRINT) -> Path:
    (folder / "docs").mkdir(parents=True)
    for name, text in PAGES.items():
        (folder / "docs" / f"{name}.md").write_text(text)
    (folder / "blueprint.yaml").write_text(blueprint)
    (folder / "questions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in QUESTIONS))
    return folder


COMMAND = [sys.executable, "-m", "asbuilt.cli"]


def run(*arguments: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "TERM": "dumb"},
        check=False,
    )
    assert result.returncode == code, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


def refused(*arguments: str, cwd: Path) -> str:
    """What a command says that does nothing else: one line."""
    before = sorted(cwd.rglob("*"))
    result = run(*arguments, cwd=cwd, code=1)
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    evaluations = [each for each in cwd.rglob("*") if "evaluation" in each.parts]
    assert not set(evaluations) - set(before), "nothing is half written"
    return line


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("project"))
    run("ingest", cwd=folder)
    return folder


QUICK = ("-m", "retrieval", "-m", "pleasant")


def test_a_table_for_people_that_nothing_cuts_off(project: Path) -> None:
    result = run("eval", *QUICK, "--fresh", cwd=project)
    head, retrieval, pleasant, *remarks = result.stdout.splitlines()
    assert head.split() == ["metric", "verdict", "measured", "95", "%", "bounds", "target", "n"]
    assert retrieval.split()[:3] == ["retrieval", "PASS", "100.0"]
    assert ">= 60 %" in retrieval
    assert retrieval.split()[-1] == "12"
    assert pleasant.split()[:2] == ["pleasant", "PLANNED"]
    assert "…" not in result.stdout
    assert any("terms-only" in line for line in remarks)
    report = result.stderr.splitlines()[-1].removeprefix("Report: ")
    assert Path(report).read_text().startswith("<!doctype html>")


def test_json_for_programs_is_the_stored_result(project: Path) -> None:
    result = run("eval", *QUICK, "--fresh", "--json", cwd=project)
    assert result.stderr == ""
    shown = json.loads(result.stdout)
    stored = project / ".asbuilt" / "evaluation" / shown["run"] / "result.json"
    assert shown == json.loads(stored.read_text())
    assert [each["verdict"] for each in shown["measurements"]] == ["PASS", "PLANNED"]
    again = run("eval", *QUICK, "--json", "--against", shown["run"], cwd=project)
    [retrieval, _] = json.loads(again.stdout)["measurements"]
    assert retrieval["comparisons"][-1]["name"] == f"run {shown['run']}"


def test_the_report_goes_where_it_was_asked_for(project: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    result = run("eval", *QUICK, "-o", str(report), cwd=project)
    assert result.stderr.endswith(f"Report: {report}\n")
    assert "<h2>retrieval</h2>" in report.read_text()


def test_a_missed_target_is_exit_code_1_and_an_undecided_one_2(project: Path) -> None:
    text = BLUEPRINT.replace(">= 60 %", "< 10 %")
    (project / "missed.yaml").write_text(text)
    run("eval", "missed.yaml", *QUICK, cwd=project, code=1)
    (project / "undecided.yaml").write_text(BLUEPRINT.replace(">= 60 %", ">= 99 %"))
    result = run("eval", "undecided.yaml", *QUICK, cwd=project, code=2)
    assert "retrieval: needs about" in result.stdout


def test_what_cannot_be_is_one_line_and_nothing_is_written(project: Path, tmp_path: Path) -> None:
    assert "no metric 'retreival'" in (line := refused("eval", "-m", "retreival", cwd=project))
    assert "Did you mean 'retrieval'?" in line
    assert "no finished run 'yesterday'" in refused("eval", "--against", "yesterday", cwd=project)
    missing = refused("eval", "-o", str(tmp_path / "missing" / "report.html"), cwd=project)
    assert "report.html" in missing
    assert "No such file or directory" in missing
    assert "it is a folder" in refused("eval", "-o", str(tmp_path), cwd=project)
    assert "/proc/report.html" in refused("eval", *QUICK, "-o", "/proc/report.html", cwd=project)
    assert "nowhere.yaml" in refused("eval", "nowhere.yaml", cwd=project)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "has no cases"),
        ('{"id": "1", "question": "q"}\n{"id": "1", "question": "r"}\n', "'1' stands in line 1 already"),
    ],
)
def test_a_faulty_data_set_is_refused_before_anything_runs(tmp_path: Path, lines: str, message: str) -> None:
    folder = write(tmp_path / "project")
    (folder / "questions.jsonl").write_text(lines)
    result = run("eval", cwd=folder, code=1)
    [fault] = result.stdout.splitlines()
    assert "blueprint.yaml:17:23: " in fault
    assert message in fault
    assert not (folder / ".asbuilt" / "evaluation").exists()


def test_documents_that_nobody_ingested_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "project")
    line = refused("eval", *QUICK, cwd=folder)
    assert "'queues-0' of 'questions' names the document 'queues', which is not ingested" in line
    assert "asbuilt ingest" in line


def test_a_whole_plan_with_a_load_on_the_served_system(project: Path) -> None:
    result = run("eval", "--json", "--fresh", cwd=project, code=0)
    found = json.loads(result.stdout)
    by_name = {each["name"]: each for each in found["measurements"]}
    verdicts = {name: each["verdict"] for name, each in by_name.items()}
    assert verdicts.pop("pleasant") == "PLANNED"
    assert set(verdicts.values()) == {"PASS"}, by_name
    assert 20e6 < by_name["memory"]["value"] < 4e9
    assert 15 < by_name["throughput"]["value"] < 25
    assert {each["name"] for each in by_name["answers"]["comparisons"]} == {"retrieval-alone", "model-alone"}
    folder = project / ".asbuilt" / "evaluation" / found["run"]
    samples = json.loads((folder / "load-steady.json").read_text())["samples"]
    assert len(samples) == len(found["loads"]["steady"]["latencies_ms"]) > 50
    assert not any(each["error"] for each in samples)
    # 12 questions twice for retrieval, and three times for answers.
    assert len((folder / "outcomes.jsonl").read_text().splitlines()) == 12 * 5


def test_ctrl_c_in_a_load_ends_it_and_the_next_run_goes_on(tmp_path: Path) -> None:
    folder = write(tmp_path / "project", blueprint=BLUEPRINT.replace("duration_s: 4", "duration_s: 300"))
    run("ingest", cwd=folder)
    command = [*COMMAND, "eval", "-m", "retrieval", "-m", "latency"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    # The first request is reported at once: the load runs, and the service with it.
    for line in process.stderr:
        if line.startswith("load steady"):
            break
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    assert "nothing is lost" in rest
    [unfinished] = (folder / ".asbuilt" / "evaluation").iterdir()
    assert len((unfinished / "outcomes.jsonl").read_text().splitlines()) == 24
    assert not list(unfinished.glob("load-*.json"))
