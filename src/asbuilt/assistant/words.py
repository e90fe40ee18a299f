"""Word lists and word forms of the support check (`support.py`). English; negations of some other
languages are known too, so that a dropped "nicht" is not passed off as checked."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Literal

import Stemmer

__all__ = ["FUNCTION_WORDS", "GENERIC", "NUMBER_WORDS", "UNITS", "negation", "opposites", "stem"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTION_WORDS = _words("""
a about an and any are as at be been being between both but by can could did do does doing done each
either every for from get gets go goes had has have having he her here hers him his how i if in into is it
its itself just may me might much must my of on one ones onto or other our ours out over own per shall she
should so some such than that the their theirs them themselves then there therefore these they this those
through thus to too up us very was we were what when where whether which while who whom whose why will
with within would you your yours yourself also however e.g i.e etc
""")

GENERIC = FUNCTION_WORDS | _words("""
according answer argument arguments command commands described document documentation documents example
examples following follow-up given happy help helps hope information instead know let like likely look
mention mentioned mentions note option options output parameter parameters passage passages please question
range ranges refer result roughly say says see several simple simply since source sources specific
specified specify specifies state stated states step steps summary sure syntax text thank thanks use used
user's uses using value values want way well yes
""")
"""Function words, and those with which an answer speaks of itself and of its sources. They are neither
counted nor asked for."""

_NEGATIONS = _words("""
no not never none nothing nobody nowhere neither nor cannot without unable
""")
# In other languages a negation may stand after what it negates.
_FOREIGN_NEGATIONS = _words("""
nicht kein keine keinen keinem keiner keines nie niemals ohne
pas jamais aucun aucune sans non ne nunca ningun ninguna ningún sin não nem mai senza niet geen nooit zonder
""")
_FOREIGN_MARKS = ("不", "没", "沒", "无", "無", "未", "非", "ない", "ません", "않", "없")

UNITS: dict[str, str] = {
    form: unit
    for unit, forms in {
        "ns": "ns nanosecond nanoseconds",
        "ms": "ms millisecond milliseconds",
        "s": "s sec secs second seconds",
        "min": "min mins minute minutes",
        "h": "h hr hrs hour hours",
        "day": "day days",
        "week": "week weeks",
        "month": "month months",
        "year": "year years",
        "byte": "byte bytes",
        "kb": "kb kilobyte kilobytes",
        "kib": "kib kibibyte kibibytes",
        "mb": "mb megabyte megabytes",
        "mib": "mib mebibyte mebibytes",
        "gb": "gb gigabyte gigabytes",
        "gib": "gib gibibyte gibibytes",
        "tb": "tb terabyte terabytes",
        "tib": "tib tebibyte tebibytes",
        "%": "% percent",
        "usd": "usd dollar dollars",
        "eur": "eur euro euros",
        "time": "times",
    }.items()
    for form in forms.split()
}
"""Spellings of a unit that must stand beside its number in the passage too."""

NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=2
    )
}

_IRREGULAR = {
    form: word
    for word, forms in {
        "become": "became",
        "begin": "began begun",
        "break": "broke broken",
        "bring": "brought",
        "build": "built",
        "buy": "bought",
        "choose": "chose chosen",
        "fall": "fell fallen",
        "give": "gave given",
        "grow": "grew grown",
        "hide": "hid hidden",
        "hold": "held",
        "keep": "kept",
        "leave": "left",
        "lose": "lost",
        "meet": "met",
        "pay": "paid",
        "rise": "rose risen",
        "sell": "sold",
        "send": "sent",
        "speak": "spoke spoken",
        "spend": "spent",
        "take": "took taken",
        "tell": "told",
        "throw": "threw thrown",
        "write": "wrote written",
    }.items()
    for form in forms.split()
}

# Words that say the contrary of each other; a claim may not use one where the passage uses the other.
_OPPOSITES = _words("""
 above/below accept/reject accept/refuse add/remove after/before allow/deny allow/forbid allow/prevent
allow/block allow/prohibit always/never always/sometimes ascending/descending asynchronous/synchronous
attach/detach automatic/manual automatically/manually available/unavailable begin/end create/delete
connect/disconnect correct/incorrect cheap/expensive decrease/increase decrypt/encrypt disable/enable
down/up earlier/later early/late empty/full enter/leave exclude/include external/internal fail/succeed
failure/success false/true fast/slow faster/slower fewer/more first/last gain/lose grant/revoke high/low
higher/lower import/export install/uninstall known/unknown large/small larger/smaller least/most less/more
load/unload lock/unlock long/short longer/shorter lower/raise lowered/raised mandatory/optional
maximum/minimum mount/unmount must/may must/can new/old newer/older newest/oldest next/previous off/on
open/close optional/required private/public push/pull read/write register/deregister safe/unsafe show/hide
start/stop start/terminate tag/untag valid/invalid
""")

# Plain words for the same act.
_SAME = {
    variant: words.split()[0]
    for words in ("delete remove erase", "begin start", "display show", "retrieve fetch")
    for variant in words.split()
}


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().replace("’", "'")


@lru_cache(maxsize=65_536)
def _plain_stem(word: str) -> str:
    folded = _folded(word).removesuffix("'s")
    folded = NUMBER_WORDS.get(folded) or _IRREGULAR.get(folded, folded)
    # A stemmer keeps state between calls and may not be shared by threads.
    return str(Stemmer.Stemmer("english").stemWord(folded))


_SAME_STEMS = {_plain_stem(variant): _plain_stem(word) for variant, word in _SAME.items()}


def stem(word: str) -> str:
    """The form in which words are compared: folded, stemmed (Snowball English), synonyms joined.

    >>> stem("Deletes") == stem("removed")
    True
    """
    stemmed = _plain_stem(word)
    return _SAME_STEMS.get(stemmed, stemmed)


_OPPOSITE_STEMS: dict[str, frozenset[str]] = {}
for _pair in _OPPOSITES:
    _sides = frozenset(stem(word) for word in _pair.split("/"))
    for _side in _sides:
        _OPPOSITE_STEMS[_side] = _OPPOSITE_STEMS.get(_side, frozenset()) | (_sides - {_side})


def opposites(stemmed: str) -> frozenset[str]:
    """The stems that say the contrary of a stem."""
    return _OPPOSITE_STEMS.get(stemmed, frozenset())


def negation(word: str) -> Literal["", "ahead", "around"]:
    """Whether a word negates what stands ahead of it, or anything around it.

    >>> negation("can't"), negation("nicht"), negation("canvas")
    ('ahead', 'around', '')
    """
    folded = _folded(word)
    if folded in _NEGATIONS or folded.endswith("n't"):
        return "ahead"
    foreign = folded in _FOREIGN_NEGATIONS or any(mark in folded for mark in _FOREIGN_MARKS)
    return "around" if foreign else ""
