"""Parts of an input, and what was made of them together: what a multimodal processor passes on.

The order of the values is the order of the work: files -> routed pages with their parts -> what the
encoders see -> fused scores and vectors -> a task's output. Frozen, pure values.

A *modality* is a kind of part. A *channel* is one way to compare a modality with a query or an
example, and is named ``modality.way``: "text.meaning", "table.words", "picture.page-features".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from asbuilt.pages import Box, PageLayout

__all__ = [
    "UNKNOWN",
    "Classified",
    "Fused",
    "FusedScores",
    "InputFile",
    "InputPart",
    "JoinedVectors",
    "Modality",
    "Place",
    "RankedPage",
    "Result",
    "RoutedPage",
    "Sight",
    "Task",
    "TaskKind",
    "TaskOutput",
    "VisualAnswer",
    "modality_of",
]

Modality = Literal["text", "table", "picture"]
TaskKind = Literal["retrieve", "classify", "answer"]

UNKNOWN = "unknown"
"""The label of a document that is like no example."""


def modality_of(channel: str) -> Modality:
    """The modality that a channel belongs to.

    >>> modality_of("table.words")
    'table'
    """
    modality = channel.partition(".")[0]
    assert modality in get_args(Modality), f"channel {channel!r} begins with no modality"
    return cast(Modality, modality)


# ---------------------------------------------------------------- what comes in


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file: its name, unique in a task, and how to get its bytes, which raises ReadError where that
    fails. `label` is its class where it is an example of one."""

    name: str
    load: Callable[[], bytes] = field(repr=False)
    label: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done with `inputs`: rank their pages for `query`, tell the class of each file from
    `examples`, or answer `query` from them. `top_k` is how many pages are ranked or looked at;
    `format` names a formatter ("json")."""

    kind: TaskKind
    inputs: tuple[InputFile, ...]
    query: str = ""
    examples: tuple[InputFile, ...] = ()
    top_k: int = 10
    format: str = "json"


# ---------------------------------------------------------------- routed and encoded


@dataclass(frozen=True, slots=True)
class InputPart:
    """A passage, a table or a whole page as a picture, and where it stands. `rows` are a table's cells;
    `text` is what can be read in the part, for a picture all of the page."""

    modality: Modality
    box: Box
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class RoutedPage:
    """A page taken apart. `picture`, of shape (height, width, 3), is None where a page has no look of
    its own (a sheet, a Word file) or could not be drawn."""

    source: str
    layout: PageLayout
    parts: tuple[InputPart, ...]
    picture: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What a vision encoder made of a page's picture: a vector of length 1, and the description that
    it wrote, if it writes one."""

    vector: NDArray[np.float32]
    text: str = ""


# ---------------------------------------------------------------- fused


@dataclass(frozen=True, slots=True, eq=False)
class FusedScores:
    """One score an item, higher is better, and each channel's share of it: arrays of shape (n,).

    Shares are 0 to 1 and add up to 1 for an item, or are all 0 where its score is 0.
    """

    scores: NDArray[np.float64]
    shares: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class JoinedVectors:
    """One vector an item, of shape (n, dim); channel c fills the columns ``slice(*spans[c])``."""

    vectors: NDArray[np.float64]
    spans: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """What a task head works on; each part is there when the task needs it.

    For a query: `pages` of all inputs, their `scores`, for each page the part of each modality that
    fits the query best with the share of the query's words in it (`matches`), and PNG files of the
    best pages by their number in `pages` (`pictures`). For classes: `documents` has a row for each name in
    `names`, `examples` a row for each name in `labels`.
    """

    pages: tuple[RoutedPage, ...] = ()
    scores: FusedScores | None = None
    matches: tuple[tuple[tuple[InputPart, float], ...], ...] = ()
    pictures: Mapping[int, bytes] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    documents: JoinedVectors | None = None
    labels: tuple[str, ...] = ()
    examples: JoinedVectors | None = None


# ---------------------------------------------------------------- what comes out


@dataclass(frozen=True, slots=True)
class Place:
    """Part of a page that something rests on. `box` is in points; `text` what stands there."""

    source: str
    page: int
    box: Box
    modality: Modality
    text: str = ""


@dataclass(frozen=True, slots=True)
class RankedPage:
    """A page in a ranking. `shares` says how much of its score came from each modality; `places` has
    the part of each modality with a share, the largest share first."""

    rank: int
    source: str
    page: int
    score: float
    shares: Mapping[Modality, float]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Classified:
    """A file's class, or UNKNOWN with the `reason`. `probabilities` has every class, best first;
    `shares` says how much each channel spoke for the best class rather than the next."""

    source: str
    label: str
    probability: float
    probabilities: Mapping[str, float]
    shares: Mapping[str, float]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VisualAnswer:
    """An answer with the places that it rests on. `by` is "model" when a language model wrote it,
    "asbuilt" when it is quoted; a refusal has no places."""

    text: str
    places: tuple[Place, ...] = ()
    by: Literal["model", "asbuilt"] = "asbuilt"
    refused: bool = False


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """What came of a task: `ranked`, `classified` or `answer`, as its kind says. `faults` are files that
    could not be read; `notes` say what took no part and why."""

    kind: TaskKind
    query: str = ""
    ranked: tuple[RankedPage, ...] = ()
    classified: tuple[Classified, ...] = ()
    answer: VisualAnswer | None = None
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A task's output, and the same as a formatter wrote it."""

    output: TaskOutput
    text: str
    media_type: str
