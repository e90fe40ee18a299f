"""`asbuilt new`: what it writes works, and nothing is half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from asbuilt.blueprint import (
    PATTERN_REFERENCE,
    PATTERNS,
    SystemArchitecture,
    build_order,
    check,
    load,
    load_checked,
    write_pattern,
)
from asbuilt.errors import NotFoundError, StorageError, UserError


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_whole_and_without_fault(pattern: str, tmp_path: Path) -> None:
    folder = tmp_path / "My Notes"
    written = write_pattern(pattern, folder)
    assert written == sorted(path for path in folder.rglob("*") if path.is_file())
    assert {path.name for path in written} >= {"blueprint.yaml", "README.md", ".gitignore"}
    loaded = load(folder / "blueprint.yaml")
    assert check(loaded) == []
    assert loaded.blueprint is not None
    assert loaded.blueprint.system.name == "my-notes"
    assert len(build_order(loaded.blueprint)) == len(loaded.blueprint.components)
    documents = [folder / source for source in loaded.blueprint.knowledge.sources]
    assert all(any(document.glob("*.md")) for document in documents)
    assert (folder / "README.md").read_text().startswith("# my-notes\n")
    assert list(tmp_path.iterdir()) == [folder]


def test_every_pattern_is_shipped() -> None:
    assert PATTERNS == (
        "assistant",
        "document-intelligence",
        "multimodal",
        "agent-swarm",
        "training-pipeline",
        "rag-pipeline",
        "agent-orchestrator",
        "multimodal-processor",
    )


@pytest.mark.parametrize("name", [name for name in PATTERN_REFERENCE if name != "training_pipeline"])
def test_a_written_design_is_the_reference(name: str, tmp_path: Path) -> None:
    write_pattern(name, tmp_path / "x")
    pattern = PATTERN_REFERENCE[name]
    written = SystemArchitecture.load(tmp_path / "x" / "blueprint.yaml")
    assert [(each.name, each.purpose) for each in written.components] == [
        (each.name, each.purpose) for each in pattern.components
    ]
    planned = [each for each in written.components if each.use is None]
    assert planned == [each for each in pattern.components if each.name in {one.name for one in planned}]
    assert pattern.diagram in (tmp_path / "x" / "README.md").read_text()


def test_the_rag_pipeline_runs_like_the_assistant(tmp_path: Path) -> None:
    used = []
    for name in ("assistant", "rag_pipeline"):
        write_pattern(name, tmp_path / name)
        blueprint = load_checked(tmp_path / name / "blueprint.yaml")
        used.append({each.use for each in blueprint.components if each.use is not None})
        assert blueprint.knowledge.sources == ("docs",)
    assert used[0] == used[1]


def test_the_training_pipeline_trains_an_assistant_that_has_no_fault(tmp_path: Path) -> None:
    write_pattern("training-pipeline", tmp_path)
    linked = load_checked(tmp_path / "blueprint.yaml").component("assistant").config["blueprint"]
    assistant = load_checked(tmp_path / str(linked))
    assert all((tmp_path / data.path).is_file() for data in assistant.evaluation.datasets)
    assert any((tmp_path / source).is_dir() for source in assistant.knowledge.sources)


def test_an_empty_folder_is_filled_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inode = tmp_path.stat().st_ino
    write_pattern("assistant", Path())
    assert tmp_path.stat().st_ino == inode  # a shell that stands in it still does
    assert {path.name for path in tmp_path.iterdir()} == {"blueprint.yaml", "README.md", ".gitignore", "docs"}


def test_folders_above_are_made(tmp_path: Path) -> None:
    write_pattern("assistant", tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "blueprint.yaml").is_file()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("mine")
    with pytest.raises(UserError, match="is not an empty folder"):
        write_pattern("assistant", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]
    with pytest.raises(UserError, match="is not an empty folder"):
        write_pattern("assistant", tmp_path / ".hidden")


def test_an_unknown_pattern_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no pattern 'asistant'\. Did you mean 'assistant'\?"):
        write_pattern("asistant", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("there", [True, False])
def test_all_or_nothing(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "x"
    if there:
        folder.mkdir()
    renamed = 0
    rename = Path.replace if there else Path.rename

    def rename_once(path: Path, target: Path) -> Path:
        nonlocal renamed
        renamed += 1
        if renamed == (2 if there else 1):
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace" if there else "rename", rename_once)
    with pytest.raises(StorageError, match="No space left on device"):
        write_pattern("assistant", folder)
    assert list(tmp_path.rglob("*")) == ([folder] if there else [])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="cannot write to"):
        write_pattern("assistant", tmp_path / "file" / "x")
