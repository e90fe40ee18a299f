"""The registry of models: what it keeps, what it refuses, and that nothing can break the reference."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from asbuilt.errors import AsbuiltError, NotFoundError, StorageError, UserError
from asbuilt.lineage import Manifest
from asbuilt.model_registry import Canary, ModelRegistry, durable


def registered(registry: ModelRegistry, at: int, **more: Any) -> Manifest:
    """A small model; `at` makes it differ from others."""
    given: dict[str, Any] = {
        "name": "answers",
        "kind": "adapter",
        "base": "smollm2-135m-instruct",
        "base_digest": "b" * 64,
        "settings": {"rank": 8, "epochs": at},
        "metrics": {"loss": at / 10},
        "created_at": f"2026-11-23T12:00:{at:02d}+00:00",
        **more,
    }
    files = {
        "adapter.gguf": f"weights {at}".encode(),
        "data-card.json": json.dumps({"train": 10 * at, "held_out": {"faq": 2}}).encode(),
        "template.jinja": b"{{ messages }}",
    }
    return registry.register(files, **given)


def moves(registry: ModelRegistry) -> list[tuple[str, str | None]]:
    return [(entry.action, entry.version) for entry in registry.log()]


def assert_sound(registry: ModelRegistry) -> None:
    """The reference names a model that is there with all its files, or nothing."""
    if registry.production is not None:
        manifest = registry.get("production")
        for name in manifest.files:
            registry.verified_path("production", name)
    assert registry.rollback_target in (None, *(each.version for each in registry.list()))
    assert registry.verify().faults == ()


# ---------------------------------------------------------------- what it keeps


def test_a_registered_model_is_found_with_its_files(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    source = tmp_path / "model.gguf"
    source.write_bytes(b"all weights")
    manifest = registry.register(
        {"model.gguf": source}, name="m", kind="merged", base="b.gguf", base_digest="0" * 64
    )
    source.write_bytes(b"trained on")  # what was registered does not follow
    assert registry.list() == (manifest,)
    assert registry.path(manifest.version[:5], "model.gguf").read_bytes() == b"all weights"
    assert manifest.files == {"model.gguf": sha256(b"all weights").hexdigest()}
    assert ModelRegistry(tmp_path / "models").get(manifest.version) == manifest
    assert registry.production is None
    assert registry.verify().faults == ()


def test_the_version_is_a_digest_of_all_the_rest(tmp_path: Path) -> None:
    one = registered(ModelRegistry(tmp_path / "a"), 1)
    again = registered(ModelRegistry(tmp_path / "b"), 1)
    assert one == again
    values = json.loads((tmp_path / "a" / "manifests" / f"{one.version}.json").read_text())
    del values["version"]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert one.version == sha256(text.encode()).hexdigest()[:12]
    assert registered(ModelRegistry(tmp_path / "b"), 1, recipe="other").version != one.version


def test_equal_contents_are_kept_once_and_equal_models_too(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    first = registered(registry, 1)
    assert registered(registry, 1) == first
    registered(registry, 2)
    assert len(list((tmp_path / "blobs").iterdir())) == 5  # the template is the same in both
    assert [action for action, _ in moves(registry)] == ["register", "register"]


def test_two_files_of_one_content_share_a_blob(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    manifest = registry.register(
        {"model.gguf": b"x", "copy.gguf": b"x"}, name="m", kind="merged", base="b", base_digest=""
    )
    assert registry.path(manifest.version, "copy.gguf") == registry.path(manifest.version, "model.gguf")
    assert len(list((tmp_path / "blobs").iterdir())) == 1


def test_promotions_and_rollbacks_lead_back_step_by_step(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    a, b, c = (registered(registry, at).version for at in (1, 2, 3))
    for version in (a, b, c):
        registry.promote(version, reason="gate passed")
    registry.promote(c)  # nothing changes, nothing is logged
    assert registry.get("production").version == c
    assert registry.rollback(reason="worse in production") == b
    registry.promote(c)
    assert [registry.rollback(), registry.rollback(), registry.rollback()] == [b, a, None]
    assert registry.production is None
    with pytest.raises(UserError, match="nothing is in production"):
        registry.rollback()
    assert [action for action, _ in moves(registry)[3:]] == ["promote"] * 3 + ["rollback", "promote"] + [
        "rollback"
    ] * 3


def test_a_canary_ends_by_itself_when_it_is_promoted(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    a, b = (registered(registry, at).version for at in (1, 2))
    registry.promote(a)
    registry.start_canary(b, share=0.25)
    assert registry.canary == Canary(b, 0.25)
    assert registry.end_canary(version=a) is None  # not the one on trial
    registry.promote(b)
    assert not (tmp_path / "canary").exists()
    assert moves(registry)[-3:] == [("canary-start", b), ("promote", b), ("canary-end", b)]
    registry.start_canary(a, share=0.1)
    assert registry.end_canary(reason="enough seen") == a
    assert registry.log()[-1].reason == "enough seen"
    assert registry.end_canary() is None


def test_a_difference_names_what_changed_and_nothing_else(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    a, b = (registered(registry, at).version for at in (1, 2))
    found = registry.diff(a, b)
    assert [(each.name, each.first, each.second) for each in found.settings] == [("epochs", 1, 2)]
    assert [(each.name, each.first, each.second) for each in found.metrics] == [("loss", 0.1, 0.2)]
    assert [(each.name, each.first, each.second) for each in found.data_card] == [("train", 10, 20)]
    assert [each.name for each in found.files] == ["adapter.gguf", "data-card.json"]
    assert [each.name for each in found.made] == ["created_at"]
    same = registry.diff(a, a)
    assert [*same.settings, *same.metrics, *same.data_card, *same.files, *same.made] == []


def test_garbage_is_what_nothing_needs(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    old, back, serving, trial, new = (registered(registry, at).version for at in range(5))
    for version in (old, back, serving):
        registry.promote(version)
    registry.start_canary(trial, share=0.5)
    would = registry.collect_garbage(keep=1, dry_run=True)
    assert would.versions == (old,)
    assert len(registry.list()) == 5
    assert registry.collect_garbage(keep=1) == would
    assert would.bytes == len(b"weights 0") + len(json.dumps({"train": 0, "held_out": {"faq": 2}}))
    assert {each.version for each in registry.list()} == {back, serving, trial, new}
    assert_sound(registry)
    assert registry.rollback() == back
    with pytest.raises(NotFoundError, match=f"{old} is not in .* any more"):
        registry.rollback()
    assert registry.production == back


def test_garbage_of_no_folder_is_none_and_makes_no_folder(tmp_path: Path) -> None:
    assert ModelRegistry(tmp_path / "models").collect_garbage(dry_run=True).versions == ()
    assert not (tmp_path / "models").exists()


def test_a_copy_under_way_is_not_garbage_but_an_old_one_is(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    registered(registry, 1)
    fresh, old = (tmp_path / "blobs" / f"{durable.TEMPORARY}{name}" for name in ("fresh", "old"))
    for file in (fresh, old):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    registry.collect_garbage()
    assert fresh.exists()
    assert not old.exists()


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "whole"}, "kind is 'whole'"),
        ({"kind": "merged"}, "needs a file 'model.gguf'"),
        ({"metrics": {"loss": float("nan")}}, "cannot hold this"),
        ({"settings": {"folder": object()}}, "cannot hold this"),
        ({"parent": "0123"}, "no model '0123' is registered"),
    ],
)
def test_what_cannot_be_a_manifest_is_refused(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        registered(ModelRegistry(tmp_path), 1, **given)


def test_names_of_files_are_plain(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not plain"):
        ModelRegistry(tmp_path).register(
            {"model.gguf": b"", "../x": b""}, name="m", kind="merged", base="b", base_digest=""
        )


def test_unknown_and_ambiguous_versions(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    found: dict[str, list[str]] = {}
    for at in range(17):  # more than there are first digits
        version = registered(registry, at).version
        found.setdefault(version[0], []).append(version)
    first = next(digit for digit, versions in found.items() if len(versions) > 1)
    with pytest.raises(UserError, match=f"version '{first}' is ambiguous: "):
        registry.get(first)
    for unknown in ("xyz", "", "../production"):
        with pytest.raises(NotFoundError, match="no model"):
            registry.get(unknown)
    with pytest.raises(NotFoundError, match="nothing is in production"):
        registry.get("production")
    with pytest.raises(NotFoundError, match="no file 'weights'"):
        registry.path(found[first][0], "weights")


def test_a_changed_blob_is_not_promoted_and_told(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    a, b = registered(registry, 1), registered(registry, 2)
    registry.promote(a.version)
    blob = registry.path(b.version, "adapter.gguf")
    blob.write_bytes(b"weights!")
    with pytest.raises(StorageError, match="was changed"):
        registry.promote(b.version)
    assert registry.verify().faults == (f"blob {blob.name[:12]} was changed.",)
    blob.unlink()
    with pytest.raises(StorageError, match=r"'adapter\.gguf' of model .* is missing"):
        registry.promote(b.version)
    with pytest.raises(StorageError, match="is missing"):
        registry.start_canary(b.version, share=0.1)
    assert registry.verify().faults == (
        f"model {b.version}: 'adapter.gguf' (blob {blob.name[:12]}) is missing.",
    )
    assert registry.production == a.version
    registered(registry, 2)  # registering again brings the content back
    assert registry.promote(b.version).version == registry.production


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace('"epochs": 1', '"epochs": 2'),
        lambda text: text[: len(text) // 2],
        lambda _text: "[]",
        lambda text: text.replace('"recipe"', '"receipt"'),
        lambda _text: "\x00\xff",
    ],
)
def test_an_edited_manifest_is_refused(tmp_path: Path, edit: Callable[[str], str]) -> None:
    registry = ModelRegistry(tmp_path)
    manifest = registered(registry, 1)
    file = tmp_path / "manifests" / f"{manifest.version}.json"
    file.write_text(edit(file.read_text()))
    for refused in (lambda: registry.get(manifest.version), registry.list):
        with pytest.raises(StorageError, match="was changed or is damaged"):
            refused()
    with pytest.raises(StorageError):
        registry.promote(manifest.version)
    assert len(registry.verify().faults) == 1


@pytest.mark.parametrize("text", ["", "0123", "zzzzzzzzzzzz\n", "\x00" * 13])
def test_a_damaged_reference_is_told_and_repaired_by_a_promotion(tmp_path: Path, text: str) -> None:
    registry = ModelRegistry(tmp_path)
    version = registered(registry, 1).version
    (tmp_path / "production").write_text(text)
    with pytest.raises(StorageError, match="no version"):
        registry.get("production")
    assert len(registry.verify().faults) >= 1
    registry.promote(version)
    assert registry.production == version


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": "0123456789ab", "share": 7}'])
def test_a_damaged_canary_is_told_and_replaced(tmp_path: Path, text: str) -> None:
    registry = ModelRegistry(tmp_path)
    a, b = (registered(registry, at).version for at in (1, 2))
    (tmp_path / "canary").write_text(text)
    registry.promote(a)
    with pytest.raises(StorageError, match="no canary"):
        _ = registry.canary
    registry.start_canary(b, share=0.5)
    assert registry.canary == Canary(b, 0.5)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_is_between_none_and_all(tmp_path: Path, share: float) -> None:
    registry = ModelRegistry(tmp_path)
    version = registered(registry, 1).version
    with pytest.raises(UserError, match="share is"):
        registry.start_canary(version, share=share)
    registry.promote(version)
    with pytest.raises(UserError, match="in production already"):
        registry.start_canary(version, share=0.5)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_only_be_read_serves_and_refuses(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    registry.promote(registered(registry, 1).version)
    tmp_path.chmod(0o555)
    try:
        assert registry.get("production").name == "answers"
        with pytest.raises(StorageError, match="cannot be read or written: Permission denied"):
            registry.rollback()
    finally:
        tmp_path.chmod(0o755)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    registry = ModelRegistry(tmp_path / "models")
    with pytest.raises(StorageError, match="cannot be read or written"):
        registered(registry, 1)


# ---------------------------------------------------------------- the log


def test_a_torn_last_line_is_passed_over_and_cut_off_by_the_next(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    a = registered(registry, 1).version
    registry.promote(a)
    with (tmp_path / "log.jsonl").open("ab") as log:
        log.write(b'{"at": "2026-11-23", "action": "promo')
    assert [action for action, _ in moves(registry)] == ["register", "promote"]
    registry.rollback()
    assert [action for action, _ in moves(registry)] == ["register", "promote", "rollback"]
    assert b"promo{" not in (tmp_path / "log.jsonl").read_bytes()


def test_a_line_that_is_no_entry_is_an_error_that_names_it(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    registered(registry, 1)
    with (tmp_path / "log.jsonl").open("ab") as log:
        log.write(b"nonsense\n")
    with pytest.raises(StorageError, match="line 2 of"):
        registry.log()


def test_a_promotion_that_was_cut_short_is_not_rolled_back_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ModelRegistry(tmp_path)
    a, b, c = (registered(registry, at).version for at in (1, 2, 3))
    registry.promote(a)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _full)
        with pytest.raises(StorageError, match="No space left"):
            registry.promote(b)
    registry.promote(c)
    assert registry.rollback() == a


# ---------------------------------------------------------------- full disks and kills


def _full(*_: Any, **__: Any) -> Any:
    raise OSError(28, "No space left on device")


@contextmanager
def failing_at(nth: int, monkeypatch: pytest.MonkeyPatch, *, torn: bool) -> Iterator[list[str]]:
    """The nth call that changes the disk fails; `torn`: a write leaves half of its bytes there first."""
    calls: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            if len(calls) == nth:
                if torn and name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                _full()
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("write", "fsync", "ftruncate"):
            patch.setattr(os, name, counted(name, getattr(os, name)))
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, counted(name, getattr(Path, name)))
        yield calls


def _a_day(registry: ModelRegistry) -> None:
    b, c = registered(registry, 2).version, registered(registry, 3).version
    registry.start_canary(b, share=0.5)
    registry.promote(b)
    registry.promote(c)
    registry.rollback()
    registry.start_canary(c, share=0.5)
    registry.end_canary()
    registry.collect_garbage(keep=0)


def _is_full(work: Callable[[], None]) -> bool:
    try:
        work()
    except StorageError as error:
        return "No space left" in error.message
    return False


@pytest.mark.parametrize("torn", [False, True])
def test_a_full_disk_at_any_write_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    monkeypatch.setattr("os.fsync", lambda _handle: None)
    failed, nth = 0, 0
    while True:
        nth += 1
        registry = ModelRegistry(tmp_path / f"{nth}")
        first = registered(registry, 1).version
        registry.promote(first)
        with failing_at(nth, monkeypatch, torn=torn) as calls:
            failed += _is_full(partial(_a_day, registry))
        assert registry.production is not None
        assert_sound(registry)
        registry.promote(first)
        _a_day(registry)  # once there is space again, all goes on
        assert_sound(registry)
        if len(calls) < nth:
            break
    assert failed > 40  # nearly each of the writes; a temporary file that cannot be removed is no failure


_WRITER = """
import sys
from asbuilt.model_registry import ModelRegistry
registry = ModelRegistry(__import__("pathlib").Path(sys.argv[1]))
at = int(sys.argv[2])
print("ready", flush=True)
while True:
    at += 1
    made = registry.register(
        {"model.gguf": b"%d" % at * 2000, "data-card.json": b"{}"},
        name="m", kind="merged", base="b", base_digest="",
    )
    if at % 3 == 0:
        registry.start_canary(made.version, share=0.5)
    registry.promote(made.version)
    if at % 5 == 0:
        registry.rollback()
    if at % 7 == 0:
        registry.collect_garbage(keep=1)
"""


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_a_sound_registry(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    chance, promoted = random.Random(7), 0
    for run in range(40):
        child = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), str(run * 10_000)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.0, 0.08))
            child.send_signal(signal.SIGKILL)
            _, said = child.communicate()
        assert said == b""
        assert_sound(registry)
        promoted += sum(entry.action == "promote" for entry in registry.log())
        registry.collect_garbage(keep=2)
    assert promoted > 0
    assert registry.production is not None


def test_two_writers_take_turns(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from asbuilt.model_registry import ModelRegistry\n"
        "registry = ModelRegistry(pathlib.Path(sys.argv[1]))\n"
        "for at in range(10):\n"
        "    made = registry.register({'model.gguf': f'{sys.argv[2]} {at}'.encode()}, name='m',\n"
        "        kind='merged', base='b', base_digest='')\n"
        "    registry.promote(made.version)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name], env=env) for name in "ab"
    ]
    assert [child.wait(60) for child in children] == [0, 0]
    registry = ModelRegistry(tmp_path)
    assert len(registry.list()) == 20
    assert [action for action, _ in moves(registry)].count("promote") == 20
    promotions = [entry for entry in registry.log() if entry.action == "promote"]
    assert [each.before for each in promotions] == [None, *(each.version for each in promotions[:-1])]
    assert_sound(registry)


def test_errors_are_ours(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    with pytest.raises(AsbuiltError, match="Registered: none"):
        registry.promote("abc")
