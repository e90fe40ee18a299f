"""A row -> the tokens that a model sees, and those of them that it learns.

Prompt and reply are tokenised apart, as in serving: there the prompt ends before the first token of a
reply is chosen, so no token spans both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jinja2.exceptions import TemplateError

from asbuilt.errors import UserError
from asbuilt.lineage import TrainingRow
from asbuilt.types import Message

__all__ = [
    "NOT_LEARNT",
    "ChatTokenizer",
    "RenderedRow",
    "TokenizedRow",
    "render",
    "rendered_prompt",
    "tokenize",
]

NOT_LEARNT = -100
"""The label of a token that is no part of the loss (`ignore_index` of torch's cross entropy)."""


class ChatTokenizer(Protocol):
    """What is used of a tokenizer of transformers."""

    @property
    def chat_template(self) -> Any: ...

    @property
    def eos_token_id(self) -> Any: ...

    @property
    def added_tokens_decoder(self) -> Mapping[int, Any]:
        """By id, the tokens that were added; those with `special` are no text."""
        ...

    def apply_chat_template(
        self, conversation: Any, *, chat_template: Any, tokenize: bool, add_generation_prompt: bool
    ) -> Any: ...

    def encode(self, text: Any, *, add_special_tokens: bool) -> Any: ...


@dataclass(frozen=True, slots=True)
class RenderedRow:
    """`prompt` is the text that the model is given, `reply` what it is to write, the end of its turn
    included where the template has one; `reply_ids` go up to the end-of-turn token. `end` is that token,
    None where the template writes none."""

    prompt: str
    reply: str
    prompt_ids: tuple[int, ...]
    reply_ids: tuple[int, ...]
    end: int | None


@dataclass(frozen=True, slots=True)
class TokenizedRow:
    """`labels` are the reply's tokens at their places in `input_ids`, and NOT_LEARNT elsewhere."""

    input_ids: list[int]
    labels: list[int]


def tokenize(
    row: TrainingRow, tokenizer: ChatTokenizer, *, max_tokens: int, template: str | None = None
) -> TokenizedRow:
    """The first `max_tokens` tokens of a row, of which the reply and its end-of-turn token are learnt.

    Raises what `render` raises.
    """
    rendered = render(row, tokenizer, template=template)
    ids = [*rendered.prompt_ids, *rendered.reply_ids]
    labels = [NOT_LEARNT] * len(rendered.prompt_ids) + list(rendered.reply_ids)
    return TokenizedRow(ids[:max_tokens], labels[:max_tokens])


def render(row: TrainingRow, tokenizer: ChatTokenizer, *, template: str | None = None) -> RenderedRow:
    """A row through the chat template, `template` or the tokenizer's own.

    Raises UserError, with the row's origin, where what would be learnt is not what would be served: the
    template fails, changes the prompt once a reply follows, changes the reply, or the reply holds a
    control token.
    """
    *before, last = row.messages
    prompt = rendered_prompt(before, tokenizer, template=template, origin=row.origin)
    whole = _rendered(row.messages, tokenizer, template, row.origin, add_generation_prompt=False)
    if not whole.startswith(prompt):
        raise UserError(
            f"{row.origin}: with the reply the template renders another prompt than it is served with.",
            hint="Train with the template that serves.",
        )
    reply = whole[len(prompt) :]
    if not reply.lstrip().startswith(last.content.strip()):
        raise UserError(
            f"{row.origin}: the template does not render the reply as it stands.",
            hint="Train with a template that adds nothing before a reply.",
        )
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    if not special.isdisjoint(tokenizer.encode(last.content, add_special_tokens=False)):
        raise UserError(f"{row.origin}: the reply holds a control token.", hint="Remove the row.")
    ids = list(tokenizer.encode(reply, add_special_tokens=False))
    at = next((at for at, number in enumerate(ids) if number in special), None)
    return RenderedRow(
        prompt=prompt,
        reply=reply,
        prompt_ids=tuple(tokenizer.encode(prompt, add_special_tokens=False)),
        reply_ids=tuple(ids if at is None else ids[: at + 1]),
        end=None if at is None else ids[at],
    )


def rendered_prompt(
    messages: Sequence[Message], tokenizer: ChatTokenizer, *, template: str | None = None, origin: str = ""
) -> str:
    """The text that a model is given to reply to `messages`."""
    return _rendered(messages, tokenizer, template, origin, add_generation_prompt=True)


def _rendered(
    messages: Sequence[Message],
    tokenizer: ChatTokenizer,
    template: str | None,
    origin: str,
    *,
    add_generation_prompt: bool,
) -> str:
    if not (template or tokenizer.chat_template):
        raise UserError("the base model has no chat template.", hint="Train a model that was made to chat.")
    said = [{"role": each.role, "content": each.content} for each in messages]
    try:
        text = tokenizer.apply_chat_template(
            said, chat_template=template, tokenize=False, add_generation_prompt=add_generation_prompt
        )
    except TemplateError as error:
        raise UserError(f"{origin}: the chat template refuses the row: {error}.") from error
    return str(text)
