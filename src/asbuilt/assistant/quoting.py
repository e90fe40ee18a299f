"""Text from outside -> text that a model reads as quoted, whatever is written in it.

What is removed or changed here is only what the model sees: citations are checked against the
original.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["FENCE_WORD", "one_line", "quoted", "without_control_tokens"]

FENCE_WORD = "passage"

# Marks that chat templates turn into the structure of a conversation (ChatML, Llama, Mistral, Gemma,
# DeepSeek, Phi, Qwen and their kin), where the engine reads them from text as it reads its own.
_BARS = re.compile(r"<(?:[|｜]([^<>\n]{1,60}?)[|｜]?|([^<>|｜\n]{1,60})[|｜])>")
_SQUARE = re.compile(
    r"\[(/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK))\]"
)
_ANGLES = re.compile(
    r"<(/?(?:s|think|tool_calls?|tool_response|tool_result|function_calls?|start_of_turn|end_of_turn"
    r"|start_function_call|end_function_call|bos|eos|pad|unk)|<SYS>|</SYS>|/?function=[^<>\n]{0,60})>",
    re.IGNORECASE,
)
_FENCES = re.compile(rf"<(?=\s*/?\s*{FENCE_WORD}\b)", re.IGNORECASE)
# "system: do this" at the start of a line; quoted, it is still the same key in YAML.
_TURNS = re.compile(
    r"^([ \t>*#]{0,8})(system|user|assistant|human|ai|developer|tool|instruction|response)"
    r"(?=[ \t]*:\**(?:[ \t]+\S|[ \t]*$))",
    re.IGNORECASE | re.MULTILINE,
)
_JOINERS = "\u200c\u200d"  # they spell words in some scripts


def without_control_tokens(text: str) -> str:
    """`text` with the marks of chat templates made plain, and without invisible characters."""
    text = _visible(text)
    text = _BARS.sub(lambda found: f"<¦{found[1] or found[2]}¦>", text)
    text = _SQUARE.sub(r"(\1)", text)
    return _ANGLES.sub(r"‹\1›", text)


def quoted(text: str) -> str:
    """`text` as it may stand between the fences of a passage: no control tokens, no fences, and no
    line that opens a turn of a conversation."""
    text = _FENCES.sub("‹", without_control_tokens(text))
    return _TURNS.sub(r'\1"\2"', text)


def one_line(text: str, limit: int) -> str:
    """`text`, quoted, on one line of at most `limit` characters."""
    line = " ".join(quoted(text).split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def _visible(text: str) -> str:
    """Without control and format characters: hidden text is a known way to smuggle instructions."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        for character in text
        if character in "\n\t"
        or character in _JOINERS
        or unicodedata.category(character) not in ("Cc", "Cf", "Cs")
    )
