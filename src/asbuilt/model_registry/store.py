"""A folder of registered models, of which one is in production."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from asbuilt.errors import NotFoundError, StorageError, UserError
from asbuilt.lineage import Manifest, ModelKind
from asbuilt.model_registry.difference import ModelDifference, difference
from asbuilt.model_registry.durable import TEMPORARY, copied, replace_text, stored_errors, sync_folder
from asbuilt.model_registry.log import Action, LogEntry, append, in_production, read
from asbuilt.model_registry.manifest import is_version, made, parsed, written

__all__ = ["PRODUCTION", "Canary", "Collected", "ModelRegistry", "RegistryCheck"]

PRODUCTION = "production"
"""Names, wherever a version may stand, the one that is in production."""

_DATA_CARD = "data-card.json"
_LOCK_TIMEOUT_S = 30.0
_ABANDONED_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Canary:
    """A version that gets `share` of the requests beside the one in production."""

    version: str
    share: float


@dataclass(frozen=True, slots=True)
class RegistryCheck:
    """What `verify` read, and one line for each fault."""

    models: int
    blobs: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collected:
    """What was deleted, or would be: versions of models, digests of blobs, and the bytes of these."""

    versions: tuple[str, ...]
    blobs: tuple[str, ...]
    bytes: int


class ModelRegistry:
    """Models in `folder`, which is made when the first one is registered.

    ``blobs/`` holds contents by their SHA-256, ``manifests/`` one file a model, ``production`` the
    version that serves, ``canary`` the one on trial, ``log.jsonl`` all that happened. Reading takes no
    lock and needs no right to write. Writers take turns. Whenever one is killed, ``production`` names a
    model that is there with all its files. Methods raise StorageError for what the disk refuses and
    for files that are not what was registered, NotFoundError for an unknown version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._blobs = folder / "blobs"
        self._manifests = folder / "manifests"
        self._production = folder / PRODUCTION
        self._canary = folder / "canary"
        self._log = folder / "log.jsonl"

    # ------------------------------------------------------------ reading

    def list(self) -> tuple[Manifest, ...]:
        """All models, newest first."""
        found = (self._manifest(version) for version in self._versions())
        return tuple(sorted(found, key=lambda each: (each.created_at, each.version), reverse=True))

    def get(self, version: str) -> Manifest:
        """The model of a version, of the only version that begins so, or of "production"."""
        return self._manifest(self._resolved(version))

    def path(self, version: str, name: str) -> Path:
        """Where the content of one of a model's files lies; not to be written to."""
        manifest = self.get(version)
        if name not in manifest.files:
            raise NotFoundError(
                f"model {manifest.version} has no file {name!r}.",
                hint=f"It has: {', '.join(sorted(manifest.files))}.",
            )
        return self._blob(manifest, name)

    def verified_path(self, version: str, name: str) -> Path:
        """As `path`, after its content was compared with its digest."""
        path = self.path(version, name)
        digest = self.get(version).files[name]
        with stored_errors(self.folder):
            if _digest_of(path) != digest:
                raise StorageError(
                    f"{name!r} of model {version} is not what was registered: {str(path)!r} was changed.",
                    hint="Restore it from a backup, or register the model again.",
                )
        return path

    @property
    def production(self) -> str | None:
        """The version that serves; None before the first promotion, or when all were rolled back."""
        with stored_errors(self.folder):
            try:
                text = self._production.read_text("utf-8", "replace")
            except FileNotFoundError:
                return None
        version = text.removesuffix("\n")
        if not is_version(version):
            raise StorageError(
                f"{str(self._production)!r} holds {text[:40]!r}, no version.", hint="Promote a model again."
            )
        return version

    @property
    def canary(self) -> Canary | None:
        """The version on trial, if there is one."""
        canary = self._named_canary()
        # A promotion replaces the reference first, and ends the trial of that version then.
        return None if canary is None or canary.version == self.production else canary

    @property
    def rollback_target(self) -> str | None:
        """The version that `rollback` would put in production; None: there would be none."""
        stack = in_production(self.log(), self.production)
        return stack[-2] if len(stack) > 1 else None

    def log(self) -> tuple[LogEntry, ...]:
        """All that happened, oldest first."""
        with stored_errors(self.folder):
            return tuple(read(self._log))

    def diff(self, a: str, b: str) -> ModelDifference:
        """Where two models differ in how they were made and how they did."""
        first, second = self.get(a), self.get(b)
        return difference(first, second, self._data_card(first), self._data_card(second))

    def verify(self) -> RegistryCheck:
        """Read everything again and compare it with its digests."""
        faults: list[str] = []
        used: set[str] = set()
        versions = self._versions()
        for version in versions:
            try:
                manifest = self._manifest(version)
            except StorageError as error:
                faults.append(error.message)
                continue
            for name, digest in manifest.files.items():
                if not (self._blobs / digest).is_file():
                    faults.append(f"model {version}: {name!r} (blob {digest[:12]}) is missing.")
            used.update(manifest.files.values())
        with stored_errors(self.folder):
            blobs = self._blob_names()
            faults += [
                f"blob {name[:12]} was changed." for name in blobs if _digest_of(self._blobs / name) != name
            ]
        for what in ("production", "canary"):
            try:
                named = getattr(self, what)
                version = named.version if isinstance(named, Canary) else named
                if version is not None and version not in versions:
                    faults.append(f"{what} names model {version}, which is not registered.")
            except StorageError as error:
                faults.append(error.message)
        return RegistryCheck(len(versions), len(blobs), tuple(faults))

    # ------------------------------------------------------------ writing

    def register(
        self,
        files: Mapping[str, Path | bytes],
        *,
        name: str,
        kind: ModelKind,
        base: str,
        base_digest: str,
        recipe: str = "",
        settings: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        evidence: Mapping[str, Any] | None = None,
        parent: str | None = None,
        created_at: str | None = None,
    ) -> Manifest:
        """Keep a model: copies of `files` by their names, and a manifest of them.

        An "adapter" needs a file "adapter.gguf", and `base` names the GGUF file (or the starter) that it is
        served on, with its SHA-256; a "merged" model needs "model.gguf", an "embedder" "model.onnx". The
        same content, with the same `created_at` (ISO 8601; default: now), is the same model. It serves
        after `promote` only. Raises UserError for what cannot be a manifest.
        """
        values: dict[str, Any] = {
            "name": name,
            "kind": kind,
            "base": base,
            "base_digest": base_digest,
            "files": dict.fromkeys(files, ""),
            "recipe": recipe,
            "settings": dict(settings or {}),
            "metrics": dict(metrics or {}),
            "evidence": dict(evidence or {}),
            "parent": self._resolved(parent) if parent is not None else None,
            "created_at": created_at or _now(),
        }
        made(values)  # faults are told before gigabytes are copied
        copies: dict[str, tuple[Path, str]] = {}
        with stored_errors(self.folder):
            for folder in (self._blobs, self._manifests):
                folder.mkdir(parents=True, exist_ok=True)
            try:
                for file, content in files.items():  # outside of the lock: a rollback does not wait for it
                    copies[file] = copied(content, self._blobs)
                manifest = made({**values, "files": {each: digest for each, (_, digest) in copies.items()}})
                self._keep(manifest, copies)
            finally:
                for copy, _ in copies.values():
                    with suppress(OSError):
                        copy.unlink(missing_ok=True)
        return manifest

    def promote(self, version: str, *, reason: str = "") -> Manifest:
        """Put a version in production, once all its files are found to be what was registered.

        The trial of a canary of that version ends with it. A version that is in production stays there.
        """
        manifest = self.get(version)
        for name in manifest.files:
            self.verified_path(manifest.version, name)
        with self._writing():
            for name in manifest.files:  # not collected meanwhile
                self._blob(self._manifest(manifest.version), name)
            if self._before() != manifest.version:
                self._append("promote", manifest.version, reason=reason)
                replace_text(self._production, f"{manifest.version}\n")
            self._drop_canary(manifest.version)
        return manifest

    def rollback(self, *, reason: str = "") -> str | None:
        """Put the version in production that was there before; None: none was, and none is now.

        Further rollbacks lead further back. Raises UserError while nothing is in production.
        """
        with self._writing():
            if self.production is None:
                raise UserError("nothing is in production.", hint="Run: asbuilt models list")
            target = self.rollback_target
            if target is not None:
                manifest = self._manifest(target)
                for name in manifest.files:
                    self._blob(manifest, name)
            self._append("rollback", target, reason=reason)
            if target is None:
                self._production.unlink()
                sync_folder(self.folder)
            else:
                replace_text(self._production, f"{target}\n")
        return target

    def start_canary(self, version: str, *, share: float) -> Manifest:
        """Give `share` of the requests, more than 0 and less than 1, to a version; it replaces another."""
        if not 0 < share < 1:
            raise UserError(f"share is {share}; it must be more than 0 and less than 1.")
        manifest = self.get(version)
        for name in manifest.files:
            self.verified_path(manifest.version, name)
        with self._writing():
            if manifest.version == self._before():
                raise UserError(f"model {manifest.version} is in production already.")
            self._manifest(manifest.version)
            self._append("canary-start", manifest.version, share=share)
            replace_text(self._canary, json.dumps({"version": manifest.version, "share": share}) + "\n")
        return manifest

    def end_canary(self, *, reason: str = "", version: str | None = None) -> str | None:
        """End the trial (with `version`: only of that one); its version, None where there was none."""
        with self._writing():
            canary = self.canary
            if canary is None or version not in (None, canary.version):
                return None
            self._append("canary-end", canary.version, reason=reason)
            self._canary.unlink()
            sync_folder(self.folder)
        return canary.version

    def note_failure(self, version: str, *, reason: str) -> None:
        """Write into the log that a server could not open a version."""
        with self._writing():
            self._append("open-failed", version, reason=reason)

    def collect_garbage(self, *, keep: int = 3, dry_run: bool = False) -> Collected:
        """Delete what nothing needs: models that are neither in production, nor what a rollback leads
        to, nor the canary, nor among the `keep` newest; and blobs of no model that is left."""
        if keep < 0:
            raise UserError(f"keep is {keep}; it must be 0 or more.")
        if dry_run:
            return self._unneeded(keep)
        with self._writing():
            found = self._unneeded(keep)
            self._delete(found.versions, found.blobs)
        return found

    # ------------------------------------------------------------ files

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with stored_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "lock", timeout=_LOCK_TIMEOUT_S)
            try:
                lock.acquire()
            except Timeout as error:
                raise StorageError(
                    f"another process has been writing to {str(self.folder)!r} for {_LOCK_TIMEOUT_S:.0f} s.",
                    hint="Wait until it ends.",
                ) from error
            try:
                yield
            finally:
                lock.release()

    def _keep(self, manifest: Manifest, copies: Mapping[str, tuple[Path, str]]) -> None:
        with self._writing():
            for copy, digest in copies.values():
                if copy.exists():  # two files of one content may share a blob
                    copy.replace(self._blobs / digest)
            sync_folder(self._blobs)
            file = self._manifests / f"{manifest.version}.json"
            if not file.exists():
                self._append("register", manifest.version)
                replace_text(file, written(manifest))

    def _unneeded(self, keep: int) -> Collected:
        models, canary = self.list(), self.canary
        needed = {self.production, self.rollback_target, canary and canary.version}
        needed |= {each.version for each in models[:keep]}
        used = {digest for each in models if each.version in needed for digest in each.files.values()}
        with stored_errors(self.folder):
            blobs = tuple(name for name in self._blob_names() if name not in used)
            freed = sum((self._blobs / name).stat().st_size for name in blobs)
        return Collected(tuple(each.version for each in models if each.version not in needed), blobs, freed)

    def _delete(self, versions: tuple[str, ...], blobs: tuple[str, ...]) -> None:
        if versions or blobs:
            self._append("gc", None, reason=f"models: {', '.join(versions) or 'none'}; blobs: {len(blobs)}")
        for version in versions:
            (self._manifests / f"{version}.json").unlink()
        if versions:
            sync_folder(self._manifests)  # a manifest must not come back without its blobs
        for name in blobs:
            (self._blobs / name).unlink()
        for folder in (self.folder, self._blobs, self._manifests):
            for left in folder.glob(f"{TEMPORARY}*"):
                if time.time() - left.stat().st_mtime > _ABANDONED_S:
                    left.unlink(missing_ok=True)

    def _append(
        self, action: Action, version: str | None, *, reason: str = "", share: float | None = None
    ) -> None:
        append(self._log, LogEntry(_now(), action, version, self._before(), reason, share))

    def _before(self) -> str | None:
        """What is in production; None too where the reference is damaged, which a promotion repairs."""
        with suppress(StorageError):
            return self.production
        return None

    def _drop_canary(self, version: str) -> None:
        with suppress(StorageError):  # a damaged trial does not hold up a promotion
            canary = self._named_canary()
            if canary is None or canary.version != version:
                return
            self._append("canary-end", version, reason="promoted")
            self._canary.unlink()
            sync_folder(self.folder)

    def _named_canary(self) -> Canary | None:
        with stored_errors(self.folder):
            try:
                text = self._canary.read_text("utf-8", "replace")
            except FileNotFoundError:
                return None
        try:
            canary = Canary(**json.loads(text))
            if not is_version(canary.version) or not 0 < canary.share < 1:
                raise ValueError
        except (ValueError, TypeError):
            raise StorageError(
                f"{str(self._canary)!r} holds {text[:80]!r}, no canary.", hint="Start one again."
            ) from None
        return canary

    def _versions(self) -> tuple[str, ...]:
        with stored_errors(self.folder):
            names = [each.name for each in self._manifests.glob("*.json")]
        return tuple(sorted(name[:-5] for name in names if is_version(name[:-5])))

    def _blob_names(self) -> tuple[str, ...]:
        return tuple(sorted(each.name for each in self._blobs.glob("[0-9a-f]*") if each.is_file()))

    def _resolved(self, version: str) -> str:
        if version == PRODUCTION:
            named = self.production
            if named is None:
                raise NotFoundError("nothing is in production.", hint="Run: asbuilt models promote VERSION")
            return named
        known = self._versions()
        found = [each for each in known if version and each.startswith(version)]
        if len(found) > 1:
            raise UserError(
                f"version {version!r} is ambiguous: {', '.join(found)}.", hint="Give more of its digits."
            )
        if not found:
            shown = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
            raise NotFoundError(
                f"no model {version!r} is registered in {str(self.folder)!r}.",
                hint=f"Registered: {shown or 'none'}.",
            )
        return found[0]

    def _manifest(self, version: str) -> Manifest:
        file = self._manifests / f"{version}.json"
        with stored_errors(self.folder):
            try:
                text = file.read_text("utf-8", "replace")
            except FileNotFoundError:
                raise NotFoundError(
                    f"model {version} is not in {str(self.folder)!r} any more.",
                    hint="Run: asbuilt models list",
                ) from None
        return parsed(text, version=version)

    def _blob(self, manifest: Manifest, name: str) -> Path:
        path = self._blobs / manifest.files[name]
        if not path.is_file():
            raise StorageError(
                f"{name!r} of model {manifest.version} is missing: {str(path)!r}.",
                hint="Restore it from a backup, or register the model again.",
            )
        return path

    def _data_card(self, manifest: Manifest) -> Mapping[str, Any]:
        if _DATA_CARD not in manifest.files:
            return {}
        try:
            card = json.loads(self._blob(manifest, _DATA_CARD).read_bytes())
        except ValueError:
            card = None
        if not isinstance(card, dict):
            raise StorageError(f"{_DATA_CARD!r} of model {manifest.version} is no JSON object.")
        return card


def _digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
