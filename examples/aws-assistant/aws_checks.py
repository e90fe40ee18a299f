"""The words of a command -> what is wrong with it, by the tables of the installed CLI."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jmespath  # type: ignore[import-untyped]
from aws_commands import Operation, Option, global_options, operation, services, subcommands
from aws_report import CommandCheck, Problem, choices, listing
from aws_shell import Line, Word
from aws_values import value_problems

__all__ = ["check_line"]

_NEGATIVE_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")
_API_NAMES = {"codedeploy": "deploy", "config": "configservice"}
_REPLACES_OPTIONS = ("--cli-input-json", "--cli-input-yaml", "--generate-cli-skeleton")
_S3_TRANSFERS = ("cp", "mv", "sync")
_S3_ONLY = ("rm", "mb", "rb")


@dataclass(slots=True)
class _Report:
    """Collects what is found out about one command."""

    service: str = ""
    operation: str = ""
    problems: list[Problem] = field(default_factory=list)

    def add(self, what: str, where: str, allowed: str = "", nearest: str = "") -> None:
        self.problems.append(Problem(what, where, allowed, nearest))

    def done(self, line: Line) -> CommandCheck:
        problems = tuple(self.problems)
        return CommandCheck(not problems, self.service, self.operation, problems, line.rest)


def check_line(line: Line) -> CommandCheck:
    """Compare a command with what the CLI accepts. Never raises."""
    report = _Report()
    if line.fault:
        report.add(line.fault, line.rest[:40])
    elif not line.words or line.words[0].text != "aws":
        first = line.words[0].text if line.words else ""
        report.add("not an AWS command", first[:40], allowed="a command that begins with aws")
    else:
        given, words = _without_globals(line.words[1:], report)
        _check_globals(given, report)
        if words:
            _check_words(words, report)
        elif "--version" not in given:
            report.add("no service is named", "aws", allowed="aws SERVICE OPERATION [--option value ...]")
    return report.done(line)


def _without_globals(words: Sequence[Word], report: _Report) -> tuple[dict[str, list[Word]], list[Word]]:
    """The global options and the other words. As in the CLI, global options may stand anywhere."""
    given: dict[str, list[Word]] = {}
    others: list[Word] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        name, equals, inline = word.text.partition("=")
        option = _option_named(name, global_options())
        if option is None:
            others.append(word)
        elif option.count == 0:
            given[option.name] = []
        elif equals:
            given[option.name] = [Word(inline, word.unknown)]
        elif pending and not _is_option(pending[0]):
            given[option.name] = [pending.pop(0)]
        else:
            report.add(f"{option.name} needs a value", option.name, listing(option.choices))
    return given, others


def _check_globals(given: Mapping[str, Sequence[Word]], report: _Report) -> None:
    for name, words in given.items():
        _check_option(global_options()[name], words, "", report)
    query = given.get("--query", ())
    if query and not query[0].unknown:
        try:
            jmespath.compile(query[0].text)
        except (jmespath.exceptions.JMESPathError, RecursionError) as error:
            first_line = str(error).splitlines()[0] if str(error) else "nested too deeply"
            report.add(f"not a JMESPath expression: {first_line}", "--query")


def _check_words(words: list[Word], report: _Report) -> None:
    """`words` start with the service. Walks down to the command that runs, then checks its options."""
    name = words.pop(0).text
    if _is_option(Word(name)):
        report.add(f"unknown option {name} before the service", name, *choices(name, global_options()))
        return
    if name == "help":
        report.operation = "help"
        return
    command = services().get(name)
    if command is None:
        allowed, nearest = choices(name, services())
        report.add(f"unknown service {name!r}", name, allowed, _API_NAMES.get(name, nearest))
        return
    report.service = name
    path: list[str] = []
    while table := subcommands(command):
        if words and words[0].text == "help":
            report.operation = " ".join((*path, "help"))
            return
        if not words or words[0].text not in table:
            break
        path.append(words.pop(0).text)
        command = table[path[-1]]
    report.operation = " ".join(path)
    found = operation(name, *path)
    if found is None:
        _report_operation(words, table, report)
    elif not (len(words) == 1 and words[0].text == "help"):
        _check_options(found, words, report)


def _report_operation(words: Sequence[Word], table: Mapping[str, Any], report: _Report) -> None:
    where = f"{report.service} {report.operation}".strip()
    if not words or _is_option(words[0]):
        report.add(f"no operation of {where} is named", where, listing(list(table)))
        return
    name = words[0].text
    allowed, nearest = choices(name, table)
    if not nearest and report.service == "s3" and name in subcommands(services()["s3api"]):
        nearest = f"s3api {name}"
    report.add(f"unknown operation {name!r} of {where}", name, allowed, nearest)


def _check_options(found: Operation, words: Sequence[Word], report: _Report) -> None:
    given = _assign(found, words, report)
    for name, values in given.items():
        _check_option(found.options[name], values, found.event, report)
    _check_input_json(given, report)
    if not any(name in given for name in _REPLACES_OPTIONS):
        targets = {found.options[name].target for name in given}
        for option in found.options.values():
            if option.required and option.target not in targets:
                report.add(f"required {_kind(option)} {option.name} is missing", option.name)
    if found.service == "s3":
        _check_s3_paths(found, given, report)


def _assign(found: Operation, words: Sequence[Word], report: _Report) -> dict[str, list[Word]]:
    """Words by option, as argparse would share them out. Words left over are reported."""
    given: dict[str, list[Word]] = {}
    waiting = [option for option in found.options.values() if option.positional]
    spare: list[Word] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if not _is_option(word):
            spare.append(word)
            continue
        name, equals, inline = word.text.partition("=")
        option = _option_named(name, found.options)
        values = [Word(inline, word.unknown)] if equals else []
        most = _most(option) if option is not None else len(pending)
        while not equals and pending and len(values) < most and not _is_option(pending[0]):
            values.append(pending.pop(0))
        if option is None:
            known = [*found.options, *global_options()]
            report.add(f"unknown option {name}", name, *choices(name, known))
        else:
            given[option.name] = values
    for option in waiting:
        most = _most(option)
        if spare:
            given[option.name], spare = spare[:most], spare[most:]
    for word in spare:
        report.add(f"unexpected argument {word.text[:60]!r}", word.text[:60], "options start with --")
    return given


def _option_named(name: str, options: Mapping[str, Option]) -> Option | None:
    """By its name or, as argparse allows, by the start of only one name."""
    if name in options:
        return options[name]
    longer = [option for known, option in options.items() if known.startswith(name) and name.startswith("--")]
    return longer[0] if len(longer) == 1 and len(name) > 2 else None


def _check_option(option: Option, words: Sequence[Word], event: str, report: _Report) -> None:
    least = option.count if isinstance(option.count, int) else int(option.count == "+")
    if option.count == 0 and words:
        report.add(f"{option.name} is a flag and takes no value", option.name)
    elif len(words) < least:
        report.add(f"{option.name} needs {'a value' if least == 1 else f'{least} values'}", option.name)
    elif not words or any(word.unknown for word in words):
        return
    elif option.convert is not str and (
        wrong := [word.text for word in words if not _converts(word, option)]
    ):
        report.add(f"{wrong[0]!r} is not a number", option.name, "a number")
    elif option.choices and (wrong := [word.text for word in words if word.text not in option.choices]):
        what = f"{wrong[0]!r} is not a value of {option.name}"
        report.add(what, option.name, *choices(wrong[0], option.choices))
    elif getattr(option.argument, "argument_model", None) is not None:
        texts = [word.text for word in words]
        report.problems.extend(value_problems(option.argument, texts, event=event))


def _check_input_json(given: Mapping[str, Sequence[Word]], report: _Report) -> None:
    for word in given.get("--cli-input-json", ()):
        try:
            if not word.unknown and not word.text.startswith("file://"):
                json.loads(word.text)
        except (ValueError, RecursionError):
            allowed = "JSON, or file:// and the path of a JSON file"
            report.add("not JSON", "--cli-input-json", allowed)


def _check_s3_paths(found: Operation, given: Mapping[str, Sequence[Word]], report: _Report) -> None:
    paths = [word for name in ("paths", "path") for word in given.get(name, ())]
    remote = [word.unknown or word.text.startswith("s3://") for word in paths]
    if not paths:
        return
    if found.name in _S3_TRANSFERS and not any(remote):
        report.add("neither path is in S3", paths[0].text, "at least one path that begins with s3://")
    elif found.name in _S3_ONLY and not all(remote):
        report.add("the path is not in S3", paths[0].text, "a path that begins with s3://")


def _is_option(word: Word) -> bool:
    name = word.text.partition("=")[0]
    return len(name) > 1 and name[0] == "-" and " " not in name and not _NEGATIVE_NUMBER.match(name)


def _converts(word: Word, option: Option) -> bool:
    try:
        option.convert(word.text)
    except ValueError:
        return False
    return True


def _most(option: Option) -> int:
    if isinstance(option.count, int):
        return option.count
    return 1 if option.count == "?" else sys.maxsize


def _kind(option: Option) -> str:
    return "argument" if option.positional else "option"
