"""A service or an operation -> a short description that fits a small model's context."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from aws_commands import Operation, Option, operation, services, subcommands
from aws_report import choices, listing

__all__ = ["explain", "first_sentence"]

MAX_HELP = 3000
"""Characters that a help text takes at most."""

_HIDDEN = ("--cli-input-json", "--generate-cli-skeleton")
_ASIDE = re.compile(r"<(note|important|caution|warning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(
    r"</?(?:p|li|ul|ol|dl|dt|dd|br|div|h\d|fullname|table|tr|td|pre)\b[^>]*>|\n\s*\n", re.IGNORECASE
)
_TAG = re.compile(r"<[^>]*>")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|approx|Inc|Corp|No|Fig|Dr|Mr|Ms|St|U\.S|[A-Z]))\.$")


def first_sentence(documentation: str) -> str:
    """The first sentence of a service model's HTML, as plain text on one line.

    Notes and warnings that stand before it are passed over, unless there is nothing else.
    """
    for source in (_ASIDE.sub(" ", documentation), documentation):
        for block in _BREAK.split(source):
            text = " ".join(html.unescape(_TAG.sub("", block)).replace("``", "`").split())
            if text:
                return _sentence(text)
    return ""


def _sentence(text: str) -> str:
    for stop in re.finditer(r"[.!?](?=\s+[\"'(]?[A-Z0-9]|$)", text):
        if not _ABBREVIATION.search(text[: stop.end()]):
            return text[: stop.end()]
    return text


def explain(service: str, name: str | None) -> str:
    """Help for `aws service name`, or for the service. Unknown names get the nearest known ones."""
    command = services().get(service)
    if command is None:
        _, nearest = choices(service, services())
        hint = f" Did you mean {nearest}?" if nearest else ""
        return f"There is no AWS service {service[:60]!r} in the CLI.{hint}"
    path = tuple(name.split()) if name else ()
    for part in path:
        inner = subcommands(command).get(part)
        if inner is None:
            return _unknown_operation(service, name or "", subcommands(command))[:MAX_HELP]
        command = inner
    found = operation(service, *path)
    if found is None or (subcommands(command) and not found.options):
        return _group_help(" ".join((service, *path)), command)[:MAX_HELP]
    return _operation_help(found)[:MAX_HELP]


def _group_help(title: str, command: Any) -> str:
    names = list(subcommands(command))
    head = f"aws {title}: {len(names)} operations. Name one for its options, or a part of one to search.\n"
    return head + listing(names, limit=MAX_HELP - len(head) - 40)


def _unknown_operation(service: str, name: str, table: Any) -> str:
    containing = [known for known in table if name.lower() in known]
    _, nearest = choices(name, table)
    if containing:
        return f"Operations of {service} with {name!r} in their name: {listing(containing, limit=1500)}"
    hint = f" Did you mean {nearest}?" if nearest else ""
    return f"{service} has no operation {name[:60]!r}.{hint}"


def _operation_help(found: Operation) -> str:
    options = [option for option in found.options.values() if option.name not in _HIDDEN]
    flags = {option.target for option in options if option.count == 0 and not option.name.startswith("--no-")}
    options = [o for o in options if not (o.name.startswith("--no-") and o.target in flags)]
    required = [option for option in options if option.required]
    optional = [option for option in options if not option.required]
    synopsis = " ".join([f"aws {found.service} {found.name}", *map(_usage, required)])
    lines = [synopsis + (" [options]" if optional else ""), first_sentence(found.documentation)]
    if required:
        lines += ["Required:", *map(_option_line, required)]
    if optional:
        lines.append("Optional:")
    room = MAX_HELP - sum(len(line) + 1 for line in lines)
    for number, option in enumerate(optional):
        line = _option_line(option)
        room -= len(line) + 1
        if room < 300:
            lines.append("  also: " + listing([left.name for left in optional[number:]], limit=200))
            break
        lines.append(line)
    return "\n".join(line for line in lines if line)


def _usage(option: Option) -> str:
    if option.count == 0:
        return option.name
    value = option.name.lstrip("-").upper().replace("-", "_")
    return f"<{value}>" if option.positional else f"{option.name} <{value}>"


def _option_line(option: Option) -> str:
    documentation = first_sentence(option.argument.documentation or "") or option.argument.synopsis
    if len(documentation) > 110:
        documentation = documentation[:107].rsplit(" ", 1)[0] + " ..."
    return f"  {option.name} ({_type(option)}) {documentation}".rstrip()


def _type(option: Option) -> str:
    if option.count == 0:
        return "flag"
    shape = getattr(option.argument, "argument_model", None)
    if option.choices:
        return _some(option.choices, "|", limit=80)
    return "string" if shape is None else _shape(shape)


def _shape(shape: Any, depth: int = 0) -> str:
    """How a value is written: `string`, `a|b`, `list of Key=string,Value=string`."""
    kind: str = shape.type_name
    if kind == "list":
        return f"list of {_shape(shape.member, depth)}"
    if kind == "structure" and depth == 0:
        members = [f"{name}={_shape(inner, 1)}" for name, inner in shape.members.items()]
        return _some(members, ",", limit=150) or "JSON"
    if kind in ("structure", "map"):
        return "{...}" if depth else "key=value,..."
    known = shape.metadata.get("enum")
    return _some(known, "|", limit=40 if depth else 80) if known else kind


def _some(names: Sequence[str], separator: str, *, limit: int) -> str:
    shown = names[0] if names else ""
    for name in names[1:]:
        if len(shown) + len(name) >= limit:
            return f"{shown}{separator}..."
        shown += separator + name
    return shown
