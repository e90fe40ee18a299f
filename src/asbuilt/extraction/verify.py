"""Every value of a folder of results proved again, offline, from the file that it was taken from.

For each value, in this order; the first that fails is reported (a missing file once a document):

1. The file that it was taken from is there, with the hash that is stated, and it has evidence.
2. Words that the file states (a text layer, a sheet): the file is read again, and the words in the
   stated boxes are the quote.
3. Words with a look: the crop has its hash, is what the page shows at the boxes, and OCR reads the
   quote there. What counts as the same reading stands in `agreement`; for numbers, dates and truth
   values the readings must mean the same value.
4. The value follows from the quote, and stands in the document's `data`.

Then, for the document: nothing is in `data` without a value, and the constraints come out as stated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz import fuzz

from asbuilt.documents.render import page_picture
from asbuilt.documents.sources import read_bytes
from asbuilt.errors import AsbuiltError, MissingError, ReadError
from asbuilt.extraction.agreement import agree, plain
from asbuilt.extraction.constraints import check_constraints
from asbuilt.extraction.crops import CROP_DPI, PagePicture, crop_box, from_png
from asbuilt.extraction.folder import Results, StoredResult, read_results
from asbuilt.extraction.reread import readings
from asbuilt.extraction.schema import load_schema
from asbuilt.extraction.values import follows
from asbuilt.fields import Evidence, ExtractedValue, Extraction, Field, FieldSchema
from asbuilt.pages import Box, PageLayout, union
from asbuilt.roles import Image, Ocr

__all__ = ["Finding", "Rereader", "VerifyReport", "verify"]

_SAME_LEVELS = 4.0
"""Mean difference, of 255 levels, that drawing a page with another version may make. A box moved by
a point changes a crop of text by 10 and more."""
_SAME_PLACE_PT = 0.5

Rereader = Callable[[str, bytes], Iterable[PageLayout]]
"""A file's name and bytes -> its pages, read anew; OCR need not be done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is stated and could not be proved."""

    document: str
    path: str
    problem: str
    stated: str = ""
    read: str = ""

    def __str__(self) -> str:
        """One line, whatever stands in the document."""
        parts = [
            f"{self.document}: {self.path}: {self.problem}"
            if self.path
            else f"{self.document}: {self.problem}"
        ]
        if self.stated or self.read:
            parts.append(f"stated {_short(self.stated)}, read {_short(self.read)}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """`proved` of `values` values were read again and agree; `given` were typed in by the user, who
    named no place. What is left was not proved, and is among `findings`."""

    documents: int
    values: int
    proved: int
    given: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


def verify(
    folder: Path,
    *,
    reread: Rereader,
    ocr: Ocr | None,
    second: Ocr | None = None,
    sources: Path | None = None,
    picture: PagePicture = page_picture,
    on_document: Callable[[str], None] | None = None,
) -> VerifyReport:
    """Prove what `folder` states. Files are looked for at their stated paths, or under `sources`.

    Raises NotFoundError or ReadError when `folder` holds no results, and MissingError when there are
    pictures to read and no `ocr`.
    """
    results = read_results(folder)
    findings: list[Finding] = []
    schema = _schema(results, findings)
    values = proved = given = 0
    readers = [reader for reader in (ocr, second) if reader is not None]
    for stored in results.documents:
        if on_document is not None:
            on_document(stored.origin.document)
        proof = _DocumentProof(results, stored, schema, reread, readers, sources, picture)
        for value in stored.extraction.values:
            if value.status == "not_found":
                findings.extend(proof.absent(value))
                continue
            values += 1
            if value.corrected and value.evidence is None:
                given += 1
                continue
            if proof.source_missing:
                continue
            finding = proof.first_fault(value)
            if finding is None:
                proved += 1
            else:
                findings.append(finding)
        findings.extend(proof.whole())
    return VerifyReport(len(results.documents), values, proved, given, tuple(findings))


@dataclass(slots=True)
class _DocumentProof:
    """What is needed again and again while one document's values are proved."""

    results: Results
    stored: StoredResult
    schema: FieldSchema | None
    reread: Rereader
    readers: Sequence[Ocr]
    sources: Path | None
    picture: PagePicture
    _source: bytes | None = None
    _source_fault: Finding | None = None
    _pages: dict[int, PageLayout] = field(default_factory=dict)
    _unread: Iterator[PageLayout] | None = None

    @property
    def extraction(self) -> Extraction:
        return self.stored.extraction

    @property
    def source_missing(self) -> bool:
        """Then nothing can be proved, and `whole` says so once."""
        return self._bytes() is None

    def absent(self, value: ExtractedValue) -> Iterator[Finding]:
        """A value that was not found states nothing."""
        if value.value is not None or value.evidence is not None:
            yield self._finding(value, "it is not_found, and has a value", value.value, "")
        yield from self._in_data(value)

    def first_fault(self, value: ExtractedValue) -> Finding | None:
        evidence = value.evidence
        if evidence is None:
            return self._finding(value, "it has no evidence", value.value, "")
        return next(
            chain(
                self._from_source(value, evidence),
                self._from_crop(value, evidence),
                self._from_quote(value, evidence),
                self._in_data(value),
            ),
            None,
        )

    def whole(self) -> Iterator[Finding]:
        """What concerns no single value."""
        extraction = self.extraction
        if extraction.fault:
            return
        if extraction.content_hash != self.stored.origin.content_hash:
            yield Finding(
                extraction.document, "", "its hash is not the manifest's",
                extraction.content_hash, self.stored.origin.content_hash,
            )  # fmt: skip
        if self.source_missing and self._source_fault is not None:
            yield self._source_fault
        known = {value.path for value in extraction.values}
        for path, leaf in _leaves(extraction.data):
            if path not in known and leaf is not None:
                yield Finding(extraction.document, path, "data has it without a value", str(leaf), "nothing")
        if self.schema is None:
            return
        again = check_constraints(self.schema, extraction.values)
        if len(again) != len(extraction.constraints):
            yield Finding(
                extraction.document, "", "constraints are missing or too many",
                str(len(extraction.constraints)), str(len(again)),
            )  # fmt: skip
        for was, now in zip(extraction.constraints, again, strict=False):
            if (was.expression, was.holds) != (now.expression, now.holds):
                yield Finding(
                    extraction.document, was.expression, "the constraint comes out differently",
                    _holds(was.holds), f"{_holds(now.holds)} {now.message}".strip(),
                )  # fmt: skip

    def _from_source(self, value: ExtractedValue, evidence: Evidence) -> Iterator[Finding]:
        """Step 2."""
        if evidence.reader not in ("text-layer", "file"):
            return
        try:
            page = self._page(evidence.page)
        except AsbuiltError as error:
            yield self._finding(value, "its page cannot be read again", evidence.quote, str(error))
            return
        words = [
            word
            for word in page.words
            if word.reader == evidence.reader
            and any(box.overlap(word.box) > 0.5 * word.box.area for box in evidence.boxes)
        ]
        read = " ".join(word.text for word in words)
        if not _quoted(evidence.quote, read):
            yield self._finding(
                value, f"the words at its boxes on page {page.number} differ", evidence.quote, read
            )
        elif not _same_place(union(evidence.boxes), union(word.box for word in words)):
            yield self._finding(
                value, f"its boxes are not those of its words on page {page.number}",
                union(evidence.boxes), union(word.box for word in words).rounded(),
            )  # fmt: skip
        elif evidence.place and evidence.place not in {word.place for word in words}:
            places = ", ".join(sorted({word.place for word in words}))
            yield self._finding(value, "its place differs", evidence.place, places)

    def _from_crop(self, value: ExtractedValue, evidence: Evidence) -> Iterator[Finding]:
        """Step 3."""
        page = next((page for page in self.stored.pages if page.number == evidence.page), None)
        if page is None or not evidence.boxes:
            yield self._finding(
                value, "its page or its boxes are not stated", f"page {evidence.page}", "nothing"
            )
            return
        if page.kind == "drawn":
            if evidence.reader != "file":
                yield self._finding(
                    value, "a page without a look has other words than the file's", evidence.reader, "file"
                )
            return
        content = self.results.crop(evidence.crop)
        if content is None:
            yield self._finding(value, "its crop is missing", evidence.crop, "no such file")
            return
        if (digest := sha256(content).hexdigest()) != evidence.crop:
            yield self._finding(value, "its crop was changed", evidence.crop, digest)
            return
        where = crop_box(evidence.boxes, page)
        try:
            crop = from_png(content)
            shown = self.picture(
                self._bytes(), name=self.extraction.document, page=page, dpi=CROP_DPI, box=where
            )
        except ReadError as error:
            yield self._finding(value, "its place cannot be drawn again", evidence.crop, str(error))
            return
        if not _same_picture(crop, shown):
            yield self._finding(
                value,
                "its crop is not what the page shows at its boxes",
                f"crop {evidence.crop[:12]}",
                "another picture",
            )
            return
        if not self.readers:
            raise MissingError(
                "crops are to be read again, and no OCR is installed.", hint="pip install asbuilt[ocr]"
            )
        yield from self._by_ocr(value, evidence, crop, where)

    def _by_ocr(
        self, value: ExtractedValue, evidence: Evidence, crop: Image, where: Box
    ) -> Iterator[Finding]:
        seen: list[str] = []
        for reading in readings(crop, evidence.boxes, where, self.readers):
            if self._reads_as(value, evidence, reading):
                return
            seen.append(reading)
        best = max(seen, key=lambda reading: _likeness(evidence.quote, reading))
        yield self._finding(value, "its crop reads otherwise", evidence.quote, best)

    def _reads_as(self, value: ExtractedValue, evidence: Evidence, reading: str) -> bool:
        stated = {evidence.quote, *self._quotes_before(value)}
        if value.kind in ("string", "enum"):
            return any(agree(quote, reading) for quote in stated)
        if any(plain(quote) == plain(reading) != "" for quote in stated):
            return True
        leaf = self._field(value)
        return leaf is not None and value.value is not None and follows(leaf, reading, value.value)

    def _quotes_before(self, value: ExtractedValue) -> Iterator[str]:
        """What readers saw where a constraint chose another reading."""
        return (repair.quote_before for repair in self.extraction.repairs if repair.path == value.path)

    def _from_quote(self, value: ExtractedValue, evidence: Evidence) -> Iterator[Finding]:
        """Step 4, first half."""
        leaf = self._field(value)
        if self.schema is not None and leaf is None:
            yield self._finding(value, "the schema has no such path", value.value, "nothing")
        elif leaf is not None and not follows(leaf, evidence.quote, value.value):
            yield self._finding(
                value, "the value does not follow from its quote", value.value, evidence.quote
            )

    def _in_data(self, value: ExtractedValue) -> Iterator[Finding]:
        """Step 4, second half."""
        stated = dict(_leaves(self.extraction.data)).get(value.path)
        if stated != value.value or type(stated) is not type(value.value):
            yield self._finding(value, "data has another value", value.value, stated)

    def _field(self, value: ExtractedValue) -> Field | None:
        if self.schema is None:
            return None
        path = _leaf_path(value.path)
        return next((each for each in self.schema.fields if each.path == path), None)

    def _bytes(self) -> bytes | None:
        """The source file; None, and a fault, when it is not there or not the one."""
        if self._source is None and self._source_fault is None:
            origin = self.stored.origin
            try:
                self._source = read_bytes(_found(origin.source, origin.document, self.sources))
            except ReadError as error:
                self._source_fault = Finding(
                    origin.document, "", "its file is missing", origin.source, error.message
                )
                return None
            digest = sha256(self._source).hexdigest()
            if digest != origin.content_hash:
                self._source = None
                self._source_fault = Finding(
                    origin.document, "", "its file has changed", origin.content_hash, digest
                )
        return self._source

    def _page(self, number: int) -> PageLayout:
        """A page, read anew; pages are read in order, and only as far as is needed."""
        if self._unread is None:
            self._unread = iter(self.reread(self.extraction.document, self._bytes() or b""))
        while number not in self._pages:
            page = next(self._unread, None)
            if page is None:
                raise ReadError(f"there is no page {number}.")
            self._pages[page.number] = page
        return self._pages[number]

    def _finding(self, value: ExtractedValue, problem: str, stated: object, read: object) -> Finding:
        return Finding(self.extraction.document, value.path, problem, str(stated), str(read))


def _schema(results: Results, findings: list[Finding]) -> FieldSchema | None:
    """The manifest's schema; a finding, and None, when it is not the one that was asked."""
    try:
        schema = load_schema(results.schema)
    except AsbuiltError as error:
        findings.append(Finding("manifest.json", "", "its schema cannot be read", "", str(error)))
        return None
    if schema.digest != results.digest:
        findings.append(Finding("manifest.json", "", "its schema was changed", results.digest, schema.digest))
        return None
    findings.extend(
        Finding(
            stored.origin.document,
            "",
            "it was made with another schema",
            stored.extraction.schema,
            schema.digest,
        )
        for stored in results.documents
        if stored.extraction.schema != schema.digest
    )
    return schema


def _found(source: str, document: str, sources: Path | None) -> Path:
    """Where the file is now: at its stated path, or in `sources` by that path or by its name."""
    if sources is None:
        return Path(source).resolve()
    parts = Path(source).parts
    ways = (sources.joinpath(*parts[start:]) for start in range(len(parts)) if parts[start] != "/")
    return next((way for way in ways if way.is_file()), sources / Path(document).name).resolve()


def _quoted(quote: str, read: str) -> bool:
    """Whether the words are the quote, or have it between signs that are no part of it (``(12.00)``)."""
    stated, words = "".join(quote.split()), "".join(read.split())
    before, found, after = words.partition(stated)
    return bool(stated and found) and not re.search(r"\w", before[-1:] + after[:1])


def _same_place(stated: Box, read: Box) -> bool:
    return all(abs(one - other) <= _SAME_PLACE_PT for one, other in zip(stated, read, strict=True))


def _same_picture(crop: Image, shown: Image) -> bool:
    if crop.shape != shown.shape:
        return False
    return float(np.abs(crop.astype(np.int16) - shown).mean()) <= _SAME_LEVELS


def _likeness(quote: str, reading: str) -> float:
    return fuzz.ratio(plain(quote), plain(reading))


def _leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each leaf with its path, rows counted: ("lines[0].amount", 12.0)."""
    if isinstance(data, Mapping):
        for name, each in data.items():
            yield from _leaves(each, f"{path}.{name}" if path else str(name))
    elif isinstance(data, list | tuple):
        for row, each in enumerate(data):
            yield from _leaves(each, f"{path}[{row}]")
    elif path:
        yield path, data


def _leaf_path(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


def _holds(holds: bool | None) -> str:
    return {True: "holds", False: "broken", None: "open"}[holds]


def _short(text: str, most: int = 100) -> str:
    return json.dumps(text if len(text) <= most else f"{text[:most]}…", ensure_ascii=False)
