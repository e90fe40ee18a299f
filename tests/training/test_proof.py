"""The proof of an export, and that it catches what goes wrong in exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
gguf = pytest.importorskip("gguf")

from tests.training.tiny_llama import ALPHA, tiny_adapter, tiny_base  # noqa: E402

from asbuilt.errors import MissingError, UserError  # noqa: E402
from asbuilt.generation.models import STARTER, find_model  # noqa: E402
from asbuilt.lineage import ExportedModel, TrainedModel  # noqa: E402
from asbuilt.training import gguf_export  # noqa: E402
from asbuilt.training.gguf_base import training_folder  # noqa: E402
from asbuilt.training.gguf_export import export_adapter, export_merged  # noqa: E402
from asbuilt.training.proof import Comparison, prove, summarize  # noqa: E402
from asbuilt.types import Message  # noqa: E402

PROMPTS = [
    [Message("user", text)] for text in ("Say hi.", "Name three colours.", "What is 2 + 2?", "Why is it wet?")
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASBUILT_CACHE", str(folder / "cache"))
        try:
            yield tiny_base(folder / "tiny.gguf", tokenizer_of=find_model(STARTER))
        except MissingError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tiny_adapter(tmp_path_factory.mktemp("adapter"))
    template = (training_folder(base) / "chat_template.jinja").read_text()
    return TrainedModel(folder, "sft", "lora", str(base), "", template, 1, 0.0, None, 0.0, 0)


def proven(trained: TrainedModel, exported: ExportedModel) -> tuple[bool, str]:
    proof = prove(trained, exported, PROMPTS, max_tokens=8)
    return proof.passed, " ".join(proof.faults)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
class TestRealEngines:
    def test_a_right_export_is_proven(self, base: Path, trained: TrainedModel, tmp_path: Path) -> None:
        adapter = export_adapter(trained.folder, base, tmp_path / "a.gguf")
        proof = prove(trained, ExportedModel(adapter, "adapter", base, "f32"), PROMPTS, max_tokens=8)
        assert (proof.same, proof.agreement, proof.template_same, proof.faults) == (4, 1.0, True, ())
        merged = export_merged(trained.folder, base, tmp_path / "m.gguf", precision="f32")
        proof = prove(trained, ExportedModel(merged, "merged", None, "f32"), PROMPTS, max_tokens=8)
        assert (proof.same, proof.agreement, proof.template_same, proof.faults) == (4, 1.0, True, ())

    def test_rows_in_the_wrong_order_are_caught(
        self, base: Path, trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gguf_export, "_gguf_rows", lambda rows, *_: rows)
        adapter = export_adapter(trained.folder, base, tmp_path / "a.gguf")
        passed, faults = proven(trained, ExportedModel(adapter, "adapter", base, "f32"))
        assert not passed
        assert "replies are the same" in faults

    def test_a_wrong_alpha_is_caught(self, base: Path, trained: TrainedModel, tmp_path: Path) -> None:
        doubled = tiny_adapter(tmp_path / "doubled", lora_alpha=2 * ALPHA)
        adapter = export_adapter(doubled, base, tmp_path / "a.gguf")
        passed, faults = proven(trained, ExportedModel(adapter, "adapter", base, "f32"))
        assert not passed
        assert "replies are the same" in faults

    def test_a_forgotten_adapter_is_caught(self, base: Path, trained: TrainedModel) -> None:
        passed, _ = proven(trained, ExportedModel(base, "merged", None, "f32"))
        assert not passed

    def test_another_template_is_caught(self, base: Path, trained: TrainedModel, tmp_path: Path) -> None:
        adapter = export_adapter(trained.folder, base, tmp_path / "a.gguf")
        other = replace(trained, template=trained.template.replace("<|im_end|>", "<|im_end|> "))
        passed, faults = proven(other, ExportedModel(adapter, "adapter", base, "f32"))
        assert not passed
        assert "4 of 4 prompts are rendered otherwise in serving, first prompt 1: at character" in faults

    def test_a_full_model_goes_back_bit_for_bit(self, base: Path, tmp_path: Path) -> None:
        out = export_merged(training_folder(base), base, tmp_path / "m.gguf", precision="f32")
        before = {each.name: each.data for each in gguf.GGUFReader(base).tensors}
        after = {each.name: each.data for each in gguf.GGUFReader(out).tensors}
        assert before.keys() == after.keys()
        assert all((before[name] == after[name]).all() for name in before)


def comparison(
    trained: tuple[int, ...], served: tuple[int, ...], *, margin: float | None = None
) -> Comparison:
    return Comparison("p", "p", True, trained, served, trained[-1] == 9, served[-1] == 9, margin)


def test_a_near_tie_is_told_and_still_differs() -> None:
    same, tie = comparison((1, 9), (1, 9)), comparison((1, 2, 3), (1, 4, 5), margin=1e-4)
    proof = summarize([same, tie], required=0.99)
    assert (proof.same, proof.prompts, proof.agreement) == (1, 2, 3 / 4)
    assert proof.faults == (
        "1 of 2 replies are the same, 99.0% is required; first prompt 2 differs, at token 2, by a margin of "
        "0.0001 in logits. Near ties among the 1 that differ: 1.",
    )


def test_a_reply_that_does_not_end_is_a_fault() -> None:
    proof = summarize([comparison((1, 9), (1, 2))], required=0.5)
    assert (proof.ends, proof.ended) == (1, 0)
    assert "ends 0 of the 1 replies" in proof.faults[-1]


def test_the_required_share_is_met_exactly() -> None:
    found = [comparison((1, 9), (1, 9))] * 99 + [comparison((1, 9), (2, 9), margin=0.5)]
    assert summarize(found, required=0.99).passed
    assert not summarize(found, required=0.991).passed


def test_other_tokens_of_the_same_text_are_a_fault() -> None:
    proof = summarize([Comparison("p", "p", False, (9,), (9,), True, True)], required=0.99)
    assert "the same text and other tokens" in proof.faults[0]
    assert proof.template_same


def test_no_prompts_prove_nothing(tmp_path: Path) -> None:
    trained = TrainedModel(tmp_path, "sft", "lora", "x", "", "", 1, 0.0, None, 0.0, 0)
    with pytest.raises(UserError, match="none are given"):
        prove(trained, ExportedModel(tmp_path / "a", "merged", None, "f32"), [])
