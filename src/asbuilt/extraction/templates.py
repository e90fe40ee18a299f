"""What corrections teach about documents of one layout.

A layout is known by its words without digits and where they stand: what a form has printed on it. A
template remembers, for each corrected path, how the value stands to words around it. All of it is in
one JSON file that a person can read, and delete from.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from asbuilt.errors import StorageError
from asbuilt.extraction.agreement import plain
from asbuilt.extraction.corrections import Correction
from asbuilt.extraction.values import Conventions, conventions_of, parse
from asbuilt.fields import Candidate, Field, FieldSchema, PagedDocument
from asbuilt.pages import Line, PageLayout, union
from asbuilt.registry import component

__all__ = ["Anchor", "Mark", "Template", "TemplateExtractor", "TemplateMemory", "likeness", "marks_of"]

SAME_LAYOUT = 0.5
"""Share of a template's marks that a page of its layout has. Other layouts of the same kind of
document share words, but seldom places."""

_NEAR_PT = 9.0  # two documents of one layout differ by this much where one was scanned askew
_REACH_PT = 250.0
_LABEL_WORDS = 3
_SIZES_PT = 20.0
_ABOVE = 0.9
"""What a label above counts against one in the line: what stands between them may grow."""
_GAP = 1.2  # heights of a line between words of one value
_LABEL = re.compile(r"[^\W\d_]{2,}[^\d]*")


class Mark(NamedTuple):
    """A word that belongs to the layout, with the corner it stands at."""

    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the value of `path` stands: (dx, dy) points from the corner of the words `label`, which
    stand at about (x, y). `learnt` counts the corrections that say so."""

    path: str
    label: str
    side: Literal["left", "above"]
    x: float
    y: float
    dx: float
    dy: float
    words: int
    learnt: int = 1


@dataclass(frozen=True, slots=True)
class Template:
    """`marks` are those that all documents had from which it was learnt."""

    name: str
    schema: str
    width: float
    height: float
    marks: tuple[Mark, ...]
    anchors: tuple[Anchor, ...]


class TemplateMemory:
    """The templates of a project, in one file. Raises StorageError when it cannot be written, or is
    none of ours."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def all(self) -> list[Template]:
        """In the order in which they were learnt."""
        try:
            raw = json.loads(self._file.read_bytes())
            return [
                Template(
                    each["name"],
                    each["schema"],
                    each["width"],
                    each["height"],
                    tuple(Mark(*mark) for mark in each["marks"]),
                    tuple(Anchor(**anchor) for anchor in each["anchors"]),
                )
                for each in raw["templates"]
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"cannot read {str(self._file)!r}: {error.strerror or error}.") from error
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise StorageError(
                f"{str(self._file)!r} holds no templates: {error}.", hint="Mend it, or delete it."
            ) from error

    def digest(self) -> str:
        """Of all that was learnt, for `folder.Origin.learned`; empty for nothing."""
        known = self.all()
        return sha256(_json(known)).hexdigest() if known else ""

    def learn(self, corrections: Iterable[Correction], pages: Sequence[PageLayout]) -> list[str]:
        """Take in the corrections of one document, whose pages are given; the paths that are known
        better now. Nothing is learnt of lists, nor of values that stand on no page."""
        templates = self.all()
        learnt = []
        for each in corrections:
            page = next((page for page in pages if page.number == each.page), None)
            if page is None or not each.words or "[" in each.path or each.words[-1] >= len(page.words):
                continue
            anchors = list(_anchors(each.path, page, each.words))
            if not anchors:
                continue
            at = _best(templates, each.schema, page)
            if at is None:
                templates.append(_new(each.schema, page))
                at = len(templates) - 1
            templates[at] = _taught(templates[at], page, anchors)
            learnt.append(each.path)
        if learnt:
            self._write(templates)
        return learnt

    def of(self, page: PageLayout, schema: str) -> tuple[Template, float] | None:
        """The template of this page's layout, and how like it the page is."""
        known = self.all()
        at = _best(known, schema, page)
        return None if at is None else (known[at], likeness(known[at], page))

    def _write(self, templates: Sequence[Template]) -> None:
        aside = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(_json(templates))
            aside.replace(self._file)
        except OSError as error:
            with suppress(OSError):
                aside.unlink()
            raise StorageError(f"cannot write {str(self._file)!r}: {error.strerror or error}.") from error


@component("extractor/template")
class TemplateExtractor:
    """Values that stand where corrections of documents of the same layout say. `templates` is the
    file of what was learnt; where there is none, it finds nothing."""

    def __init__(self, *, templates: str = ".asbuilt/templates.json") -> None:
        self._memory = TemplateMemory(Path(templates))

    def extract(self, document: PagedDocument, schema: FieldSchema) -> list[Candidate]:
        """See the role."""
        fields = {field.path: field for field in schema.fields}
        conventions = conventions_of(page.text for page in document.pages)
        best: dict[str, Candidate] = {}
        for page in document.pages:
            known = self._memory.of(page, schema.digest)
            if known is None:
                continue
            for candidate in _candidates(*known, page, fields, conventions):
                if candidate.path not in best or candidate.score > best[candidate.path].score:
                    best[candidate.path] = candidate
        return [best[path] for path in fields if path in best]


def marks_of(page: PageLayout) -> tuple[Mark, ...]:
    """Words that may be printed on the form: letters, no digits."""
    return tuple(
        Mark(plain(word.text), round(word.box.left, 1), round(word.box.top, 1))
        for word in page.words
        if _LABEL.fullmatch(word.text)
    )


def likeness(template: Template, page: PageLayout) -> float:
    """The share of the template's marks that stand at their places on the page; 0 for another size."""
    if abs(template.width - page.width) > _SIZES_PT or abs(template.height - page.height) > _SIZES_PT:
        return 0.0
    return len(_shared(template, page)) / len(template.marks) if template.marks else 0.0


def _shared(template: Template, page: PageLayout) -> list[Mark]:
    here: dict[str, list[Mark]] = {}
    for mark in marks_of(page):
        here.setdefault(mark.text, []).append(mark)
    return [
        mark
        for mark in template.marks
        if any(
            abs(mark.x - other.x) <= _NEAR_PT and abs(mark.y - other.y) <= _NEAR_PT
            for other in here.get(mark.text, [])
        )
    ]


def _best(templates: Sequence[Template], schema: str, page: PageLayout) -> int | None:
    alike = [
        (likeness(template, page), -number)
        for number, template in enumerate(templates)
        if template.schema == schema
    ]
    score, number = max(alike, default=(0.0, 0))
    return -number if score >= SAME_LAYOUT else None


def _new(schema: str, page: PageLayout) -> Template:
    marks = marks_of(page)
    name = sha256(repr((schema, marks)).encode()).hexdigest()[:8]
    return Template(name, schema, page.width, page.height, marks, ())


def _taught(template: Template, page: PageLayout, anchors: Sequence[Anchor]) -> Template:
    """The template after another correction: anchors that say the same count up, others of the path
    that say otherwise count down, and go at nothing."""
    kept: list[Anchor] = []
    confirmed = set()
    for old in template.anchors:
        same = [each for each in anchors if _same(old, each)]
        if same:
            kept.append(replace(old, learnt=old.learnt + 1, words=max(old.words, same[0].words)))
            confirmed.update(same)
        elif old.path != anchors[0].path:
            kept.append(old)
        elif old.learnt > 1:
            kept.append(replace(old, learnt=old.learnt - 1))
    kept += [each for each in anchors if each not in confirmed]
    kept.sort(key=lambda each: (each.path, -each.learnt))
    return replace(template, marks=tuple(_shared(template, page)), anchors=tuple(kept))


def _same(one: Anchor, other: Anchor) -> bool:
    return (one.path, one.label, one.side) == (other.path, other.label, other.side) and (
        abs(one.dx - other.dx) <= _NEAR_PT and abs(one.dy - other.dy) <= _NEAR_PT
    )


def _anchors(path: str, page: PageLayout, words: Sequence[int]) -> Iterator[Anchor]:
    """The nearest label in the same line to the left, and the nearest above."""
    value = page.words[words[0]].box
    best: dict[str, tuple[float, str, float, float]] = {}
    for label, x, y, right, bottom in _labels(page, set(words)):
        if right <= value.left + 1 and abs(y - value.top) <= _NEAR_PT and value.left - right <= _REACH_PT:
            side, away = "left", value.left - right
        elif (
            bottom <= value.top + 1 and x <= value.right and right >= value.left and value.top - bottom <= 60
        ):
            side, away = "above", value.top - bottom + abs(value.left - x)
        else:
            continue
        if side not in best or away < best[side][0]:
            best[side] = (away, label, x, y)
    for side, (_, label, x, y) in sorted(best.items()):
        yield Anchor(
            path=path,
            label=label,
            side="left" if side == "left" else "above",
            x=round(x, 1),
            y=round(y, 1),
            dx=round(value.left - x, 1),
            dy=round(value.top - y, 1),
            words=len(words),
        )


def _labels(page: PageLayout, without: set[int]) -> Iterator[tuple[str, float, float, float, float]]:
    """Up to three words of letters that stand together: text, and left, top, right, bottom."""
    for line in page.lines:
        run: list[int] = []
        for number in range(line.first, line.end):
            word = page.words[number]
            apart = bool(run) and word.box.left - page.words[run[-1]].box.right > _GAP * word.box.height
            if apart or number in without or not _LABEL.fullmatch(word.text):
                yield from _label(page, run)
                run = []
            if number not in without and _LABEL.fullmatch(word.text):
                run.append(number)
        yield from _label(page, run)


def _label(page: PageLayout, run: Sequence[int]) -> Iterator[tuple[str, float, float, float, float]]:
    if run:
        last = run[-_LABEL_WORDS:]
        box = union(page.words[number].box for number in last)
        yield " ".join(plain(page.words[number].text) for number in last), *box


def _candidates(
    template: Template, alike: float, page: PageLayout, fields: dict[str, Field], conventions: Conventions
) -> Iterator[Candidate]:
    labels = list(_labels(page, set()))
    for anchor in template.anchors:
        field = fields.get(anchor.path)
        here = [each for each in labels if each[0].endswith(anchor.label)]
        if field is None or not here:
            continue
        # A form moves a little, and what stands below a table moves with its rows: nearest label, any height.
        _, x, y, _, _ = min(here, key=lambda each: abs(each[1] - anchor.x) + 0.2 * abs(each[2] - anchor.y))
        words = _words_at(page, x + anchor.dx, y + anchor.dy)
        for count in _lengths(len(words), anchor.words, field):
            quote = " ".join(page.words[number].text for number in words[:count])
            parsed = parse(field, quote, conventions)
            if parsed is None:
                continue
            support = anchor.learnt / (anchor.learnt + 1)
            if anchor.side == "above":
                support *= _ABOVE
            yield Candidate(
                path=anchor.path,
                value=parsed.value,
                quote=quote,
                page=page.number,
                words=tuple(words[:count]),
                extractor="template",
                score=round(0.5 + 0.5 * alike * support, 3),
                why=f"{'right of' if anchor.side == 'left' else 'below'} {anchor.label!r}, as corrected "
                f"{anchor.learnt} times in layout {template.name}",
                signals={"template": round(alike, 3), "learnt": float(anchor.learnt)},
            )
            break


def _words_at(page: PageLayout, x: float, y: float) -> list[int]:
    """The run of words that begins at this place, within `_NEAR_PT`."""
    starts = [
        (abs(word.box.left - x) + abs(word.box.top - y), number)
        for number, word in enumerate(page.words)
        if abs(word.box.left - x) <= _NEAR_PT and abs(word.box.top - y) <= _NEAR_PT
    ]
    if not starts:
        return []
    first = min(starts)[1]
    line: Line = next(line for line in page.lines if line.first <= first < line.end)
    words = [first]
    for number in range(first + 1, line.end):
        before, word = page.words[number - 1], page.words[number]
        if word.box.left - before.box.right > _GAP * word.box.height:
            break
        words.append(number)
    return words


def _lengths(there: int, learnt: int, field: Field) -> list[int]:
    """How many words to take: of text all that stand together, of other kinds as many as learnt, or
    the most that can be read."""
    if field.kind in ("string", "enum"):
        return [there] if there else []
    return sorted(range(1, there + 1), key=lambda count: (count != learnt, -count))


def _json(templates: Sequence[Template]) -> bytes:
    plain_templates = [asdict(each) for each in templates]
    return (json.dumps({"templates": plain_templates}, ensure_ascii=False, indent=1) + "\n").encode()
