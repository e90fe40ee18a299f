"""`asbuilt inbox`, `asbuilt approve` and `asbuilt deny`."""

from __future__ import annotations

import getpass
import json as json_module
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.output import BlueprintOption, JsonOption, note, print_json

if TYPE_CHECKING:
    from asbuilt.runs import InboxItem

__all__ = ["approve", "deny", "inbox"]

_DEFAULT = Path("blueprint.yaml")
_Number = Annotated[int, typer.Argument(help="The question's number.", metavar="NUMBER")]
_YEAR_H = 365 * 24


def inbox(blueprint: BlueprintOption = _DEFAULT, json: JsonOption = False) -> None:
    """Show what waits for a person.

    Plans and calls to approve, and calls that may have taken effect or not.
    """
    from asbuilt.system import System

    with System.load(blueprint) as system:
        items = system.catalog.runs.inbox()
    if json:
        print_json([asdict(each) for each in items])
        return
    for each in items:
        sys.stdout.write("\n".join(_lines(each)) + "\n")
    if not items:
        note("Nothing waits for you.")


def approve(number: _Number, blueprint: BlueprintOption = _DEFAULT) -> None:
    """Approve a question of the inbox.

    A plan or a call may be done then; of a call in doubt it says that it took effect.
    """
    _decided(number, blueprint, approve=True)


def deny(number: _Number, blueprint: BlueprintOption = _DEFAULT) -> None:
    """Deny a question of the inbox.

    A plan or a call may not be done then; a call in doubt took no effect, and is made now.
    """
    _decided(number, blueprint, approve=False)


def _decided(number: int, blueprint: Path, *, approve: bool) -> None:
    from asbuilt.system import System

    with System.load(blueprint) as system:
        item = system.catalog.runs.decide(number, approve=approve, by=getpass.getuser())
    note(f"question {number} is {item.state}; go on with: asbuilt resume {item.run}")


def _lines(item: InboxItem) -> list[str]:
    hours = (item.expires_at - time.time()) / 3600
    until = "" if hours > _YEAR_H else f", expires in {hours:.1f} h"
    where = f"run {item.run}" + (f", subtask {item.subtask}" if item.subtask else "")
    lines = [f"{item.id}  {item.kind}  ({where}{until})"]
    if item.kind == "plan":
        from asbuilt.agents.plans import cards_from_plain, plan_from_plain, show_plan

        cards = cards_from_plain(item.about.get("agents", ()))  # older questions have none
        drawn = show_plan(plan_from_plain(item.about["plan"]), cards)
        lines += [f"   {line}" for line in drawn.splitlines()]
    else:
        arguments = json_module.dumps(item.about["arguments"], ensure_ascii=False, sort_keys=True)
        lines.append(f"   {item.about['agent']} calls {item.about['tool']} with {arguments}")
    lines.append(f"   {item.reason}")
    lines.append(f"   asbuilt approve {item.id}   or   asbuilt deny {item.id}")
    return lines
