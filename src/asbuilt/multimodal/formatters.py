"""Output formatters: the output of a task as JSON, as Markdown and as plain lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from asbuilt.modalities import Place, TaskOutput
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing

__all__ = ["JsonFormatter", "MarkdownFormatter", "TextFormatter"]

_SHOWN_CHARS = 160


@component("formatter/json")
class JsonFormatter:
    """Everything, boxes included, in one JSON object."""

    def __init__(self) -> None: ...

    demand = staticmethod(holds_nothing)

    @property
    def name(self) -> str:
        return "json"

    @property
    def media_type(self) -> str:
        return "application/json"

    def format(self, output: TaskOutput) -> str:
        """See the role."""
        plain: dict[str, Any] = {"task": output.kind, "query": output.query}
        if output.kind == "classify":
            plain["documents"] = [
                {
                    "source": each.source,
                    "label": each.label,
                    "probability": each.probability,
                    "probabilities": dict(each.probabilities),
                    "shares": dict(each.shares),
                    "reason": each.reason,
                }
                for each in output.classified
            ]
        else:
            plain["pages"] = [
                {
                    "rank": each.rank,
                    "source": each.source,
                    "page": each.page,
                    "score": each.score,
                    "shares": dict(each.shares),
                    "places": [_plain(place) for place in each.places],
                }
                for each in output.ranked
            ]
        if output.answer is not None:
            plain["answer"] = {
                "text": output.answer.text,
                "refused": output.answer.refused,
                "by": output.answer.by,
                "places": [_plain(place) for place in output.answer.places],
            }
        plain |= {"notes": list(output.notes), "faults": list(output.faults)}
        return json.dumps(plain, ensure_ascii=False, indent=2) + "\n"


@component("formatter/text")
class TextFormatter:
    """Lines for a terminal."""

    def __init__(self) -> None: ...

    demand = staticmethod(holds_nothing)

    @property
    def name(self) -> str:
        return "text"

    @property
    def media_type(self) -> str:
        return "text/plain; charset=utf-8"

    def format(self, output: TaskOutput) -> str:
        """See the role."""
        return "".join(f"{line}\n" for line in self._lines(output))

    def _lines(self, output: TaskOutput) -> Iterator[str]:
        if output.answer is not None:
            yield output.answer.text
            for place in output.answer.places:
                yield f"  {_where(place)}"
        elif output.kind == "retrieve":
            for page in output.ranked:
                where = f"{page.rank}. {page.source}, page {page.page}"
                yield f"{where}  {page.score:.3f}  ({_shared(page.shares)})"
                for place in page.places:
                    if place.modality != "picture":
                        yield f"   {place.modality}: {_cut(place.text)}"
            if not output.ranked:
                yield "No page was found."
        for each in output.classified:
            yield f"{each.source}: {each.label} ({each.probability:.0%})" + (
                f"; {each.reason}" if each.reason else f"; by {_shared(each.shares)}"
            )
        yield from (f"note: {note}" for note in output.notes)
        yield from (f"not read: {fault}" for fault in output.faults)


@component("formatter/markdown")
class MarkdownFormatter:
    """A table of pages or documents, or an answer with its places."""

    def __init__(self) -> None: ...

    demand = staticmethod(holds_nothing)

    @property
    def name(self) -> str:
        return "markdown"

    @property
    def media_type(self) -> str:
        return "text/markdown; charset=utf-8"

    def format(self, output: TaskOutput) -> str:
        """See the role."""
        return "".join(f"{line}\n" for line in self._lines(output))

    def _lines(self, output: TaskOutput) -> Iterator[str]:
        if output.answer is not None:
            yield f"{_escaped(output.answer.text)}\n"
            yield from (f"- {_escaped(_where(place))}" for place in output.answer.places)
        elif output.kind == "retrieve":
            yield "| rank | page | score | shares | found |\n|---:|---|---:|---|---|"
            for page in output.ranked:
                read = "; ".join(_cut(place.text) for place in page.places if place.modality != "picture")
                where = f"{page.source}, page {page.page}"
                yield (
                    f"| {page.rank} | {_escaped(where)} | {page.score:.3f} | {_shared(page.shares)} "
                    f"| {_escaped(read)} |"
                )
        else:
            yield "| document | class | probability | reason |\n|---|---|---:|---|"
            for each in output.classified:
                reason = each.reason or f"by {_shared(each.shares)}"
                yield (
                    f"| {_escaped(each.source)} | {_escaped(each.label)} | {each.probability:.2f} "
                    f"| {_escaped(reason)} |"
                )
        remarks = [*output.notes, *(f"not read: {fault}" for fault in output.faults)]
        if remarks:
            yield ""
            yield from (f"- {_escaped(remark)}" for remark in remarks)


def _plain(place: Place) -> dict[str, Any]:
    return {
        "source": place.source,
        "page": place.page,
        "box": list(place.box),
        "modality": place.modality,
        "text": place.text,
    }


def _where(place: Place) -> str:
    box = ", ".join(f"{edge:g}" for edge in place.box)
    return f"{place.source}, page {place.page}, box {box} ({place.modality})"


def _shared(shares: Mapping[Any, float]) -> str:
    said = [f"{name} {share:.0%}" for name, share in shares.items() if share > 0]
    return ", ".join(said) or "nothing speaks for it"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."


def _escaped(text: str) -> str:
    """So that what stands in a document cannot draw a table, a link or markup of its own."""
    escaped = "".join(f"\\{each}" if each in "\\`*_[]<>|#" else each for each in text)
    return " ".join(escaped.split())
