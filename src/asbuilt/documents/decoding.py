"""Bytes -> text, the same way for every text-like format."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from asbuilt.errors import ReadError

__all__ = ["Decoded", "decode", "looks_binary"]

# UTF-32 first: its little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_TEXT_CONTROLS = b"\t\n\v\f\r\x1b"  # white space, and the escape that colours terminal logs
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in _TEXT_CONTROLS)
_MAX_CONTROL_SHARE = 0.01

# Candidates for text that is not Unicode: what Windows, the web and old Unix wrote. Wider lists
# make look-alikes (Baltic for French) win over what was meant.
_MULTI_BYTE = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
_SINGLE_BYTE = (
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("koi8_r", "iso8859_2"),
)
_SAMPLE_BYTES = 1 << 18
_MAX_MESS_PERCENT = 10.0  # share of implausible character sequences
_MIN_LANGUAGE_PERCENT = 20.0  # likeness to a known language; single-byte code pages decode anything


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with every line ending as ``\\n``, and the codec that gave it."""

    text: str
    encoding: str


def decode(data: bytes, *, name: str, declared: str | None = None) -> Decoded:
    """Decode a file: byte order mark, else UTF-8, else `declared`, else detected with confidence.

    The mark is dropped, and CR LF and lone CR become LF. Offsets into the text are therefore
    those of ``open(path, encoding=encoding).read()`` in Python's text mode (less the mark, if any);
    in a file with LF endings they count the file's characters exactly.

    Raises ReadError for bytes that are empty, blank, binary, or in no encoding that can be told.
    """
    if not data:
        raise ReadError(f"{name!r} is empty.")
    text, encoding = _decode(data, name, declared)
    if "\0" in text:  # behind a Unicode mark; no database takes it as text
        raise ReadError(f"{name!r} looks binary.")
    if not text.strip():
        raise ReadError(f"{name!r} holds only white space.")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Decoded(text, encoding)


def looks_binary(data: bytes) -> bool:
    """True for bytes with a NUL or too many control characters, unless a Unicode mark explains them."""
    if data.startswith(tuple(mark for mark, _ in _MARKS)):
        return False
    controls = len(data) - len(data.translate(None, _CONTROLS))
    return b"\0" in data or controls > _MAX_CONTROL_SHARE * len(data)


def _decode(data: bytes, name: str, declared: str | None) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise ReadError(
                    f"{name!r} starts with a {encoding} mark but is not {encoding} (byte {error.start})."
                ) from error
    if looks_binary(data):
        raise ReadError(f"{name!r} looks binary.", hint="Save it as UTF-8 text if it is text.")
    for candidate in ("utf-8", declared):
        try:
            if candidate:
                return data.decode(candidate), codecs.lookup(candidate).name
        except (UnicodeDecodeError, LookupError):
            continue
    detected = _detect(data)
    try:
        if detected:
            return data.decode(detected), detected
    except UnicodeDecodeError:  # the sample fitted, the rest does not
        pass
    raise ReadError(f"{name!r} is in an encoding that cannot be told.", hint="Save it as UTF-8.")


def _detect(data: bytes) -> str | None:
    from charset_normalizer import from_bytes  # slow to import, and seldom needed

    sample = data
    if len(data) > _SAMPLE_BYTES:  # cut at a line's end, so that no character is halved
        sample = data[: data.rfind(b"\n", 0, _SAMPLE_BYTES) + 1 or _SAMPLE_BYTES]
    matches = list(from_bytes(sample, cp_isolation=[*_MULTI_BYTE, *_SINGLE_BYTE]))
    if not matches:
        return None
    best = matches[0]
    for match in matches:
        # On a tie, the code page that is by far the commonest.
        tied = (match.percent_chaos, match.percent_coherence) == (best.percent_chaos, best.percent_coherence)
        if match.encoding == "cp1252" and tied:
            best = match
    if best.percent_chaos > _MAX_MESS_PERCENT:
        return None
    if best.encoding not in _MULTI_BYTE and best.percent_coherence < _MIN_LANGUAGE_PERCENT:
        return None
    return best.encoding
