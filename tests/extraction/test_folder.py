from __future__ import annotations

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from tests.extraction.sample_results import CONTENT_HASH, PAGE, SCHEMA, invoice

from asbuilt.errors import NotFoundError, ReadError, StorageError
from asbuilt.extraction.crops import to_png, with_crops
from asbuilt.extraction.folder import Origin, ResultFolder, read_results
from asbuilt.fields import Extraction
from asbuilt.roles import Image

ORIGIN = Origin(
    "invoice.pdf", "in/invoice.pdf", CONTENT_HASH, "application/pdf", "reader/pdf", "pdf 1", ("layout 1",)
)


def grey(data: bytes, **about: object) -> Image:
    """A picture of any place: its level is the place's."""
    box = about["box"]
    assert isinstance(box, tuple)
    return np.full((4, 4, 3), int(box[0]) % 256, np.uint8)


def write(folder: Path, *, version: str = "1.0") -> ResultFolder:
    results = ResultFolder(folder, SCHEMA, version=version)
    extraction, crops = with_crops(invoice(), [PAGE], b"", picture=grey)
    results.add(ORIGIN, extraction, pages=[PAGE], crops=crops)
    results.finish({"results.csv": b"a,b\n"})
    return results


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = write(tmp_path / "out")
    results = read_results(tmp_path / "out")
    (stored,) = results.documents
    assert [stored.extraction] == written.extractions
    assert stored.origin == ORIGIN
    assert (stored.pages[0].number, stored.pages[0].width, stored.pages[0].kind) == (1, PAGE.width, "text")
    assert (results.schema, results.digest, results.version) == (SCHEMA.source, SCHEMA.digest, "1.0")
    for value in stored.extraction.values:
        if value.evidence is not None:
            crop = results.crop(value.evidence.crop)
            assert crop is not None
            assert sha256(crop).hexdigest() == value.evidence.crop


def test_a_rerun_is_equal_to_the_byte_and_leaves_nothing_aside(tmp_path: Path) -> None:
    write(tmp_path / "one")
    first = contents(tmp_path / "one")
    write(tmp_path / "one")
    write(tmp_path / "two")
    assert first == contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not [name for name in first if name.startswith(".")]


def test_done_work_is_taken_over_only_where_nothing_changed(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "manifest.json").unlink()  # as if it was killed
    again = ResultFolder(tmp_path, SCHEMA, version="1.0")
    elsewhere = replace(ORIGIN, source="moved/invoice.pdf")
    assert again.done(elsewhere) == again.extractions[0]
    again.finish()
    assert read_results(tmp_path).documents[0].origin == elsewhere
    for other in (
        replace(ORIGIN, content_hash="0" * 64),
        replace(ORIGIN, recipe="pdf 2"),
        replace(ORIGIN, reader="reader/image"),
        replace(ORIGIN, extractors=("layout 2",)),
        replace(ORIGIN, learned="a correction"),
        replace(ORIGIN, document="other.pdf"),
    ):
        assert ResultFolder(tmp_path, SCHEMA, version="1.0").done(other) is None
    assert ResultFolder(tmp_path, SCHEMA, version="1.1").done(ORIGIN) is None
    assert ResultFolder(tmp_path, replace(SCHEMA, digest="e" * 64), version="1.0").done(ORIGIN) is None


def test_what_is_damaged_or_without_its_crops_is_done_again(tmp_path: Path) -> None:
    write(tmp_path / "whole")
    (stored,) = read_results(tmp_path / "whole").documents
    for damage in (b"", b"{", b"[]", b'{"made": {}}', b"\xff"):
        shutil.copytree(tmp_path / "whole", tmp_path / "out", dirs_exist_ok=True)
        (tmp_path / "out" / stored.file).write_bytes(damage)
        assert ResultFolder(tmp_path / "out", SCHEMA, version="1.0").done(ORIGIN) is None
    next((tmp_path / "whole" / "crops").iterdir()).unlink()
    assert ResultFolder(tmp_path / "whole", SCHEMA, version="1.0").done(ORIGIN) is None


def test_faults_are_kept_and_tried_again(tmp_path: Path) -> None:
    results = ResultFolder(tmp_path, SCHEMA, version="1.0")
    origin = Origin("bad.pdf", "in/bad.pdf", "")
    results.add(origin, Extraction("bad.pdf", "", SCHEMA.digest, fault="it is encrypted"))
    results.finish()
    assert read_results(tmp_path).documents[0].extraction.fault == "it is encrypted"
    assert ResultFolder(tmp_path, SCHEMA, version="1.0").done(origin) is None


def test_names_are_safe_and_never_meet(tmp_path: Path) -> None:
    results = ResultFolder(tmp_path / "out", SCHEMA, version="1.0")
    names = [
        "../../etc/passwd",
        "a/b.pdf",
        "a_b.pdf",
        "",
        ".",
        "x" * 500,
        "con\0.pdf",
        "ü 1.pdf",
        "manifest.json",
    ]
    for name in names:
        origin = Origin(name, name, CONTENT_HASH)
        results.add(origin, Extraction(name, CONTENT_HASH, SCHEMA.digest))
    results.finish()
    assert [stored.origin.document for stored in read_results(tmp_path / "out").documents] == names
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "out"}
    assert len(list((tmp_path / "out").glob("*.json"))) == len(names) + 1


def test_what_is_no_folder_of_results_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"has no manifest\.json"):
        read_results(tmp_path)
    for damage in ("", "[]", "{}", '{"format": 2}', '{"format": 1}', "[" * 100_000):
        (tmp_path / "manifest.json").write_text(damage)
        with pytest.raises(ReadError) as raised:
            read_results(tmp_path)
        assert "\n" not in str(raised.value)
    write(tmp_path)
    raw = json.loads((tmp_path / "manifest.json").read_text())
    raw["documents"][0]["file"] = "../secret.json"
    (tmp_path / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(ReadError, match="damaged"):
        read_results(tmp_path)


def test_a_disk_that_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StorageError, match="cannot write"):
        write(tmp_path / "out")


def test_pages_without_a_look_have_no_crops() -> None:
    drawn = replace(PAGE, kind="drawn")
    extraction, crops = with_crops(invoice(drawn), [drawn], b"", picture=grey)
    assert not crops
    assert extraction == invoice(drawn)


def test_pictures_are_equal_to_the_byte() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    assert to_png(noise) == to_png(noise.copy())
