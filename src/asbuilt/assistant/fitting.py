"""Making a prompt fit into a model's context."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from asbuilt.assistant.prompt import Prompt, render_passage
from asbuilt.errors import LimitError
from asbuilt.types import Chunk, Message

__all__ = ["Fitted", "fit", "longest_start"]

Count = Callable[[Sequence[Message]], int]

_CUT = "\n[...]"
# A passage that is cut shorter than this says too little to be worth its place.
_MIN_PASSAGE_CHARS = 200


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt that fits: its messages, their tokens, how many passages and turns are in it, and
    whether the last passage was cut."""

    messages: list[Message]
    tokens: int
    passages: int
    turns: int
    cut: bool = False


def fit(prompt: Prompt, chunks: Sequence[Chunk], *, marker: str, count: Count, budget_tokens: int) -> Fitted:
    """Fit the conversation of `prompt` and as much of `chunks`, best first, as there is room for.

    When not all of it fits, the oldest turns give way first until the conversation leaves half of
    the room (after instructions, question and tail) to passages; then the least relevant passages
    are left out, and the next one is cut at the end of a line. Raises LimitError when the question leaves
    no room for any passage.
    """
    rendered = tuple(render_passage(chunk, number, marker=marker) for number, chunk in enumerate(chunks, 1))
    turns = _turns(prompt.history)

    def tokens(passages: Sequence[str], kept: int) -> int:
        return count(_composed(prompt, passages, turns, kept).messages())

    everything = tokens(rendered, len(turns))
    if everything <= budget_tokens:
        whole = replace(prompt, passages=rendered)
        return Fitted(whole.messages(), everything, len(rendered), len(turns))

    bare = tokens((), 0)
    room = budget_tokens - bare
    dropped = _first(len(turns) + 1, lambda gone: tokens((), len(turns) - gone) - bare <= room // 2)
    kept = max(len(turns) - dropped, 0)
    used = _first(len(rendered), lambda number: tokens(rendered[: number + 1], kept) > budget_tokens)
    passages = rendered[:used]
    cut = False
    if used < len(rendered):
        chunk = chunks[used]

        def with_start(text: str) -> tuple[str, ...]:
            return (*rendered[:used], render_passage(chunk, used + 1, marker=marker, text=text))

        start = longest_start(chunk.text, lambda text: tokens(with_start(text), kept) <= budget_tokens)
        if len(start) >= _MIN_PASSAGE_CHARS:
            passages, cut = with_start(start), True
    if not passages:
        raise LimitError(
            f"the question takes {bare} tokens, but the model's context leaves {budget_tokens} for it "
            "and for passages.",
            hint="Ask a shorter question, or give the generator a larger context.",
        )
    fitted = _composed(prompt, passages, turns, kept)
    return Fitted(fitted.messages(), tokens(passages, kept), len(passages), kept, cut)


def longest_start(text: str, fits: Callable[[str], bool]) -> str:
    """The longest start of `text` that fits, up to the end of a line where there is one, marked as
    cut; empty when none fits. A text that fits is returned whole."""
    if fits(text):
        return text
    length = _first(len(text), lambda end: not fits(text[: end + 1] + _CUT))
    line_end = text.rfind("\n", 0, length + 1)
    start = text[: line_end if line_end > length // 2 else length].rstrip()
    return start + _CUT if start else ""


def _composed(
    prompt: Prompt, passages: Sequence[str], turns: Sequence[Sequence[Message]], kept: int
) -> Prompt:
    history = tuple(message for turn in turns[len(turns) - kept :] for message in turn)
    return replace(prompt, history=history, passages=tuple(passages))


def _turns(history: Sequence[Message]) -> list[list[Message]]:
    """The conversation in turns: what a user said and all that came back."""
    turns: list[list[Message]] = []
    for message in history:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """The first of 0 ... count - 1 for which `holds`, which stays true from there on; else count."""
    return bisect_left(range(count), True, key=holds)
