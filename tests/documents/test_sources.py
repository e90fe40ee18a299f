from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from asbuilt.documents import Sources, find_sources, read_bytes
from asbuilt.errors import LimitError, NotFoundError, ReadError, UnsafePathError, UserError

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """docs/{a.md, b.txt, sub/{c.md, deep/d.md}, .hidden, .git/config} beside secret.txt."""
    for name in ("a.md", "b.txt", "sub/c.md", "sub/deep/d.md", ".hidden", ".git/config", "CVS/Root"):
        file = tmp_path / "docs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "docs"


def found(sources: Sources, base: Path) -> list[str]:
    """Sources without a problem, relative to `base`."""
    return [Path(file.source).relative_to(base).as_posix() for file in sources.files if file.problem is None]


def problems(sources: Sources) -> dict[str, Exception]:
    return {Path(file.shown).name: file.problem for file in sources.files if file.problem}


def test_a_folder_means_all_below_it_in_order(docs: Path) -> None:
    sources = find_sources([docs])
    assert found(sources, docs) == ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md"]
    assert [file.source for file in sources.files] == sorted(file.source for file in sources.files)
    assert sources.listed == (docs.as_posix(),)
    first = sources.files[0]
    assert (first.path, first.size) == (docs / "a.md", 4)


def test_what_is_hidden_or_version_control_is_skipped_and_said(docs: Path) -> None:
    skipped = {Path(skip.shown).name: skip.reason for skip in find_sources([docs]).skipped}
    assert skipped == {".hidden": "hidden", ".git": "hidden", "CVS": "version control"}


def test_an_argument_may_name_what_is_hidden(docs: Path) -> None:
    assert found(find_sources([docs / ".hidden", docs / ".git"]), docs) == [".git/config", ".hidden"]


def test_the_same_file_counts_once_and_keeps_the_way_it_was_given(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(docs.parent)
    sources = find_sources(["docs/a.md", "docs", str(docs / "a.md")])
    assert found(sources, docs) == ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md"]
    assert [file.shown for file in sources.files] == [
        "docs/a.md",
        "docs/b.txt",
        "docs/sub/c.md",
        "docs/sub/deep/d.md",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("docs/*.md", ["a.md"]),
        ("docs/**/*.md", ["a.md", "sub/c.md", "sub/deep/d.md"]),
        ("docs/s*", ["sub/c.md", "sub/deep/d.md"]),
        ("docs/[ab].*", ["a.md", "b.txt"]),
        ("docs/*/?.md", ["sub/c.md"]),
        ("docs/**", ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md"]),
        ("docs/.git/*", [".git/config"]),
    ],
)
def test_globs(docs: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, expected: list[str]) -> None:
    monkeypatch.chdir(docs.parent)
    sources = find_sources([pattern])
    assert found(sources, docs) == expected
    assert sources.listed == ()  # a glob never vouches for what it did not match


@pytest.mark.parametrize("pattern", ["docs/*.pdf", "docs/*config", "docs/**x", "docs/*/../../*", "nowhere/*"])
def test_a_glob_without_matches_is_the_users_mistake(
    docs: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.chdir(docs.parent)
    with pytest.raises(UserError):
        find_sources([pattern])


def test_a_name_with_wildcards_that_exists_is_that_file(docs: Path) -> None:
    (docs / "[ab].md").write_text("x")
    assert found(find_sources([docs / "[ab].md"]), docs) == ["[ab].md"]


@pytest.mark.parametrize("argument", ["docs/none.md", "a\0b", "loop"])
def test_an_argument_that_does_not_exist(docs: Path, monkeypatch: pytest.MonkeyPatch, argument: str) -> None:
    monkeypatch.chdir(docs.parent)
    Path("loop").symlink_to("loop")
    with pytest.raises(NotFoundError):
        find_sources([argument])


def test_links_inside_the_root_are_followed_once(docs: Path) -> None:
    (docs / "alias.md").symlink_to(docs / "a.md")
    (docs / "sub" / "up").symlink_to(docs)
    (docs / "again").symlink_to(docs / "sub")
    sources = find_sources([docs])
    assert found(sources, docs) == ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md"]
    assert problems(sources) == {}
    assert {skip.reason for skip in sources.skipped} >= {"a folder that is already listed"}


def test_links_out_of_the_root_are_problems_of_their_own(docs: Path) -> None:
    (docs / "out.txt").symlink_to(docs.parent / "secret.txt")
    (docs / "up").symlink_to(docs.parent)
    (docs / "gone.md").symlink_to(docs / "nothing")
    (docs / "loop").symlink_to(docs / "loop")
    sources = find_sources([docs])
    assert found(sources, docs) == ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md"]
    assert {name: type(problem) for name, problem in problems(sources).items()} == {
        "out.txt": UnsafePathError,
        "up": UnsafePathError,
        "gone.md": ReadError,
        "loop": ReadError,
    }


def test_links_to_what_is_hidden_are_skipped(docs: Path) -> None:
    (docs / "config.txt").symlink_to(docs / ".git" / "config")
    sources = find_sources([docs])
    assert "a link to something hidden" in {skip.reason for skip in sources.skipped}
    assert found(sources, docs) == ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md"]


def test_special_files_are_never_opened(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(docs / "pipe")
    monkeypatch.chdir(docs)  # a socket's address must be short
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("socket")
        reasons = {name: str(problem) for name, problem in problems(find_sources([docs])).items()}
    assert "a FIFO" in reasons["pipe"]
    assert "a socket" in reasons["socket"]
    assert "a character device" in str(find_sources(["/dev/null"]).files[0].problem)


def test_the_size_limit_comes_before_reading(docs: Path) -> None:
    with (docs / "large.txt").open("wb") as file:
        file.truncate(200 * 2**20)
    problem = problems(find_sources([docs]))["large.txt"]
    assert isinstance(problem, LimitError)
    assert "209,715,200 bytes, over the limit of 52,428,800" in str(problem)


@pytest.mark.skipif(IS_ROOT, reason="root may list every folder")
def test_an_unreadable_folder_is_a_problem_and_is_not_vouched_for(docs: Path) -> None:
    (docs / "sub").chmod(0)
    try:
        sources = find_sources([docs])
    finally:
        (docs / "sub").chmod(0o755)
    assert found(sources, docs) == ["a.md", "b.txt"]
    assert "cannot be listed" in str(problems(sources)["sub"])
    assert sources.listed == ()


def test_a_folder_that_cannot_be_listed(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Path.iterdir

    def iterdir(path: Path) -> object:
        if path.name == "sub":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    sources = find_sources([docs])
    assert found(sources, docs) == ["a.md", "b.txt"]
    assert "cannot be listed: Permission denied" in str(problems(sources)["sub"])
    assert sources.listed == ()


def test_a_name_that_is_not_utf8_is_a_problem(docs: Path) -> None:
    odd = os.fsencode(docs) + b"/caf\xe9.txt"
    try:
        with open(odd, "wb") as file:  # noqa: PTH123  (a Path cannot hold every name)
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (candidate,) = (file for file in find_sources([docs]).files if file.problem)
    assert "not UTF-8" in str(candidate.problem)
    candidate.source.encode()
    candidate.shown.encode()


class TestRoots:
    def test_arguments_inside_are_taken(self, docs: Path) -> None:
        assert found(find_sources([docs / "sub"], roots=[docs]), docs) == ["sub/c.md", "sub/deep/d.md"]
        assert found(find_sources([f"{docs}/*.md"], roots=[docs.parent, docs]), docs) == ["a.md"]

    @pytest.mark.parametrize(
        "argument",
        ["secret.txt", "docs/../secret.txt", "docs/.git/config", "docs/.hidden", "*.txt", "missing", "/"],
    )
    def test_arguments_outside_or_hidden_are_refused(
        self, docs: Path, monkeypatch: pytest.MonkeyPatch, argument: str
    ) -> None:
        monkeypatch.chdir(docs.parent)
        with pytest.raises(UnsafePathError):
            find_sources([argument], roots=[docs])

    def test_a_link_that_leaves_the_root_is_refused_as_an_argument(self, docs: Path) -> None:
        (docs / "out.txt").symlink_to(docs.parent / "secret.txt")
        with pytest.raises(UnsafePathError):
            find_sources([docs / "out.txt"], roots=[docs])

    def test_a_link_may_lead_from_the_argument_to_elsewhere_in_the_root(self, docs: Path) -> None:
        (docs / "sub" / "a.md").symlink_to(docs / "a.md")
        assert found(find_sources([docs / "sub"], roots=[docs]), docs) == [
            "a.md",
            "sub/c.md",
            "sub/deep/d.md",
        ]

    def test_without_any_root_nothing_is_allowed(self, docs: Path) -> None:
        with pytest.raises(UnsafePathError, match="none"):
            find_sources([docs], roots=[])


class TestReadBytes:
    def test_reads_all_of_a_file(self, tmp_path: Path) -> None:
        data = os.urandom(3_000_000)
        (tmp_path / "file").write_bytes(data)
        assert read_bytes(tmp_path / "file") == data

    def test_a_file_that_vanished(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="No such file"):
            read_bytes(tmp_path / "gone")

    def test_a_file_over_the_limit(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"12345")
        with pytest.raises(ReadError, match="over the limit of 4"):
            read_bytes(tmp_path / "file", max_file_bytes=4)

    def test_what_became_a_link_a_folder_or_a_fifo(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        (tmp_path / "link").symlink_to(tmp_path / "file")
        os.mkfifo(tmp_path / "pipe")
        for name in ("link", "pipe", "."):
            with pytest.raises(ReadError):
                read_bytes(tmp_path / name)

    @pytest.mark.parametrize("change", ["append", "cut", "rewrite", "delete"])
    def test_a_file_that_changes_while_it_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        """The change is made between the two looks at the file's status, as another process would."""
        file = tmp_path / "file"
        file.write_bytes(b"x" * 100_000)
        os.utime(file, (1, 1))
        real = os.fstat
        looks: list[int] = []

        def fstat(descriptor: int) -> os.stat_result:
            status = real(descriptor)
            looks.append(descriptor)
            if len(looks) == 1:
                if change == "append":
                    with file.open("ab") as stream:
                        stream.write(b"more")
                elif change == "cut":
                    os.truncate(file, 10)
                elif change == "rewrite":
                    file.write_bytes(b"y" * 100_000)
                else:
                    file.unlink()
            return status

        monkeypatch.setattr(os, "fstat", fstat)
        with pytest.raises(ReadError, match="while it was read"):
            read_bytes(file)
