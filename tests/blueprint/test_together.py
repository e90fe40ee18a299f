"""Several files appear together, or what was there stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from asbuilt.blueprint.together import write_together
from asbuilt.errors import StorageError, UserError

FILES = {"a.md": "new a\n", "inside/b.md": "new b\n", "c.md": "new c\n"}


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else "(folder)"
        for path in folder.rglob("*")
    }


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    written = write_together(tmp_path / "x" / "y", FILES)
    assert written == [tmp_path / "x" / "y" / name for name in FILES]
    assert content(tmp_path / "x" / "y") == {**FILES, "inside": "(folder)"}
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["y"]


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "a.md").write_text("old a")
    write_together(tmp_path, FILES)
    assert content(tmp_path) == {**FILES, "mine.txt": "mine", "inside": "(folder)"}


@pytest.mark.parametrize("fails_at", range(1, 4))
def test_a_failure_puts_everything_back(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("old a")
    before = content(tmp_path)
    calls = 0
    replace = Path.replace

    def replace_until(path: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise OSError(5, "Input/output error")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_until)
    with pytest.raises(StorageError, match=r"cannot write to .*: Input/output error"):
        write_together(tmp_path, FILES)
    assert content(tmp_path) == before


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(StorageError, match="No space left"):
        write_together(tmp_path / "x", FILES)
    assert content(tmp_path) == {}


def test_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.md").mkdir()
    (tmp_path / "file").write_text("mine")
    before = content(tmp_path)
    with pytest.raises(UserError, match=r"a\.md is a folder"):
        write_together(tmp_path, FILES)
    with pytest.raises(UserError, match="is not a folder"):
        write_together(tmp_path / "file", FILES)
    with pytest.raises(StorageError, match="cannot write to"):
        write_together(tmp_path / "file" / "below", FILES)
    assert content(tmp_path) == before
