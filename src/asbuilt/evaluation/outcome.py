"""What came out of one case: kept as it came, so that it can be scored again, and by other measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from asbuilt.types import Answer, Hit

__all__ = ["Outcome", "Passage", "Task", "shown"]

Task = Literal["retrieve", "answer", "judge"]
"""A judge's outcome has its verdict as text: "right", "wrong", or nothing when it did not say."""

_EXCERPT = 400  # characters of a passage that a report shows


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that was found, best first: where it stands and how it begins."""

    source: str
    start: int
    end: int
    excerpt: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case of the data set `data`, done by `subject`.

    `citations` says of each citation of the answer whether it was verified. `error` is why there is
    no result; such a case has failed, which every measure counts as the worst that can be.
    """

    subject: str
    data: str
    task: Task
    case_id: str
    ms: float
    passages: tuple[Passage, ...] = ()
    text: str = ""
    refused: bool = False
    citations: tuple[bool, ...] = ()
    error: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What identifies it within a run."""
        return (self.subject, self.data, self.task, self.case_id)

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back as an equal value."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Raises KeyError or TypeError when `data` is no outcome."""
        return cls(
            **{
                **data,
                "passages": tuple(Passage(**each) for each in data["passages"]),
                "citations": tuple(data["citations"]),
            }
        )


def shown(hits: Sequence[Hit]) -> tuple[Passage, ...]:
    """Hits as an outcome keeps them."""
    return tuple(
        Passage(hit.chunk.source, hit.chunk.start, hit.chunk.end, hit.chunk.text[:_EXCERPT]) for hit in hits
    )


def of_answer(answer: Answer) -> dict[str, Any]:
    """The fields of an outcome that an answer fills."""
    return {
        "text": answer.text,
        "passages": shown(answer.hits),
        "refused": answer.refused,
        "citations": tuple(each.verified for each in answer.citations),
    }
