"""The gate lets through what is proven to be better, and nothing else."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.assistants import ENGINE, asked, assistant, model_that_says, question, says

from asbuilt.errors import UserError
from asbuilt.lineage import ExportedModel, GateVerdict
from asbuilt.pipeline import contender
from asbuilt.pipeline.gate import PairedEvaluator


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contender, "_ENGINE", ENGINE)


class Bench:
    """An assistant whose current model is right about some lamps, and a candidate that is about others."""

    def __init__(self, folder: Path, *, cases: int, current: range, candidate: range) -> None:
        self.file = assistant(folder, cases=cases)
        self.current = says(folder / "current.json", right=current, of=cases)
        self.candidate = model_that_says(folder / "candidate.json", right=candidate, of=cases)
        self.journals = folder / "journals"

    def gate(self, **config: Any) -> PairedEvaluator:
        if not config.keys() & {"better", "not_worse"}:
            config["better"] = ("colours",)
        return PairedEvaluator(folder=self.journals, blueprint=self.file, **config)

    def judged(self, **config: Any) -> GateVerdict:
        verdict = self.gate(**config).judge(self.candidate)
        assert verdict is not None
        return verdict


def test_a_proven_gain_passes(tmp_path: Path) -> None:
    verdict = Bench(tmp_path, cases=20, current=range(2), candidate=range(15)).judged()
    [measure] = verdict.measures
    assert verdict.passed
    assert (measure.candidate, measure.current, measure.n) == (0.75, 0.1, 20)
    assert measure.low > 0
    assert measure.difference == pytest.approx(0.65)
    assert measure.gained == tuple(f"c{at:03}" for at in range(2, 15))
    assert verdict.reasons == verdict.advice == ()


def test_a_gain_on_few_cases_is_no_proof(tmp_path: Path) -> None:
    verdict = Bench(tmp_path, cases=4, current=range(0), candidate=range(4)).judged()
    [measure] = verdict.measures
    assert (measure.candidate, measure.current) == (1.0, 0.0)
    assert measure.low <= 0
    assert not verdict.passed
    assert verdict.reasons[0].startswith(
        "colours: 100.0% against 0.0% on 4 cases; the difference lies between"
    )


@pytest.mark.parametrize("rules", [{"better": ("colours",)}, {"not_worse": {"colours": 0.05}}])
def test_a_worse_candidate_is_refused(rules: dict[str, Any], tmp_path: Path) -> None:
    verdict = Bench(tmp_path, cases=20, current=range(18), candidate=range(5)).judged(**rules)
    assert not verdict.passed
    assert verdict.measures[0].high < 0
    assert verdict.measures[0].lost == tuple(f"c{at:03}" for at in range(5, 18))


@pytest.mark.parametrize(("borne", "passes"), [(0.1, False), (0.4, True)])
def test_a_loss_is_borne_up_to_the_margin_that_the_interval_proves(
    borne: float, passes: bool, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, cases=20, current=range(10), candidate=range(9))
    verdict = bench.judged(not_worse={"colours": borne})
    [measure] = verdict.measures
    assert -0.4 < measure.low < -0.1
    assert verdict.passed is passes
    assert measure.rule == f"not worse by more than {borne:g}"


def test_no_change_is_not_better(tmp_path: Path) -> None:
    verdict = Bench(tmp_path, cases=6, current=range(3), candidate=range(3)).judged()
    assert not verdict.passed
    assert verdict.measures[0].gained == verdict.measures[0].lost == ()


def test_advice_names_the_cases_that_fail_and_why(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cases=8, current=range(8), candidate=range(2, 8))
    lines = [json.loads(line) for line in (tmp_path / "cases.jsonl").read_text().splitlines()]
    lines[0]["documents"] = ["nowhere"]
    (tmp_path / "cases.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    verdict = bench.judged()
    assert len(verdict.advice) == 2
    assert verdict.advice[0].startswith("1 of 2 failures (c000): no passage of the right document was found")
    assert verdict.advice[1].startswith(
        "1 of 2 failures (c001): the document was there and the answer is wrong"
    )


class TestLimit:
    def test_the_same_cases_are_taken_each_time(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, cases=12, current=range(0), candidate=range(12))
        assert bench.judged(limit=5).measures[0].n == 5
        first = asked(bench.candidate.file)
        other = model_that_says(tmp_path / "other.json", right=(1,), of=12)
        bench.gate(limit=5).judge(other)
        assert asked(other.file) == first == asked(bench.current)
        assert first != [question(at) for at in range(5)]  # no matter how the file is sorted

    def test_more_than_there_are_is_all(self, tmp_path: Path) -> None:
        assert (
            Bench(tmp_path, cases=3, current=range(0), candidate=range(3)).judged(limit=9).measures[0].n == 3
        )

    def test_held_out_is_all_of_them(self, tmp_path: Path) -> None:
        gate = Bench(tmp_path, cases=7, current=range(0), candidate=range(0)).gate(limit=2)
        assert [each.question for each in gate.held_out()] == [question(at) for at in range(7)]
        assert {(each.data_set, each.reference) for each in gate.held_out()} == {("lamps", "blue")}


class TestInterruption:
    @pytest.mark.parametrize("after", [0, 3, 6, 8])
    def test_no_case_is_asked_twice(self, after: int, tmp_path: Path) -> None:
        bench = Bench(tmp_path, cases=6, current=range(1), candidate=range(6))
        stop = threading.Event()
        seen: list[tuple[str, int, int]] = []

        def progress(stage: str, done: int, total: int) -> None:
            seen.append((stage, done, total))
            if done + (6 if stage == "evaluate current" else 0) >= after:
                stop.set()

        assert bench.gate().judge(bench.candidate, progress=progress, stop=stop) is None
        assert len(asked(bench.candidate.file)) + len(asked(bench.current)) == after
        verdict = bench.judged()
        assert verdict.measures[0].gained == tuple(f"c{at:03}" for at in range(1, 6))
        assert asked(bench.candidate.file) == asked(bench.current) == [question(at) for at in range(6)]
        assert {total for _, _, total in seen} == {6}

    def test_a_torn_last_line_is_asked_again(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, cases=3, current=range(0), candidate=range(3))
        before = bench.judged()
        for journal in bench.journals.iterdir():
            text = journal.read_text()
            journal.write_text(text[:-20])
        assert bench.judged() == before
        assert asked(bench.candidate.file) == [question(at) for at in (0, 1, 2, 2)]
        assert all(len(journal.read_text().splitlines()) == 3 for journal in bench.journals.iterdir())

    def test_other_weights_in_the_same_file_are_asked_anew(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, cases=6, current=range(0), candidate=range(0))
        assert bench.judged().measures[0].candidate == 0.0
        says(bench.candidate.file, right=range(6), of=6)
        assert bench.judged().measures[0].candidate == 1.0

    def test_a_case_that_was_rewritten_is_asked_anew(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, cases=3, current=range(0), candidate=range(3))
        bench.judged()
        for file in (tmp_path / "cases.jsonl", bench.candidate.file, bench.current):
            file.write_text(file.read_text().replace(question(0), "What colour has the first lamp?"))
        bench.judged()
        assert asked(bench.current)[3] == "What colour has the first lamp?"


class TestRefusedConfig:
    def test_a_metric_that_is_not_there(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, cases=2, current=range(0), candidate=range(0))
        with pytest.raises(UserError, match=r"has no metric 'colour'\. Did you mean 'colours'\?"):
            bench.judged(better=("colour",))
        assert asked(bench.candidate.file) == []

    def test_a_metric_of_retrieval_cannot_judge_a_model(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, cases=2, current=range(0), candidate=range(0))
        with pytest.raises(UserError, match=r"'found' of .* cannot judge a model\. Name one that measures"):
            bench.judged(not_worse={"found": 0.1})

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"better": ()}, "needs a metric in `better` or `not_worse`"),
            ({"limit": 0}, "limit is 0; it must be at least 1"),
            ({"not_worse": {"colours": -0.1}}, "colours: -0.1; it must be from 0 to 1"),
            ({"not_worse": {"colours": 5}}, "colours: 5; it must be from 0 to 1"),
            ({"better": ("colours",), "not_worse": {"colours": 0.1}}, "'colours' stands in both"),
        ],
    )
    def test_before_anything_is_asked(self, config: dict[str, Any], message: str, tmp_path: Path) -> None:
        bench = Bench(tmp_path, cases=2, current=range(0), candidate=range(0))
        with pytest.raises(UserError, match=message):
            bench.gate(**config)


def test_only_the_generator_of_the_assistant_gets_the_candidate(tmp_path: Path) -> None:
    file = assistant(tmp_path, cases=1)
    drawn = json.loads(file.read_text())
    judge = {"use": ENGINE, "purpose": "Judge", "config": {"model": "judge.json"}}
    drawn["components"] |= {"zz-judge": judge}
    drawn["components"]["assistant"]["needs"] = {"generator": "llm"}
    file.write_text(json.dumps(drawn))
    changed = contender.with_model(file, model_that_says(tmp_path / "new.json", of=1))
    assert changed.component("llm").config["model"] == str(tmp_path / "new.json")
    assert changed.component("zz-judge").config["model"] == "judge.json"


def test_an_adapter_is_put_on_its_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real engine's settings; nothing is opened
    file = assistant(tmp_path, cases=1)
    drawn = json.loads(file.read_text())
    served = {"registry": "models", "context_tokens": 2048}
    drawn["components"]["llm"] |= {"use": "generator/registry", "config": served}
    file.write_text(json.dumps(drawn))
    adapter = ExportedModel(tmp_path / "adapter.gguf", "adapter", tmp_path / "base.gguf", "f32")
    llm = contender.with_model(file, adapter).component("llm")
    assert llm.use == "generator/llama-cpp"
    assert llm.config == {
        "context_tokens": 2048,
        "model": str(tmp_path / "base.gguf"),
        "adapter": str(tmp_path / "adapter.gguf"),
    }
