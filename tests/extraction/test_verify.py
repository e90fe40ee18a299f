"""Each kind of tampering is found, in a line; what is untouched is proved."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.extraction.sample_results import PAGE, SCHEMA, invoice, pdf_of, scan_of

from asbuilt.documents.ocr_rapid import RapidOcr
from asbuilt.documents.pdf import PdfReader
from asbuilt.errors import MissingError, NotFoundError
from asbuilt.extraction.crops import from_png, to_png, with_crops
from asbuilt.extraction.folder import Origin, ResultFolder, read_results
from asbuilt.extraction.verify import VerifyReport, verify
from asbuilt.pages import PageLayout
from asbuilt.roles import Ocr

pytest.importorskip("onnxruntime")

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def ocr() -> Iterator[Ocr]:
    reader = RapidOcr(threads=1)
    reader.open()
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def pdf_reader() -> Iterator[PdfReader]:
    reader = PdfReader(workers=1)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the same page as PDF with a text layer, as picture, and as file without a look."""
    home = tmp_path_factory.mktemp("proved")
    folder = ResultFolder(home / "out", SCHEMA, version="1.0")
    scanned = replace(PAGE, kind="scan", words=tuple(replace(word, reader="rapidocr") for word in PAGE.words))
    stated = replace(
        PAGE,
        kind="drawn",
        words=tuple(
            replace(word, reader="file", place=f"Sheet1!A{number}") for number, word in enumerate(PAGE.words)
        ),
    )
    sheet = b"the sheet's bytes"
    for name, page, data in (
        ("text.pdf", PAGE, pdf_of(PAGE)),
        ("scan.png", scanned, scan_of(PAGE)),
        ("sheet.xlsx", stated, sheet),
    ):
        (home / name).write_bytes(data)
        digest = sha256(data).hexdigest()
        extraction = replace(invoice(page, document=name), content_hash=digest)
        if page is stated:
            extraction = replace(
                extraction,
                values=tuple(
                    value
                    if value.evidence is None
                    else replace(
                        value,
                        evidence=replace(value.evidence, place=page.words[value.evidence.words[0]].place),
                    )
                    for value in extraction.values
                ),
            )
        extraction, crops = with_crops(extraction, [page], data)
        folder.add(Origin(name, str(home / name), digest), extraction, pages=[page], crops=crops)
    folder.finish()
    return home


@pytest.fixture
def home(proved: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(proved, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def prove(ocr: Ocr, pdf_reader: PdfReader) -> Callable[[Path], VerifyReport]:
    def reread(name: str, data: bytes) -> Iterator[PageLayout]:
        if name.endswith(".pdf"):
            yield from pdf_reader.pages(data, name=name)
        else:
            words = tuple(
                replace(word, reader="file", place=f"Sheet1!A{number}")
                for number, word in enumerate(PAGE.words)
            )
            yield replace(PAGE, kind="drawn", words=words)

    return lambda home: verify(home / "out", reread=reread, ocr=ocr, sources=home)


def change(home: Path, name: str, how: Change) -> None:
    """Tamper with the JSON of one document."""
    (path,) = (home / "out").glob(f"{name}.*.json")
    raw = json.loads(path.read_text())
    how(raw)
    path.write_text(json.dumps(raw))


def stated(raw: dict[str, Any], path: str) -> dict[str, Any]:
    found: dict[str, Any] = next(value for value in raw["values"] if value["path"] == path)
    return found


def test_what_nobody_changed_is_proved(home: Path, prove: Callable[[Path], VerifyReport]) -> None:
    report = prove(home)
    assert [str(finding) for finding in report.findings] == []
    assert report.ok
    assert (report.documents, report.values, report.proved, report.given) == (3, 18, 18, 0)


def value_changed(raw: dict[str, Any]) -> None:
    stated(raw, "total")["value"] = raw["data"]["total"] = 9234.5


def quote_changed(raw: dict[str, Any]) -> None:
    value = stated(raw, "number")
    value["evidence"]["quote"] = value["value"] = raw["data"]["number"] = "INV-4712"


def box_moved(raw: dict[str, Any]) -> None:
    evidence = stated(raw, "number")["evidence"]
    evidence["boxes"] = [
        [left, top + 12, right, bottom + 12] for left, top, right, bottom in evidence["boxes"]
    ]


def box_taken_from_another(raw: dict[str, Any]) -> None:
    evidence = stated(raw, "lines[1].amount")["evidence"]
    other = stated(raw, "lines[0].amount")["evidence"]
    evidence["boxes"], evidence["crop"] = other["boxes"], other["crop"]


def evidence_removed(raw: dict[str, Any]) -> None:
    stated(raw, "number")["evidence"] = None


def data_changed(raw: dict[str, Any]) -> None:
    raw["data"]["total"] = 1.0


def data_added(raw: dict[str, Any]) -> None:
    raw["data"]["lines"].append({"item": "A gift", "amount": 100.0})


def not_found_with_a_value(raw: dict[str, Any]) -> None:
    stated(raw, "note")["value"] = raw["data"]["note"] = "paid"


def constraint_changed(raw: dict[str, Any]) -> None:
    raw["constraints"][0]["holds"] = False


def constraint_removed(raw: dict[str, Any]) -> None:
    raw["constraints"] = []


def row_removed(raw: dict[str, Any]) -> None:
    raw["values"] = [value for value in raw["values"] if not value["path"].startswith("lines[1]")]


def page_turned(raw: dict[str, Any]) -> None:
    raw["pages"][0]["rotation"] = 180


def reader_changed(raw: dict[str, Any]) -> None:
    stated(raw, "number")["evidence"]["reader"] = "rapidocr"


ANYWHERE: dict[Change, tuple[str, str]] = {
    value_changed: ("total", "9234.5"),
    quote_changed: ("number", "INV-4712"),
    box_moved: ("number", ""),
    box_taken_from_another: ("lines[1].amount", ""),
    evidence_removed: ("number", "it has no evidence"),
    data_changed: ("total", '"1.0"'),
    data_added: ("lines[2].item", "A gift"),
    not_found_with_a_value: ("note", "paid"),
    constraint_changed: ("sum(lines[].amount) == total", "holds"),
    constraint_removed: ("", "constraints"),
    row_removed: ("lines[1].item", "=cmd()"),
}


@pytest.mark.parametrize("how", ANYWHERE)
@pytest.mark.parametrize("name", ["text.pdf", "scan.png", "sheet.xlsx"])
def test_tampering_is_found(
    home: Path, prove: Callable[[Path], VerifyReport], name: str, how: Change
) -> None:
    change(home, name, how)
    report = prove(home)
    path, said = ANYWHERE[how]
    assert not report.ok
    lines = [str(finding) for finding in report.findings if finding.path == path]
    assert [line for line in lines if line.startswith(f"{name}: ") and said in line and "\n" not in line]
    assert {finding.document for finding in report.findings} == {name}


@pytest.mark.parametrize("how", [page_turned, reader_changed])
def test_a_look_that_is_not_the_pages_is_found(
    home: Path, prove: Callable[[Path], VerifyReport], how: Change
) -> None:
    name = "scan.png" if how is page_turned else "sheet.xlsx"
    change(home, name, how)
    assert {finding.document for finding in prove(home).findings} == {name}


def test_a_changed_crop_is_found(home: Path, prove: Callable[[Path], VerifyReport]) -> None:
    for stored in read_results(home / "out").documents[:2]:
        evidence = stored.extraction.values[0].evidence
        assert evidence is not None
        path = home / "out" / "crops" / f"{evidence.crop}.png"
        path.write_bytes(path.read_bytes() + b"x")
    found = [(finding.document, finding.path, finding.problem) for finding in prove(home).findings]
    assert found == [
        ("text.pdf", "number", "its crop was changed"),
        ("scan.png", "number", "its crop was changed"),
    ]
    for path in (home / "out" / "crops").iterdir():
        path.unlink()
    assert {finding.problem for finding in prove(home).findings} == {"its crop is missing"}


def test_a_crop_of_something_else_with_its_own_hash_is_found(
    home: Path, prove: Callable[[Path], VerifyReport]
) -> None:
    def forge(raw: dict[str, Any]) -> None:
        evidence = stated(raw, "total")["evidence"]
        crops = home / "out" / "crops"
        picture = from_png((crops / f"{evidence['crop']}.png").read_bytes())
        forged = to_png(picture[:, ::-1].copy())
        evidence["crop"] = sha256(forged).hexdigest()
        (crops / f"{evidence['crop']}.png").write_bytes(forged)

    change(home, "scan.png", forge)
    (finding,) = prove(home).findings
    assert (finding.path, finding.problem) == ("total", "its crop is not what the page shows at its boxes")


def test_a_source_that_is_missing_or_changed_is_found(
    home: Path, prove: Callable[[Path], VerifyReport]
) -> None:
    (home / "text.pdf").unlink()
    (home / "scan.png").write_bytes(b"another file")
    os.mkfifo(home / "sheet2.xlsx")
    (home / "sheet2.xlsx").replace(home / "sheet.xlsx")
    report = prove(home)
    assert [(finding.document, finding.problem) for finding in report.findings] == [
        ("text.pdf", "its file is missing"),
        ("scan.png", "its file has changed"),
        ("sheet.xlsx", "its file is missing"),
    ]
    assert report.proved == 0


def test_a_changed_schema_is_found(home: Path, prove: Callable[[Path], VerifyReport]) -> None:
    path = home / "out" / "manifest.json"
    raw = json.loads(path.read_text())
    raw["schema"]["source"]["properties"]["total"]["type"] = "string"
    path.write_text(json.dumps(raw))
    assert str(prove(home).findings[0]).startswith("manifest.json: its schema was changed")


def test_values_that_the_user_gave_are_counted(home: Path, prove: Callable[[Path], VerifyReport]) -> None:
    def give(raw: dict[str, Any]) -> None:
        value = stated(raw, "note")
        value |= {"status": "found", "value": "paid", "corrected": True}
        raw["data"]["note"] = "paid"

    change(home, "text.pdf", give)
    report = prove(home)
    assert (report.ok, report.values, report.proved, report.given) == (True, 19, 18, 1)


def test_a_repaired_reading_is_proved_by_what_was_read(
    home: Path, prove: Callable[[Path], VerifyReport]
) -> None:
    def repair(raw: dict[str, Any]) -> None:
        # As if the page said 1,234.50 and a constraint had made 1,234.60 of it.
        value, line = stated(raw, "total"), stated(raw, "lines[1].amount")
        before = dict(value["evidence"])
        value["value"] = raw["data"]["total"] = 1234.6
        value["evidence"]["quote"] = "1,234.60"
        line["value"] = raw["data"]["lines"][1]["amount"] = 34.5
        raw["repairs"] = [
            {"path": "total", "before": 1234.5, "after": 1234.6, "quote_before": "1,234.50",
             "quote_after": "1,234.60", "constraint": SCHEMA.constraints[0], "evidence": before}
        ]  # fmt: skip
        raw["constraints"][0]["holds"] = False

    change(home, "scan.png", repair)
    assert prove(home).ok


def test_what_is_missing_is_said(home: Path) -> None:
    with pytest.raises(NotFoundError):
        verify(home, reread=lambda name, data: [], ocr=None)
    with pytest.raises(MissingError, match=r"asbuilt\[ocr\]"):
        verify(home / "out", reread=lambda name, data: [PAGE], ocr=None, sources=home)
