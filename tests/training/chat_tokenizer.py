"""A tokenizer for tests: a token is a word, a run of spaces, a line end or a control token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import jinja2

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Added:
    special: bool


class WordTokenizer:
    """Ids are given out as tokens come; `text` turns them back."""

    def __init__(self, chat_template: str | None = CHATML, *, eos: str = "<|im_end|>") -> None:
        self.chat_template = chat_template
        self._known = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool>"]
        self.eos_token_id = self._known.index(eos)
        self.added_tokens_decoder = {number: Added(special=number < 3) for number in range(4)}

    def apply_chat_template(
        self,
        conversation: list[dict[str, str]],
        *,
        chat_template: str | None,
        tokenize: bool,
        add_generation_prompt: bool,
    ) -> str:
        assert not tokenize
        template = jinja2.Environment(autoescape=False).from_string(chat_template or self.chat_template or "")
        return template.render(
            messages=conversation, add_generation_prompt=add_generation_prompt, raise_exception=_refuse
        )

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return [self._number(each) for each in re.findall(r"<\|\w+\|>|<tool>|\n| +|[^\s<]+|<", text)]

    def _number(self, token: str) -> int:
        if token not in self._known:
            self._known.append(token)
        return self._known.index(token)

    def text(self, ids: Any) -> str:
        return "".join(self._known[number] for number in ids)


def _refuse(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)
