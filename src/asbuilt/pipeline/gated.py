"""Collect -> clean -> train -> prove -> evaluate -> (pass) register -> deploy, (fail) say what to try."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import file_digest, sha256
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from asbuilt.errors import MissingError, UserError
from asbuilt.generation.models import find_model
from asbuilt.lineage import (
    ExportedModel,
    ExportProof,
    GateMeasure,
    GateVerdict,
    Manifest,
    PipelineResult,
    PreparedData,
    TrainedModel,
    TrainingProgress,
    VectorProof,
)
from asbuilt.model_registry import MODEL_FILES
from asbuilt.pipeline.runs import write_durably
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import (
    DataCollector,
    Deployment,
    Evaluator,
    ModelStore,
    Preprocessor,
    Progress,
    Trainer,
)
from asbuilt.training.data_files import read_data, write_data
from asbuilt.training.export import Precision, exported, proven
from asbuilt.training.run_folder import metrics_of

__all__ = ["GatedPipeline"]

_TRAINING = ("accelerate", "datasets", "gguf", "peft", "safetensors", "torch", "transformers", "trl")
_REGISTERED = "registered.json"
_ROWS = ("data-card.json", "train.jsonl", "validation.jsonl")


Proof = ExportProof | VectorProof


class _StoppedError(Exception):
    """The user asked to stop; what was done is kept."""


@component("pipeline/gated")
class GatedPipeline:
    """Trains a model and has it serve only if the evaluator proves it better.

    `export` is what is served: the LoRA "adapter" on the model that the training started from, or all
    weights "merged" and stored with `precision`; an embedder is always served as a graph of its own. Before
    it is judged, the exported model is proven against the trained one on `proof_prompts` of the validation
    rows: at least the share `proof_required` of the replies must have the same tokens, or of an embedder's
    vectors the same direction. `name` is the model's in the registry.
    When the gate refuses, ``asbuilt train --iterate`` tries the settings of `grid`, for
    `budget_minutes` at most.
    """

    def __init__(
        self,
        *,
        collectors: Sequence[DataCollector],
        preprocessor: Preprocessor,
        trainer: Trainer,
        evaluator: Evaluator,
        store: ModelStore,
        deployment: Deployment,
        name: str,
        export: Literal["adapter", "merged"] = "adapter",
        precision: Precision | None = None,
        proof_prompts: int = 20,
        proof_required: float = 0.99,
        grid: Mapping[str, Sequence[float | str]] | None = None,
        budget_minutes: float = 240.0,
    ) -> None:
        if proof_prompts < 1 or not 0 < proof_required <= 1:
            raise UserError("proof_prompts must be at least 1, and proof_required a share up to 1.")
        self._collectors = tuple(collectors)
        self._preprocessor = preprocessor
        self._trainer = trainer
        self._evaluator = evaluator
        self._store = store
        self._deployment = deployment
        self._name = name
        self._export: Literal["adapter", "merged"] = export
        self._precision = precision
        self._proof_prompts = proof_prompts
        self._proof_required = proof_required
        self.grid: Mapping[str, Sequence[float | str]] = dict(grid or {})
        self.budget_minutes = budget_minutes

    demand = staticmethod(holds_nothing)

    def run(
        self,
        *,
        folder: Path,
        settings: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> PipelineResult | None:
        tell: Progress = progress or (lambda _stage, _done, _total: None)
        stop = stop or threading.Event()
        rows = folder / "data"
        data = self._data(rows, tell)
        if stop.is_set():
            return None
        folder = folder / f"attempt-{_settings_digest(settings or {})}"
        try:
            trained = self._trained(data, folder / "training", settings or {}, tell, stop)
        except _StoppedError:
            return None
        if stop.is_set():
            return None
        tell("export", 0, 1)
        model = exported(trained, folder / "export", kind=self._export, precision=self._precision)
        proof = self._proof(trained, model, data)
        tell("export", 1, 1)
        result = PipelineResult(folder, data.card, trained, proof, None, None, False, "")
        if not proof.passed:
            return replace(result, ended=f"the export is not proven: {' '.join(proof.faults)}")
        if (manifest := self._earlier(folder)) is not None:
            return self._deployed(manifest, result, _verdict(manifest.evidence["gate"]))
        verdict = self._evaluator.judge(model, progress=progress, stop=stop)
        if verdict is None:
            return None
        if not verdict.passed:
            verdict = replace(verdict, advice=(*verdict.advice, *_of_training(folder / "training")))
            return replace(result, verdict=verdict, ended="the gate refuses it")
        manifest = self._registered(trained, model, proof, verdict, rows)
        write_durably(folder / _REGISTERED, asdict(manifest))
        return self._deployed(manifest, result, verdict)

    # ------------------------------------------------------------ steps

    def _data(self, folder: Path, tell: Progress) -> PreparedData:
        """Prepared rows; those of an earlier run in the same folder are taken as they are."""
        if (folder / "data-card.json").is_file():
            return read_data(folder)
        tell("collect", 0, 1)
        rows = list(chain.from_iterable(each.collect() for each in self._collectors))
        tell("collect", 1, 1)
        data = self._preprocessor.prepare(rows, held_out=self._evaluator.held_out())
        write_data(data, folder)
        return data

    def _trained(
        self,
        data: PreparedData,
        folder: Path,
        settings: Mapping[str, Any],
        tell: Progress,
        stop: threading.Event,
    ) -> TrainedModel:
        trainer = self._trainer.with_settings(settings) if settings else self._trainer

        def on_step(progress: TrainingProgress) -> None:
            checked = progress.validation_loss
            validation = "" if checked is None else f", validation {checked:.3f}"
            tell(f"train: loss {progress.loss:.3f}{validation}", progress.step, progress.steps)
            if stop.is_set():
                raise _StoppedError

        try:
            return trainer.train(data, folder, progress=on_step)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in _TRAINING:
                raise
            raise MissingError(
                f"training needs {error.name}.", hint='pip install "asbuilt[training]"'
            ) from error

    def _proof(self, trained: TrainedModel, model: ExportedModel, data: PreparedData) -> Proof:
        rows = (*data.validation, *data.train)[: self._proof_prompts]
        return proven(trained, model, rows, required=self._proof_required)

    def _registered(
        self,
        trained: TrainedModel,
        model: ExportedModel,
        proof: Proof,
        verdict: GateVerdict,
        rows: Path,
    ) -> Manifest:
        files: dict[str, Path | bytes] = {MODEL_FILES[model.kind]: model.file}
        if model.kind == "embedder":
            files |= {each.name: each for each in model.file.parent.glob("*.json")}
            base_digest = trained.base_digest
        else:
            files["template.jinja"] = trained.template.encode()
            base_digest = _file_digest(find_model(trained.base))
        files |= {name: rows / name for name in _ROWS}
        files["loss.svg"] = trained.folder.parent / "loss.svg"
        metrics = {measure.metric: measure.candidate for measure in verdict.measures}
        metrics["train_loss"] = trained.train_loss
        if trained.validation_loss is not None:
            metrics["validation_loss"] = trained.validation_loss
        evidence = json.loads(json.dumps({"gate": asdict(verdict), "export_proof": asdict(proof)}))
        return self._store.register(
            files,
            name=self._name,
            kind=model.kind,
            base=trained.base,
            base_digest=base_digest,
            recipe=trained.recipe,
            settings={**trained.settings, "versions": dict(trained.versions)},
            metrics=metrics,
            evidence=evidence,
            parent=self._store.production,
        )

    def _earlier(self, folder: Path) -> Manifest | None:
        """What a run that was killed while it deployed had registered, where its verdict still holds: what
        the model was compared with serves, or the model itself."""
        file = folder / _REGISTERED
        if not file.is_file():
            return None
        manifest = Manifest(**json.loads(file.read_text(encoding="utf-8")))
        return manifest if self._store.production in (manifest.parent, manifest.version) else None

    def _deployed(self, manifest: Manifest, result: PipelineResult, verdict: GateVerdict) -> PipelineResult:
        if self._store.production == manifest.version:
            said = f"{manifest.version} serves already."
        else:
            said = self._deployment.deploy(manifest, reason=_proven(verdict))
        return replace(result, verdict=verdict, version=manifest.version, deployed=True, ended=said)


def _verdict(evidence: Mapping[str, Any]) -> GateVerdict:
    measures = tuple(
        GateMeasure(**{**each, "gained": tuple(each["gained"]), "lost": tuple(each["lost"])})
        for each in evidence["measures"]
    )
    return GateVerdict(evidence["passed"], measures, tuple(evidence["reasons"]), tuple(evidence["advice"]))


def _settings_digest(settings: Mapping[str, Any]) -> str:
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def _proven(verdict: GateVerdict) -> str:
    return "; ".join(
        f"{each.metric} {each.candidate:.1%} against {each.current:.1%}, n = {each.n}"
        for each in verdict.measures
    )


def _file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _of_training(folder: Path) -> tuple[str, ...]:
    """What the course of the losses says of the next attempt."""
    checks = [line["validation_loss"] for line in metrics_of(folder) if "validation_loss" in line]
    if len(checks) < 2:
        return ()
    if checks[-1] == min(checks):
        return ("the validation loss was still falling at the end: more epochs.",)
    return ("the validation loss rose before the end: more rows, or fewer epochs.",)
