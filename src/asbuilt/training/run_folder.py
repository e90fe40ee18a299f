"""The folder of one training: its settings, checkpoints, metrics and result.

settings.json    what is trained, and with what; another training is refused here
checkpoints/     those that were written to their end carry a file `complete`
metrics.jsonl    one line an optimizer step, and one a check
loss.svg         both losses over the steps
model/           the result; it appears at once, with all its files
trained.json     lineage.TrainedModel
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from asbuilt.errors import BugError, StorageError, UserError
from asbuilt.lineage import TrainedMethod, TrainedModel
from asbuilt.training.processes import is_first_process, wait_for_all

if TYPE_CHECKING:
    from asbuilt.training.run_watch import RunWatch

__all__ = ["RunFolder", "metrics_of", "weights_digest"]

_COMPLETE = "complete"
_PACKAGES = ("asbuilt", "torch", "transformers", "peft", "trl", "accelerate")


class RunFolder:
    """`config` is all that the result depends on, in JSON's types."""

    def __init__(self, folder: Path, *, config: Mapping[str, Any]) -> None:
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.metrics = folder / "metrics.jsonl"
        # A folder elsewhere or more threads do not make another training.
        self._config = {key: config[key] for key in sorted(config) if key not in ("folder", "threads")}
        self._config = json.loads(json.dumps(self._config))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, so that no second training writes there. Raises UserError where one does, or
        where the folder is of other settings or data."""
        if not is_first_process():  # the first holds it for all
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "lock", timeout=0):
                self._claim()
                yield
        except Timeout:
            raise UserError(
                f"another training is at work in {self.folder}.", hint="Wait for it, or take another folder."
            ) from None
        except Exception as error:
            if (reason := _failed_write(error)) is None:
                raise
            raise StorageError(
                f"the training cannot write to {self.folder}: {reason}.",
                hint="Make room there; the next call goes on from the last checkpoint.",
            ) from error

    def finished(self) -> TrainedModel | None:
        """The result of a training that ended."""
        file = self.folder / "trained.json"
        if not file.is_file():
            return None
        values = json.loads(file.read_text(encoding="utf-8"))
        return TrainedModel(**{**values, "folder": self.folder / "model"})

    def last_checkpoint(self) -> str | None:
        """The newest that was written to its end; those that were not are removed."""
        found = []
        for folder in self.checkpoints.glob("checkpoint-*"):
            if (folder / _COMPLETE).is_file():
                found.append((int(folder.name.rpartition("-")[2]), folder))
            elif is_first_process():
                shutil.rmtree(folder)
        return str(max(found)[1]) if found else None

    def complete(self, step: int) -> None:
        """Say of the checkpoint of `step` that it was written to its end, by every process."""
        wait_for_all()
        if not is_first_process():
            return
        folder = self.checkpoints / f"checkpoint-{step}"
        for file in folder.iterdir():
            _sync(file)
        (folder / _COMPLETE).touch()
        _sync(folder)

    def finish(
        self,
        *,
        save: Callable[[str], object],
        recipe: str,
        method: TrainedMethod,
        base: str,
        base_folder: Path,
        template: str,
        watch: RunWatch,
    ) -> TrainedModel:
        """Keep the result that `save` writes, and remove the checkpoints."""
        if is_first_process():
            self._keep(save, recipe, method, base, base_folder, template, watch)
        wait_for_all()
        trained = self.finished()
        if trained is None:
            raise BugError(f"{self.folder} has no result though its training ended.")
        return trained

    def _keep(
        self,
        save: Callable[[str], object],
        recipe: str,
        method: TrainedMethod,
        base: str,
        base_folder: Path,
        template: str,
        watch: RunWatch,
    ) -> None:
        unfinished, folder = self.folder / "model.unfinished", self.folder / "model"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        save(str(unfinished))
        for file in unfinished.iterdir():
            _sync(file)
        unfinished.rename(folder)
        trained = TrainedModel(
            folder=folder,
            recipe=recipe,
            method=method,
            base=base,
            base_digest=weights_digest(base_folder),
            template=template,
            steps=watch.step,
            train_loss=watch.loss,
            validation_loss=watch.validation_loss,
            seconds=round(watch.seconds, 1),
            peak_memory_bytes=watch.peak_memory_bytes,
            settings=self._config,
            versions=_versions(),
        )
        self._write("trained.json", asdict(replace(trained, folder=Path("model"))))
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _claim(self) -> None:
        file = self.folder / "settings.json"
        if not file.is_file():
            self._write("settings.json", self._config)
            return
        other = json.loads(file.read_text(encoding="utf-8"))
        differing = sorted(k for k in {*other, *self._config} if other.get(k) != self._config.get(k))
        if differing:
            told = ", ".join(
                f"{k} {other.get(k)!r} there, {self._config.get(k)!r} now" for k in differing[:3]
            )
            raise UserError(
                f"{self.folder} holds a training of other settings: {told}.",
                hint="Take another folder, or remove that one.",
            )

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        file = self.folder / f"{name}.unfinished"
        file.write_text(
            json.dumps(values, indent=2, default=str, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        _sync(file)
        file.replace(self.folder / name)


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl: "step" with "loss" or "validation_loss", and "seconds" of training."""
    file = folder / "metrics.jsonl"
    found = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            found.append(json.loads(line))
        except ValueError:  # the process was killed while it wrote
            continue
    return found


def weights_digest(folder: Path) -> str:
    """SHA-256 over the weights of a model folder, file after file by name."""
    digests = []
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as data:
            digests.append(file_digest(data, "sha256").hexdigest())
    if not digests:
        raise UserError(f"{folder} has no weights in safetensors files.")
    return digests[0] if len(digests) == 1 else _digest_of(digests)


def _digest_of(digests: list[str]) -> str:
    from hashlib import sha256

    return sha256("\n".join(digests).encode()).hexdigest()


def _failed_write(error: Exception) -> str | None:
    """Why a file could not be written, where `error` says so. safetensors and torch have errors of their
    own for it."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if type(error).__name__ == "SafetensorError" or "inline_container" in str(error):
        return str(error).splitlines()[0].rstrip(". ")
    return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
