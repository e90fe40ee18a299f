from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.extraction.sample_results import PAGE, SCHEMA, invoice

from asbuilt.errors import UserError
from asbuilt.extraction.corrections import Correction, Corrections, corrected, correction_of
from asbuilt.fields import ExtractedValue, Extraction
from asbuilt.pages import PageLayout


def correct(path: str, after: object, pages: tuple[PageLayout, ...] = (PAGE,)) -> Correction:
    return correction_of(invoice(), path, after, schema=SCHEMA, pages=pages)


def value_of(extraction: Extraction, path: str) -> ExtractedValue:
    return next(value for value in extraction.values if value.path == path)


def test_the_words_of_a_corrected_value_are_found() -> None:
    correction = correct("total", 34.5)
    assert (correction.page, correction.words, correction.quote) == (1, (9,), "34.50")
    assert correct("lines[0].item", "Oak  SHELF").words == (5, 6)
    assert correct("number", "on no page").words == ()


def test_of_several_places_the_nearest_to_the_old_one_is_taken() -> None:
    later = replace(PAGE, number=2)
    assert correct("total", 1200.0, (later, PAGE)).page == 1


def test_a_correction_holds_in_the_next_run() -> None:
    done = corrected(invoice(), [correct("total", 34.5)], schema=SCHEMA, pages=[PAGE])
    value = value_of(done, "total")
    assert (value.value, value.status, value.corrected, value.confidence) == (34.5, "found", True, 1.0)
    assert value.evidence is not None
    assert value.evidence.boxes == PAGE.boxes([9])
    assert done.data["total"] == 34.5
    assert invoice().data["total"] == 1234.5
    assert done.constraints[0].holds is False


def test_what_is_not_there_and_what_stands_nowhere() -> None:
    done = corrected(
        invoice(), [correct("number", None), correct("note", "by phone")], schema=SCHEMA, pages=[PAGE]
    )
    assert (value_of(done, "number").status, done.data["number"]) == ("not_found", None)
    note = value_of(done, "note")
    assert (note.value, note.evidence, note.corrected) == ("by phone", None, True)


def test_a_row_that_was_missed_can_be_added() -> None:
    done = corrected(invoice(), [correct("lines[2].amount", 34.5)], schema=SCHEMA, pages=[PAGE])
    assert done.data["lines"][2] == {"amount": 34.5}
    assert value_of(done, "lines[2].amount").kind == "number"


def test_no_correction_changes_nothing() -> None:
    assert corrected(invoice(), [], schema=SCHEMA, pages=[PAGE]) == invoice()


def test_a_path_that_the_schema_lacks_is_refused() -> None:
    with pytest.raises(UserError, match=r"no value 'totl'.*It has: number, total"):
        correct("totl", 1)


def test_the_file_is_added_to_and_the_last_word_counts(tmp_path: Path) -> None:
    corrections = Corrections(tmp_path / "state" / "corrections.jsonl")
    assert corrections.all() == []
    first, second, other = correct("total", 34.5), correct("total", 1234.5), correct("note", None)
    for each in (first, second, other, replace(first, content_hash="another")):
        corrections.add(each)
    hashes = (invoice().content_hash, SCHEMA.digest)
    assert corrections.of(*hashes) == [other, second]
    assert corrections.digest(*hashes) != ""
    assert corrections.digest("unknown", SCHEMA.digest) == ""
    with (tmp_path / "state" / "corrections.jsonl").open("ab") as file:
        file.write(b'{"schema": "cut o')  # killed while it was written
    assert len(corrections.all()) == 4


def test_a_confirmation_is_right() -> None:
    assert correct("total", 1234.5).right
    assert not correct("total", 34.5).right
