"""Seconds and memory of preprocessor/standard by the number of rows.

    python benchmarks/preprocess_speed.py [ROWS ...]

Rows of about 500 characters are drawn from 5,000 words with frequencies as in text (Zipf); a tenth are
near duplicates, a twentieth exact ones; 1,000 held-out questions are checked against.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from itertools import accumulate

from asbuilt.lineage import HeldOut, TrainingRow
from asbuilt.training.preprocess import StandardPreprocessor
from asbuilt.types import Message

WORDS = [f"{chr(97 + at % 26)}{at:04x}" for at in range(5_000)]
WEIGHTS = list(accumulate(1 / (at + 10) for at in range(len(WORDS))))


def words(drawn: random.Random, count: int) -> list[str]:
    return drawn.choices(WORDS, cum_weights=WEIGHTS, k=count)


def rows(count: int) -> list[TrainingRow]:
    drawn = random.Random(0)
    made: list[TrainingRow] = []
    for at in range(count):
        kind = drawn.random()
        if made and kind < 0.15:
            earlier = drawn.choice(made).messages
            said = earlier[1].content.split()
            if kind < 0.1:
                said[-1] = "other"
            messages = (earlier[0], Message("assistant", " ".join(said)))
        else:
            messages = (
                Message("user", " ".join(words(drawn, 15))),
                Message("assistant", " ".join(words(drawn, 65))),
            )
        made.append(TrainingRow(messages, f"s{at // 5}", f"file:rows.jsonl:{at + 1}"))
    return made


def main(counts: list[int]) -> None:
    drawn = random.Random(1)
    held_out = [HeldOut("questions", str(at), " ".join(words(drawn, 15)), "none") for at in range(1_000)]
    for count in counts:
        made = rows(count)
        chars = sum(len(message.content) for row in made for message in row.messages) / count
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, worked = time.perf_counter(), time.process_time()
        data = StandardPreprocessor(on_leak="drop").prepare(iter(made), held_out=held_out)
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(
            f"{count:>8,} rows of {chars:.0f} characters: {seconds:6.1f} s ({worked:.1f} s of a core), "
            f"{grown:6.0f} MiB more; "
            f"{data.card.train:,} + {data.card.validation:,} kept, {dict(data.card.rejected)}"
        )


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [10_000, 30_000, 100_000])
