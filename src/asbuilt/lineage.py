"""What the training pipeline passes along, from rows of data to the model that serves.

Every value can be traced back: a model's manifest names the data card, the card the digests of its
rows, each row where it came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from asbuilt.types import Message

__all__ = [
    "DataCard",
    "ExportProof",
    "ExportedModel",
    "GateMeasure",
    "GateVerdict",
    "HeldOut",
    "Manifest",
    "PipelineResult",
    "PreparedData",
    "Rejection",
    "TrainedMethod",
    "TrainedModel",
    "TrainingProgress",
    "TrainingRow",
    "VectorProof",
    "rows_digest",
]

ModelKind = Literal["adapter", "merged", "embedder"]
"""What a registered model is: a LoRA adapter for its base or all weights, each a GGUF file, or a sentence
embedder as an ONNX graph."""

TrainedMethod = Literal["lora", "full", "embedder"]


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A conversation to learn from; its last message is the reply that is to be learnt.

    `worse` is a reply to the same that people liked less (for training on preferences). Rows of one
    `source` (a page, a conversation, a customer) never stand on both sides of a split. `origin` says
    where the row was found: "file:rows.jsonl:12", "feedback:412", "knowledge:s3/cp.rst@3".
    """

    messages: tuple[Message, ...]
    source: str
    origin: str
    worse: str | None = None

    @property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of what is learnt; not of where it came from."""
        return sha256(json.dumps(self._learnt(), ensure_ascii=False).encode()).hexdigest()[:16]

    def _learnt(self) -> list[Any]:
        return [[[message.role, message.content] for message in self.messages], self.worse]


def rows_digest(rows: Sequence[TrainingRow]) -> str:
    """SHA-256 over the rows' ids, in their order."""
    return sha256("\n".join(row.id for row in rows).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A case of an evaluation set, which training must not have seen: its question and its reference."""

    data_set: str
    id: str
    question: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was left out. `reason` is one of a few ("exact duplicate"), `detail` tells the rest."""

    origin: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DataCard:
    """What a training set is made of. `settings` are those of the preprocessor; `rejected` counts the
    rows left out by reason; `sources` counts collected rows by the kind of their origin."""

    collected: int
    train: int
    validation: int
    train_digest: str
    validation_digest: str
    sources: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    held_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreparedData:
    """Rows that may be trained on, in the order in which they are given to the trainer."""

    train: tuple[TrainingRow, ...]
    validation: tuple[TrainingRow, ...]
    card: DataCard
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a training stands. `loss` is the mean over the tokens of the last optimizer step."""

    step: int
    steps: int
    loss: float
    validation_loss: float | None = None
    tokens_per_s: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a trainer leaves in `folder`.

    A LoRA adapter as PEFT writes it (``adapter_config.json``, ``adapter_model.safetensors``) where
    `method` is "lora", else a whole model as transformers writes it: a language model where it is "full", an
    encoder where it is "embedder". `base` is the GGUF file, folder or hub id that the training started
    from, `base_digest` the SHA-256 of its weights. `template` is the chat template that the rows were
    rendered with, if they were.
    """

    folder: Path
    recipe: str
    method: TrainedMethod
    base: str
    base_digest: str
    template: str
    steps: int
    train_loss: float
    validation_loss: float | None
    seconds: float
    peak_memory_bytes: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExportProof:
    """The exported model in the serving engine against the trained one, on fixed prompts.

    `same` of `prompts` replies have the same greedy tokens; `agreement` is the share of equal tokens
    up to and including the first that differs, `ended` how many trained replies that end are ended by
    the served model too, of `ends`. `template_same` compares the bytes of the rendered prompts.
    `faults` is empty where the export is proven.
    """

    prompts: int
    same: int
    agreement: float
    ends: int
    ended: int
    template_same: bool
    required: float
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class VectorProof:
    """The exported embedder against the trained one, on fixed texts.

    `same` of `texts` vectors reach the cosine `floor` with the trained one's; `least` is the smallest.
    `faults` is empty where the export is proven.
    """

    texts: int
    same: int
    least: float
    floor: float
    required: float
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A file that serves: a GGUF file that is an adapter for `base` or a model of its own, or the ONNX
    graph of an embedder, with ``tokenizer.json`` beside it."""

    file: Path
    kind: ModelKind
    base: Path | None
    precision: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A registered model. Immutable; `version` is the first 12 hex digits of the SHA-256 of the rest.

    `files` maps a name ("adapter.gguf", "data-card.json", "rows.jsonl", "template.jinja") to the
    SHA-256 of its content. `evidence` is what speaks for the model: the gate's verdict and the export
    proof. `parent` is the version that it was compared with, None for the first.
    """

    version: str
    name: str
    kind: ModelKind
    base: str
    base_digest: str
    files: Mapping[str, str]
    recipe: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, float]
    evidence: Mapping[str, Any]
    parent: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class GateMeasure:
    """A metric of the assistant with the candidate against the same with the model that serves now.

    `candidate` and `current` are means over the `n` cases that both did; `difference` has the interval
    from `low` to `high` (95 %). `gained` and `lost` are the cases that flipped. `rule` is what was asked:
    "better", or "not worse by more than 0.02".
    """

    metric: str
    data_set: str
    rule: str
    candidate: float
    current: float
    difference: float
    low: float
    high: float
    n: int
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    passed: bool


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether a candidate may serve. `reasons` says for each rule that is not proven what is missing,
    and `advice` what to try next, from the cases that fail."""

    passed: bool
    measures: tuple[GateMeasure, ...]
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """How far a run of the pipeline came, and why it ended there. `version` is the registered model."""

    folder: Path
    card: DataCard
    trained: TrainedModel
    proof: ExportProof | VectorProof | None
    verdict: GateVerdict | None
    version: str | None
    deployed: bool
    ended: str
