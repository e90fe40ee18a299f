"""Makes data/known-answers.jsonl and data/cli-commands.jsonl from the installed `awscli` package.

    python make_data.py           write both files and say what was left out, and why
    python make_data.py --check   fail when the committed files are not what the packages give

Only pages whose id ("service/command") has an even SHA-256 are used. The odd half is held out: its
questions are never read and nothing is trained or tuned on its commands. The sample is the pages
whose salted hashes are smallest, so it does not depend on an order or on a random generator.

data/everyday.jsonl is not made here: its questions are written by hand, in the words of people who
do not know the documentation. Tune on its "dev" half only; "also" holds pages that answer as well.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from aws_commands import PACKAGE, operation_models, services
from aws_help import first_sentence
from aws_shell import commands
from aws_tools import aws_cli_check

__all__ = ["cli_commands", "even_pages", "known_answers", "main"]

DATA = Path(__file__).parent / "data"
PAGES = PACKAGE / "examples"
SAMPLE = 500
SALT = "asbuilt-1"

Record = Mapping[str, str | list[str]]

_TITLE = re.compile(r"\*\*(?:Example \d+\s*[:.-]\s*)?(.+?)\*\*")
_ITEM = re.compile(r"(?:[*-]|#\.|\d+\.) ")
_BOILERPLATE = re.compile(
    r"(?:Command|Input|Output|Request|Response|Example|Linux|macOS|Windows|PowerShell)\b[^.]{0,40}:+$"
    r"|Note\b|In this example\b|.*\bno output\b"
)
_ROLE = re.compile(r"`([^`<]+?)\s*<[^>]*>`__?")
_MARKUP = re.compile(r"``|\*\*|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)|`(?!\s)|(?<!\s)`_*")
_INTRODUCES = re.compile(r"\b(?:example|command|following)\b", re.IGNORECASE)


def _number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def even_pages() -> Iterator[tuple[str, Path]]:
    """Id and file of every example page of the even half, by id."""
    files = {path.relative_to(PAGES).with_suffix("").as_posix(): path for path in PAGES.rglob("*.rst")}
    for page in sorted(files):
        if _number(page) % 2 == 0:
            yield page, files[page]


# ---------------------------------------------------------------- known answers


def known_answers(left_out: Counter[str]) -> list[Record]:
    """Question: first sentence of an operation's own documentation. Answer: the page of its command."""
    pages = {page for page, _ in even_pages()}
    found: dict[str, list[str]] = {}
    for service in sorted({page.split("/")[0] for page in pages} & set(services())):
        for name, model in operation_models(service):
            page = f"{service}/{name}"
            if _number(page) % 2:
                continue
            sentence = first_sentence(model.documentation or "")
            if page not in pages:
                left_out["operation without an example page, in services that have some"] += 1
            elif not sentence:
                left_out["operation without documentation"] += 1
            else:
                found.setdefault(f"{sentence} [{service}]", []).append(page)
    left_out["question that several operations share"] += sum(len(p) for p in found.values() if len(p) > 1)
    unique = {answers[0]: question for question, answers in found.items() if len(answers) == 1}
    return [
        {"id": f"k{number:03}", "question": unique[page], "documents": [page]}
        for number, page in enumerate(_sample(unique, left_out), 1)
    ]


# ---------------------------------------------------------------- commands


def cli_commands(left_out: Counter[str]) -> list[Record]:
    """Instruction: the sentence that introduces a page's first sound example. Reference: its command."""
    found: dict[str, tuple[str, str]] = {}
    for page, file in even_pages():
        reasons: list[str] = []
        text = file.read_text(encoding="utf-8")
        for start, command in commands(text):
            instruction = _introduction(text[:start])
            reason = _unfit(page, instruction, command)
            if reason is None:
                found[page] = instruction, command
                break
            reasons.append(reason)
        else:
            left_out[f"page: {reasons[0] if reasons else 'no command'}"] += 1
    shared = Counter(instruction for instruction, _ in found.values())
    left_out["instruction that several pages share"] += sum(n for n in shared.values() if n > 1)
    unique = {page: pair for page, pair in found.items() if shared[pair[0]] == 1}
    return [
        {
            "id": f"c{number:03}",
            "question": unique[page][0],
            "documents": [page],
            "reference": unique[page][1],
        }
        for number, page in enumerate(_sample(unique, left_out), 1)
    ]


def _unfit(page: str, instruction: str, command: str) -> str | None:
    """Why an example cannot serve as a reference."""
    check = aws_cli_check(command)
    if not check.ok:
        return "the command fails aws_cli_check"
    if f"{check.service}/{check.operation.replace(' ', '/')}" != page:
        return "the command is that of another page"
    if check.unchecked:
        return "the command goes on in a pipe or redirection"
    if len(instruction.split()) < 4:
        return "no sentence introduces the command"
    return None


def _introduction(before: str) -> str:
    """The sentence that introduces what follows `before`: the first that speaks of it, else the title."""
    title = ""
    sentences: list[str] = []
    for paragraph in reversed(re.split(r"\n[ \t]*\n", before.rstrip())):
        if _ITEM.match(paragraph):
            continue  # a list explains the command; it does not introduce it
        if paragraph[:1].isspace():
            break  # the code or output of an earlier example
        heading = _TITLE.fullmatch(paragraph.strip())
        if heading is not None:
            title = _plain(heading.group(1))
            break
        sentence = first_sentence(_plain(paragraph))
        if not _BOILERPLATE.match(sentence):
            sentences.insert(0, sentence)
    fitting = [sentence for sentence in sentences if _INTRODUCES.search(sentence)]
    return _sentence(next(iter([*fitting, title, *sentences]), ""))


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub("", _ROLE.sub(r"\1", text)).split())


def _sentence(text: str) -> str:
    text = re.sub(r"^Example \d+\s*[:.-]\s*", "", text).rstrip(" :")
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


# ---------------------------------------------------------------- files


def _sample(pages: Iterable[str], left_out: Counter[str]) -> list[str]:
    ordered = sorted(pages, key=lambda page: _number(f"{SALT}:{page}"))
    left_out["not in the sample"] += len(ordered[SAMPLE:])
    return sorted(ordered[:SAMPLE])


def _lines(records: Iterable[Record]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def main() -> int:
    """Write or check the two files. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed files, write nothing"
    )
    check = parser.parse_args().check
    differing = []
    for name, make in (("known-answers", known_answers), ("cli-commands", cli_commands)):
        left_out: Counter[str] = Counter()
        records = make(left_out)
        path = DATA / f"{name}.jsonl"
        text = _lines(records)
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            differing.append(path.name)
        elif not check:
            path.write_text(text, encoding="utf-8")
        print(f"{path.name}: {len(records)} records")
        for reason, count in left_out.most_common():
            print(f"  left out {count:5} {reason}")
    for file in differing:
        print(f"{file} is not what make_data.py makes from the installed packages; run it and commit.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
