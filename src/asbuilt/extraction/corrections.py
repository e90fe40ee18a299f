"""What users say that values should have been: kept, applied again in every run, and learnt from.

A file of JSON lines that is only added to. A person can read it, and take a line out.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from asbuilt.errors import StorageError, UserError
from asbuilt.extraction.agreement import plain
from asbuilt.extraction.constraints import check_constraints
from asbuilt.extraction.values import follows, of_kind
from asbuilt.fields import Evidence, ExtractedValue, Extraction, Field, FieldSchema
from asbuilt.pages import PageLayout, union

__all__ = ["Correction", "Corrections", "corrected", "correction_of", "words_of"]

_LONGEST = 16  # words that a value may be made of
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Correction:
    """`after` is what the value at `path` should be; None for "it is not there". The same as `before`
    confirms it. `confidence` is what was stated for `before`. `words` of `page` are where `after`
    stands, empty when it stands nowhere.
    """

    schema: str
    content_hash: str
    document: str
    path: str
    before: Any
    after: Any
    confidence: float = 0.0
    page: int = 0
    words: tuple[int, ...] = ()
    quote: str = ""

    @property
    def right(self) -> bool:
        """Whether what was stated was right."""
        return self.before == self.after and type(self.before) is type(self.after)


class Corrections:
    """The file of a project's corrections. Raises StorageError when it cannot be written or read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, correction: Correction) -> None:
        """Keep it; a later one for the same path of the same document replaces it."""
        line = json.dumps(asdict(correction), ensure_ascii=False, separators=(",", ":"))
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab") as file:
                file.write(f"{line}\n".encode())
        except OSError as error:
            raise StorageError(f"cannot write {str(self._file)!r}: {error.strerror or error}.") from error

    def all(self) -> list[Correction]:
        """In the order in which they were made. A line that was cut off by a crash is passed over."""
        try:
            lines = self._file.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"cannot read {str(self._file)!r}: {error.strerror or error}.") from error
        return [each for each in map(_read, lines) if each is not None]

    def of(self, content_hash: str, schema: str) -> list[Correction]:
        """Those of one document under one schema, the last of each path."""
        last = {
            each.path: each
            for each in self.all()
            if (each.content_hash, each.schema) == (content_hash, schema)
        }
        return [last[path] for path in sorted(last)]

    def digest(self, content_hash: str, schema: str) -> str:
        """Of what `of` gives, for `folder.Origin.learned`; empty for none."""
        found = self.of(content_hash, schema)
        text = json.dumps([asdict(each) for each in found], ensure_ascii=False)
        return sha256(text.encode()).hexdigest() if found else ""


def correction_of(
    extraction: Extraction,
    path: str,
    after: Any,
    *,
    schema: FieldSchema,
    pages: Sequence[PageLayout],
    page: int = 0,
    words: Sequence[int] = (),
) -> Correction:
    """A correction of `extraction`, with the words that `after` stands in: those given, else the ones
    nearest to where the value was thought to be. Raises UserError for a path that the schema lacks, and
    for a value of another kind than its field."""
    field = _field(schema, path)
    after = of_kind(field, after)
    old = next((value for value in extraction.values if value.path == path), None)
    stated = old.evidence if old is not None else None
    if after is not None and not words:
        found = words_of(field, after, pages, near=stated)
        page, words = found if found is not None else (0, ())
    quote = ""
    for layout in pages:
        if layout.number == page:
            quote = " ".join(layout.words[number].text for number in words)
    return Correction(
        schema=schema.digest,
        content_hash=extraction.content_hash,
        document=extraction.document,
        path=path,
        before=None if old is None else old.value,
        after=after,
        confidence=0.0 if old is None else old.confidence,
        page=page,
        words=tuple(words),
        quote=quote,
    )


def words_of(
    field: Field, value: Any, pages: Sequence[PageLayout], *, near: Evidence | None = None
) -> tuple[int, tuple[int, ...]] | None:
    """Page and words that say `value`: the fewest words, then the place nearest to `near`, then the
    first. None when it stands nowhere."""
    best: tuple[tuple[float, ...], int, tuple[int, ...]] | None = None
    for page in pages:
        for words in _runs(page, field, value):
            box = union(page.words[number].box for number in words)
            away = 0.0
            if near is not None and near.boxes:
                there = union(near.boxes)
                away = abs(box.left - there.left) + abs(box.top - there.top)
                away += 10_000.0 * abs(page.number - near.page)
            rank = (len(words), away, page.number, words[0])
            if best is None or rank < best[0]:
                best = (rank, page.number, words)
    return None if best is None else best[1:]


def corrected(
    extraction: Extraction,
    corrections: Sequence[Correction],
    *,
    schema: FieldSchema,
    pages: Sequence[PageLayout],
) -> Extraction:
    """`extraction` with the corrected values in place of its own, and constraints checked again."""
    if not corrections or extraction.fault:
        return extraction
    values = {value.path: value for value in extraction.values}
    data = copy.deepcopy(extraction.data)
    for each in corrections:
        field = _field(schema, each.path)
        values[each.path] = _value(each, field, values.get(each.path), pages)
        data = _with(data, _steps(each.path), each.after)
    stated = tuple(values.values())
    paths = {each.path for each in corrections}
    return replace(
        extraction,
        values=stated,
        data=data,
        constraints=tuple(check_constraints(schema, stated)),
        repairs=tuple(repair for repair in extraction.repairs if repair.path not in paths),
    )


def _value(
    correction: Correction, field: Field, old: ExtractedValue | None, pages: Sequence[PageLayout]
) -> ExtractedValue:
    searched = old.searched if old is not None else ()
    if correction.after is None:
        return ExtractedValue(
            correction.path, field.kind, "not_found", confidence=1.0, searched=searched, corrected=True
        )
    evidence = None
    for page in pages:
        if page.number == correction.page and correction.words and correction.words[-1] < len(page.words):
            words = [page.words[number] for number in correction.words]
            evidence = Evidence(
                page=page.number,
                words=correction.words,
                boxes=tuple(box.rounded() for box in page.boxes(correction.words)),
                quote=" ".join(word.text for word in words),
                reader=words[0].reader,
                place=words[0].place,
            )
    return ExtractedValue(
        path=correction.path,
        kind=field.kind,
        status="found",
        value=correction.after,
        confidence=1.0,
        evidence=evidence,
        extractor="user",
        why="corrected" if not correction.right else "confirmed",
        corrected=True,
    )


def _runs(page: PageLayout, field: Field, value: Any) -> Iterator[tuple[int, ...]]:
    """Words next to each other, in reading order, that say `value`."""
    wanted = plain(str(value))
    for first in range(len(page.words)):
        text = ""
        for end in range(first + 1, min(first + _LONGEST, len(page.words)) + 1):
            text = f"{text} {page.words[end - 1].text}".lstrip()
            if field.kind in ("string", "enum"):
                if not wanted.startswith(plain(text)):
                    break
                if plain(text) == wanted:
                    yield tuple(range(first, end))
                    break
            elif end - first > 6:
                break
            elif any(map(str.isalnum, page.words[end - 1].text)) and follows(field, text, value):
                yield tuple(range(first, end))
                break


def _field(schema: FieldSchema, path: str) -> Field:
    leaf = re.sub(r"\[\d+\]", "[]", path)
    for field in schema.fields:
        if field.path == leaf:
            return field
    known = ", ".join(field.path for field in schema.fields)
    raise UserError(f"the schema has no value {path!r}.", hint=f"It has: {known}.")


def _steps(path: str) -> list[str | int]:
    return [name or int(row) for name, row in _STEP.findall(path)]


def _with(data: Any, steps: Sequence[str | int], value: Any) -> Any:
    """`data` with `value` at the end of `steps`; lists grow as far as is needed."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        rows = list(data) if isinstance(data, list) else []
        rows += [None] * (step + 1 - len(rows))
        rows[step] = _with(rows[step], rest, value)
        return rows
    members = dict(data) if isinstance(data, dict) else {}
    members[step] = _with(members.get(step), rest, value)
    return members


def _read(line: bytes) -> Correction | None:
    names = {field.name for field in fields(Correction)}
    try:
        raw = json.loads(line)
        return Correction(**{**{name: raw[name] for name in names}, "words": tuple(raw["words"])})
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
