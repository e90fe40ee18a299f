"""The trainers that a blueprint names: their configs are those of the recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from asbuilt.errors import UserError
from asbuilt.generation.models import STARTER
from asbuilt.lineage import PreparedData, TrainedModel, TrainingProgress
from asbuilt.registry import component, nearest
from asbuilt.resources.demand import holds_nothing
from asbuilt.training.embedder_base import EMBEDDER
from asbuilt.training.recipes import dpo, embedding, sft
from asbuilt.training.recipes.dpo import DpoConfig
from asbuilt.training.recipes.embedding import EmbeddingConfig
from asbuilt.training.recipes.sft import LINEAR, SftConfig

__all__ = ["DpoTrainer", "EmbeddingTrainer", "SftTrainer"]


@component("trainer/sft")
class SftTrainer:
    """Supervised fine-tuning by the recipe `asbuilt.training.recipes.sft`, whose SftConfig says what each
    setting means."""

    def __init__(
        self,
        *,
        base: str = STARTER,
        method: Literal["lora", "qlora", "full"] = "lora",
        rank: int = 16,
        alpha: int | None = None,
        targets: tuple[str, ...] = LINEAR,
        layers: tuple[int, int] | None = None,
        learning_rate: float = 1e-3,
        epochs: float = 1.0,
        max_steps: int | None = None,
        batch: int = 8,
        micro_batch: int = 1,
        max_tokens: int = 1024,
        precision: Literal["bf16", "fp32"] = "bf16",
        checkpointing: bool = False,
        check_every: int = 25,
        patience: int | None = 3,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self._settings: dict[str, Any] = {
            "base": base,
            "method": method,
            "rank": rank,
            "alpha": alpha,
            "targets": targets,
            "layers": layers,
            "learning_rate": learning_rate,
            "epochs": epochs,
            "max_steps": max_steps,
            "batch": batch,
            "micro_batch": micro_batch,
            "max_tokens": max_tokens,
            "precision": precision,
            "checkpointing": checkpointing,
            "check_every": check_every,
            "patience": patience,
            "seed": seed,
            "threads": threads,
        }
        SftConfig(data="", folder="", **self._settings)  # wrong settings are told now

    demand = staticmethod(holds_nothing)  # the recipe plans its memory itself, with the data at hand

    def with_settings(self, settings: Mapping[str, Any]) -> SftTrainer:
        _refuse_unknown(settings, SftConfig, "trainer/sft")
        return SftTrainer(**{**self._settings, **settings})

    def train(
        self,
        data: PreparedData,
        folder: Path,
        *,
        progress: Callable[[TrainingProgress], None] = lambda _: None,
    ) -> TrainedModel:
        config = SftConfig(data="", folder=str(folder), **self._settings)
        return sft.main(config, data=data, progress=progress)


@component("trainer/dpo")
class DpoTrainer:
    """Training on preferences by the recipe `asbuilt.training.recipes.dpo`, whose DpoConfig says what each
    setting means. Rows without a worse reply are left out."""

    def __init__(
        self,
        *,
        base: str = STARTER,
        beta: float = 0.1,
        rank: int = 16,
        alpha: int | None = None,
        targets: tuple[str, ...] = LINEAR,
        learning_rate: float = 1e-4,
        epochs: float = 1.0,
        max_steps: int | None = None,
        batch: int = 8,
        micro_batch: int = 1,
        max_tokens: int = 1024,
        precision: Literal["bf16", "fp32"] = "bf16",
        checkpointing: bool = False,
        check_every: int = 25,
        patience: int | None = 3,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self._settings: dict[str, Any] = {
            "base": base,
            "beta": beta,
            "rank": rank,
            "alpha": alpha,
            "targets": targets,
            "learning_rate": learning_rate,
            "epochs": epochs,
            "max_steps": max_steps,
            "batch": batch,
            "micro_batch": micro_batch,
            "max_tokens": max_tokens,
            "precision": precision,
            "checkpointing": checkpointing,
            "check_every": check_every,
            "patience": patience,
            "seed": seed,
            "threads": threads,
        }
        DpoConfig(data="", folder="", **self._settings)  # wrong settings are told now

    demand = staticmethod(holds_nothing)  # the recipe plans its memory itself, with the data at hand

    def with_settings(self, settings: Mapping[str, Any]) -> DpoTrainer:
        _refuse_unknown(settings, DpoConfig, "trainer/dpo")
        return DpoTrainer(**{**self._settings, **settings})

    def train(
        self,
        data: PreparedData,
        folder: Path,
        *,
        progress: Callable[[TrainingProgress], None] = lambda _: None,
    ) -> TrainedModel:
        return dpo.main(
            DpoConfig(data="", folder=str(folder), **self._settings), data=data, progress=progress
        )


@component("trainer/embedding")
class EmbeddingTrainer:
    """Fine-tuning of a sentence embedder by the recipe `asbuilt.training.recipes.embedding`, whose
    EmbeddingConfig says what each setting means."""

    def __init__(
        self,
        *,
        base: str = EMBEDDER,
        temperature: float = 0.05,
        base_share: float = 0.5,
        learning_rate: float = 2e-5,
        epochs: float = 1.0,
        max_steps: int | None = None,
        batch: int = 32,
        max_tokens: int = 128,
        query_prefix: str = "",
        passage_prefix: str = "",
        check_every: int = 25,
        patience: int | None = 3,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self._settings: dict[str, Any] = {
            "base": base,
            "temperature": temperature,
            "base_share": base_share,
            "learning_rate": learning_rate,
            "epochs": epochs,
            "max_steps": max_steps,
            "batch": batch,
            "max_tokens": max_tokens,
            "query_prefix": query_prefix,
            "passage_prefix": passage_prefix,
            "check_every": check_every,
            "patience": patience,
            "seed": seed,
            "threads": threads,
        }
        EmbeddingConfig(data="", folder="", **self._settings)  # wrong settings are told now

    demand = staticmethod(holds_nothing)  # the recipe plans its memory itself, with the data at hand

    def with_settings(self, settings: Mapping[str, Any]) -> EmbeddingTrainer:
        _refuse_unknown(settings, EmbeddingConfig, "trainer/embedding")
        return EmbeddingTrainer(**{**self._settings, **settings})

    def train(
        self,
        data: PreparedData,
        folder: Path,
        *,
        progress: Callable[[TrainingProgress], None] = lambda _: None,
    ) -> TrainedModel:
        config = EmbeddingConfig(data="", folder=str(folder), **self._settings)
        return embedding.main(config, data=data, progress=progress)


def _refuse_unknown(
    settings: Mapping[str, Any], config: type[SftConfig | DpoConfig | EmbeddingConfig], name: str
) -> None:
    known = [each.name for each in fields(config) if each.name not in ("data", "folder")]
    for setting in settings:
        if setting not in known:
            close = nearest(setting, known)
            raise UserError(
                f"{name} has no setting {setting!r}.",
                hint=f"Did you mean {close!r}?" if close else f"There are: {', '.join(known)}.",
            )
