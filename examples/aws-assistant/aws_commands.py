"""The commands and options that the AWS CLI knows, asked of the installed `awscli` package.

awscli builds its command and argument tables from botocore's service models and its own
customisations. Here they are only read: no command object is ever called. The session knows no
profile, no credentials and no folder of the user, and nothing here opens a connection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import awscli

# `import awscli` makes its own botocore importable under this name.
import botocore.session
from awscli.clidriver import CLIDriver, ServiceCommand, ServiceOperation
from awscli.plugin import load_plugins
from botocore.loaders import Loader

__all__ = [
    "PACKAGE",
    "Operation",
    "Option",
    "global_options",
    "operation",
    "operation_models",
    "services",
    "subcommands",
]

PACKAGE = Path(awscli.__file__).parent
_STANDS_ALONE = (("configure",), ("cloudformation", "deploy"))
"""Commands that do something without a subcommand, though their tables hold some."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option or positional argument, as the CLI declares it to its own parser.

    `count` is the number of words it takes, or "?", "*", "+" as in argparse. Options with the same
    `target` set the same value (`--x`, `--no-x`). `convert` is how its words become a value.
    """

    name: str
    count: int | str
    required: bool
    target: str
    choices: tuple[str, ...]
    convert: type
    argument: Any

    @property
    def positional(self) -> bool:
        return not self.name.startswith("--")


@dataclass(frozen=True, slots=True)
class Operation:
    """A command that can run. `event` names it to awscli's value parser; `documentation` is HTML or reST."""

    service: str
    name: str
    event: str
    options: Mapping[str, Option]
    documentation: str


class _Declaration:
    """Stands in for argparse's parser and keeps what an argument says of itself."""

    def __init__(self) -> None:
        self.name = ""
        self.settings: dict[str, Any] = {}

    def add_argument(self, name: str, **settings: Any) -> None:
        self.name, self.settings = name, settings


@cache
def _root() -> Any:
    nowhere = (None, None, os.devnull, None)
    session = botocore.session.Session(
        {"config_file": nowhere, "credentials_file": nowhere, "profile": (None, None, None, None)}
    )
    # The default loader also looks into the user's ~/.aws/models.
    folders = [str(PACKAGE / "data"), str(PACKAGE / "botocore" / "data")]
    loader = Loader(extra_search_paths=folders, include_default_search_paths=False)
    session.register_component("data_loader", loader)
    load_plugins({}, event_hooks=session.get_component("event_emitter"))
    return CLIDriver(session=session).create_help_command()


def services() -> Mapping[str, Any]:
    """Top-level commands by name: services under their CLI names, and the CLI's own commands."""
    return _root().command_table  # type: ignore[no-any-return]


@cache
def subcommands(command: Any) -> Mapping[str, Any]:
    """Commands below `command`; empty for one that runs. Loads a service's model."""
    if isinstance(command, ServiceCommand):
        return command.create_help_command().command_table  # type: ignore[no-any-return]
    return getattr(command, "subcommand_table", {})


@cache
def global_options() -> Mapping[str, Option]:
    """Options that every command takes, those of CLI version 2 included."""
    options = dict(_declared(_root().arg_table))
    output = options["--output"]
    more_outputs = (*output.choices, "yaml", "yaml-stream")
    options["--output"] = Option("--output", 1, False, "output", more_outputs, str, output.argument)
    for name in ("--no-cli-pager", "--cli-auto-prompt", "--no-cli-auto-prompt"):
        options[name] = Option(name, 0, False, name, (), str, None)
    formats = ("base64", "raw-in-base64-out")
    options["--cli-binary-format"] = Option("--cli-binary-format", 1, False, "format", formats, str, None)
    return options


@cache
def operation(service: str, *path: str) -> Operation | None:
    """The command `aws service path...`; None where there is none, or only a group of commands."""
    command = services().get(service)
    identity = service
    if isinstance(command, ServiceCommand):
        identity = command.service_model.service_id.hyphenize()
    for name in path:
        command = None if command is None else subcommands(command).get(name)
    if command is None or isinstance(command, ServiceCommand):
        return None
    if subcommands(command) and (service, *path) not in _STANDS_ALONE:
        return None
    if isinstance(command, ServiceOperation):
        documentation = command.create_help_command().obj.documentation
    else:
        documentation = command.create_help_command().description
    event = f"process-cli-arg.{identity}.{path[-1] if path else service}"
    return Operation(service, " ".join(path), event, dict(_declared(command.arg_table)), documentation)


def operation_models(service: str) -> Iterator[tuple[str, Any]]:
    """Command name and botocore model of each API operation of `service`."""
    command = services()[service]
    if isinstance(command, ServiceCommand):
        for name, child in subcommands(command).items():
            if isinstance(child, ServiceOperation):
                yield name, child.create_help_command().obj


def _declared(table: Mapping[str, Any]) -> Iterator[tuple[str, Option]]:
    for argument in table.values():
        declaration = _Declaration()
        argument.add_to_parser(declaration)
        settings = declaration.settings
        flag = settings.get("action") in ("store_true", "store_false", "version")
        count = 0 if flag else settings.get("nargs") or 1
        target = settings.get("dest") or argument.py_name
        choices = tuple(settings.get("choices") or ())
        convert = settings.get("type") or str
        name = declaration.name
        # argparse cannot require one of two flags; botocore does, before it sends anything.
        required = argument.required if name.startswith("--") else count not in ("?", "*")
        yield name, Option(name, count, required, target, choices, convert, argument)
