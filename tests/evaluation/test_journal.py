"""Runs on disk: nothing that was done is lost, and nothing half written is believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import NotFoundError, StorageError
from asbuilt.evaluation.journal import Runs, ensure_writable, write_whole
from asbuilt.evaluation.outcome import Outcome, Passage

ABOUT = {"fingerprint": "f" * 64}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PASSAGES = st.lists(st.builds(Passage, TEXT, st.integers(0), st.integers(0), TEXT), max_size=3).map(tuple)
OUTCOMES = st.builds(
    Outcome,
    TEXT,
    TEXT,
    st.sampled_from(["retrieve", "answer"]),
    TEXT,
    st.floats(0, 1e9),
    passages=PASSAGES,
    text=TEXT,
    refused=st.booleans(),
    citations=st.lists(st.booleans(), max_size=3).map(tuple),
    error=TEXT,
)


def outcome(case_id: str, text: str = "yes") -> Outcome:
    return Outcome("system", "known", "answer", case_id, 1.5, text=text)


@given(OUTCOMES)
def test_an_outcome_reads_back_as_it_was(given: Outcome) -> None:
    assert Outcome.from_json(given.to_json()) == given


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "evaluation")
    with runs.begin(ABOUT) as journal:
        journal.add(outcome("a"))
        journal.add(outcome("b"))
        first = journal.name
    with runs.begin(ABOUT) as journal:
        assert journal.name == first
        assert [key[-1] for key in journal.outcomes] == ["a", "b"]


def test_a_run_has_one_writer(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with runs.begin(ABOUT) as first:
        with pytest.raises(StorageError, match="another evaluation"), runs.begin(ABOUT):
            pass
        with runs.begin(ABOUT, fresh=True) as second:
            assert second.name != first.name
    with runs.begin(ABOUT) as again:
        assert again.name == second.name


def test_a_line_cut_off_by_a_kill_is_done_again(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with runs.begin(ABOUT) as journal:
        journal.add(outcome("a"))
        file = journal.folder / "outcomes.jsonl"
    with file.open("a") as stream:
        stream.write('{"subject": "system", "da')
    with runs.begin(ABOUT) as journal:
        assert [key[-1] for key in journal.outcomes] == ["a"]
        journal.add(outcome("b"))
    with runs.begin(ABOUT) as journal:
        assert [key[-1] for key in journal.outcomes] == ["a", "b"]


@pytest.mark.parametrize(("about", "fresh"), [({"fingerprint": "0" * 64}, False), (ABOUT, True)])
def test_another_design_or_a_fresh_start_is_another_run(
    tmp_path: Path, about: dict[str, str], fresh: bool
) -> None:
    runs = Runs(tmp_path)
    with runs.begin(ABOUT) as journal:
        first = journal.name
    with runs.begin(about, fresh=fresh) as journal:
        assert journal.name != first


def test_a_finished_run_is_kept_and_not_continued(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with runs.begin(ABOUT) as journal:
        report = journal.finish({"run": journal.name, "measurements": []}, "<html>")
    assert report.read_text() == "<html>"
    assert runs.result("last")["run"] == runs.names()[0]
    with runs.begin(ABOUT) as journal:
        assert journal.name not in runs.names()


def test_an_unknown_run_is_named_with_the_known_ones(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with pytest.raises(NotFoundError, match="No run is finished yet"):
        runs.result("last")
    with runs.begin(ABOUT) as journal:
        journal.finish({"run": journal.name}, "")
    with pytest.raises(NotFoundError, match=f"'yesterday'.*{journal.name}"):
        runs.result("yesterday")


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "evaluation").write_text("a file stands in the way")
    with pytest.raises(StorageError, match="evaluation"):
        Runs(tmp_path / "evaluation").begin(ABOUT)
    (tmp_path / "file").touch()
    for folder in ("missing", "file"):
        with pytest.raises(StorageError, match=r"report\.html"):
            write_whole(tmp_path / folder / "report.html", "text")


@pytest.mark.parametrize("place", ["missing/new", "file/new", "folder", ".", "/", "/proc/new"])
def test_what_cannot_be_written_is_known_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        ensure_writable(Path(place))
    ensure_writable(Path("folder/report.html"))
    ensure_writable(Path("file"))
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["file", "folder"]


def test_results_that_cannot_be_read_are_left_out_of_the_trend(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    for _ in range(3):
        with runs.begin(ABOUT) as journal:
            journal.finish({"run": journal.name}, "")
    first, second, third = runs.names()
    (tmp_path / second / "result.json").write_text("{half")
    assert [each["run"] for each in runs.latest(3)] == [first, third]
    assert [each["run"] for each in runs.latest(1)] == [third]
