"""Every step of a pipeline as a part that does what it is told, and says what it did."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asbuilt.generation.models import find_model
from asbuilt.lineage import (
    ExportedModel,
    ExportProof,
    GateMeasure,
    GateVerdict,
    HeldOut,
    Manifest,
    PreparedData,
    TrainedModel,
    TrainingProgress,
    TrainingRow,
)
from asbuilt.pipeline import gated
from asbuilt.pipeline.deploy import DeploymentManager, FileModelStore
from asbuilt.pipeline.gated import GatedPipeline
from asbuilt.roles import Progress
from asbuilt.training.preprocess import StandardPreprocessor
from asbuilt.types import Message

PROVEN = ExportProof(1, 1, 1.0, 1, 1, True, 0.99)
PASSED = GateVerdict(True, (GateMeasure("m", "d", "better", 0.9, 0.1, 0.8, 0.6, 0.9, 20, ("a",), (), True),))
REFUSED = GateVerdict(
    False,
    (GateMeasure("m", "d", "better", 0.2, 0.1, 0.1, -0.1, 0.3, 20, ("a",), (), False),),
    ("not proven",),
    ("more rows",),
)


def row(text: str) -> TrainingRow:
    return TrainingRow((Message("user", text), Message("assistant", "Yes.")), text, f"file:x.jsonl:{text}")


class Steps:
    """The parts of one pipeline; `done` is what they did, in order."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, *, canary: float | None = None) -> None:
        self.folder = folder
        self.done: list[str] = []
        self.rows = [row(text) for text in ("One?", "Two, then?", "And three, four, five?")]
        self.verdict: GateVerdict | None = PASSED
        self.proof = PROVEN
        self.trained_steps = 0
        self.held = [HeldOut("d", "c1", "What is asked?")]
        self.base = folder / "base.gguf"
        folder.mkdir(parents=True, exist_ok=True)
        self.base.write_bytes(b"base")
        self.store = FileModelStore(path=folder / "models")
        self.deployment = DeploymentManager(store=self.store, canary=canary)
        patch.setattr(gated, "exported", self._export)
        patch.setattr(gated, "proven", self._prove)
        assert find_model(str(self.base)) == self.base

    def pipeline(self, **config: Any) -> GatedPipeline:
        return GatedPipeline(
            collectors=[self, self],
            preprocessor=StandardPreprocessor(validation_share=0.0, near=1.0),
            trainer=self,
            evaluator=self,
            store=self.store,
            deployment=self.deployment,
            name="made",
            **config,
        )

    def _prove(self, *_: Any, **__: Any) -> ExportProof:
        self.done.append("prove")
        return self.proof

    def collect(self) -> Iterator[TrainingRow]:
        self.done.append("collect")
        yield from self.rows

    def with_settings(self, settings: Mapping[str, Any]) -> Steps:
        self.done.append(f"settings {dict(settings)}")
        return self

    def train(
        self,
        data: PreparedData,
        folder: Path,
        *,
        progress: Callable[[TrainingProgress], None] = lambda _: None,
    ) -> TrainedModel:
        """Four steps, of which those that were done earlier are not done again."""
        self.done.append(f"train from {self.trained_steps}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "loss.svg").write_text("<svg/>")
        for step in range(self.trained_steps + 1, 5):
            self.trained_steps = step
            progress(TrainingProgress(step, 4, 1 / step))
        (folder / "model").mkdir(exist_ok=True)
        return TrainedModel(
            folder / "model", "sft", "lora", str(self.base), "", "{{ template }}", 4, 0.25, None, 1.0, 0
        )

    def _export(self, trained: TrainedModel, folder: Path, **_: Any) -> ExportedModel:
        self.done.append("export")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "adapter.gguf").write_bytes(b"adapter")
        return ExportedModel(folder / "adapter.gguf", "adapter", self.base, "f32")

    def judge(
        self,
        candidate: ExportedModel,
        *,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> GateVerdict | None:
        self.done.append("judge")
        return self.verdict

    def held_out(self) -> list[HeldOut]:
        return self.held

    def manifests(self) -> list[Manifest]:
        return list(self.store._registry.list())


def failed(proof: ExportProof) -> ExportProof:
    return replace(proof, same=0, faults=("0 of 1 replies are the same.",))
