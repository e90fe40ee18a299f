"""Milliseconds to find the structure of a page. Targets: 15 ms at 500 words, 60 ms at 2,000 words,
seconds at 50,000 words or 20,000 rulings.

    python benchmarks/structure_speed.py [--runs 15] [--json]

Pages are made here, from words of random lengths with a fixed seed: text in two columns, a page that
is one ruled table, one without rules, each at both sizes; a page of 50,000 words, at random places and
in lines; a hatching of 20,000 rulings. Medians of the runs; the large pages once.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable

from asbuilt.documents.structure import arrange
from asbuilt.pages import Box, PageMarks, Ruling, Word

SIZE, LEADING, ADVANCE = 8.0, 10.0, 4.0


def word(chance: random.Random, left: float, top: float, *, letters: int | None = None) -> Word:
    count = letters or chance.randint(2, 9)
    text = "".join(chance.choices("etaoinshrdlu", k=count))
    return Word(text, Box(left, top, left + ADVANCE * count, top + SIZE + 1.5), font_size=SIZE)


def columns(count: int) -> PageMarks:
    """Text in two columns."""
    chance = random.Random(1)
    words: list[Word] = []
    per_column = count // 2
    height = 800.0
    for left, right in ((40.0, 290.0), (310.0, 560.0)):
        x, y = left, 40.0
        while len(words) < per_column:
            new = word(chance, x, y)
            if new.box.right > right:
                x, y = left, y + LEADING
                continue
            words.append(new)
            x = new.box.right + 2.5
        per_column = count
        height = max(height, y + 60)
    return PageMarks(1, 600.0, height, tuple(words))


def table(count: int, *, ruled: bool) -> PageMarks:
    """A table of eight columns with two words a cell."""
    chance = random.Random(2)
    rows = count // 16
    xs, ys = [40.0 + 65 * n for n in range(9)], [40.0 + 12 * n for n in range(rows + 1)]
    words = [
        word(chance, x + 2 + 26 * part, y + 1, letters=5) for y in ys[:-1] for x in xs[:-1] for part in (0, 1)
    ]
    rulings = [Ruling(xs[0], y, xs[-1], y) for y in ys] + [Ruling(x, ys[0], x, ys[-1]) for x in xs]
    return PageMarks(1, 600.0, ys[-1] + 40, tuple(words), tuple(rulings) if ruled else ())


def scattered(count: int) -> PageMarks:
    """Words at random places."""
    chance = random.Random(3)
    words = [word(chance, chance.uniform(0, 1900), chance.uniform(0, 1900)) for _ in range(count)]
    return PageMarks(1, 2000.0, 2000.0, tuple(words))


def hatching(count: int) -> PageMarks:
    """Rulings that cross all over a page, under a little text."""
    chance = random.Random(4)
    rulings = []
    for number in range(count):
        place, start = round(chance.uniform(0, 800), 2), round(chance.uniform(0, 400), 2)
        end = start + 400
        flat = number % 2 == 0
        rulings.append(Ruling(start, place, end, place) if flat else Ruling(place, start, place, end))
    return PageMarks(1, 800.0, 800.0, columns(500).words, tuple(rulings))


PAGES: dict[str, tuple[Callable[[], PageMarks], float, bool]] = {
    "two columns, 500 words": (lambda: columns(500), 15.0, True),
    "two columns, 2,000 words": (lambda: columns(2000), 60.0, True),
    "ruled table, 500 words": (lambda: table(500, ruled=True), 15.0, True),
    "ruled table, 2,000 words": (lambda: table(2000, ruled=True), 60.0, True),
    "table without rules, 500 words": (lambda: table(500, ruled=False), 15.0, True),
    "table without rules, 2,000 words": (lambda: table(2000, ruled=False), 60.0, True),
    "two columns, 50,000 words": (lambda: columns(50_000), 5000.0, False),
    "table without rules, 50,000 words": (lambda: table(50_000, ruled=False), 5000.0, False),
    "scattered, 50,000 words": (lambda: scattered(50_000), 5000.0, False),
    "hatching, 20,000 rulings": (lambda: hatching(20_000), 5000.0, False),
}


def milliseconds(marks: PageMarks, runs: int) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        arrange(marks)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    arrange(columns(500))  # imports
    results = {}
    for name, (make, target, repeated) in PAGES.items():
        taken = milliseconds(make(), options.runs if repeated else 1)
        results[name] = {"ms": round(taken, 1), "target_ms": target}
        if not options.json:
            print(
                f"{name:34} {taken:9.1f} ms   target {target:6.0f} ms   {'ok' if taken <= target else 'MISS'}"
            )
    if options.json:
        print(json.dumps(results, indent=1))
    sys.exit(any(result["ms"] > result["target_ms"] for result in results.values()))


if __name__ == "__main__":
    main()
