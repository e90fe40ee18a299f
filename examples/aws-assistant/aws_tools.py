"""Tools for an assistant about the AWS command line: check a command, explain a command.

Both work offline from the installed `awscli` package and never run anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from aws_report import CommandCheck, Problem
from aws_shell import first_command, split_words

from asbuilt.errors import MissingError

__all__ = ["CommandCheck", "Problem", "aws_cli_check", "aws_cli_help", "first_command", "same_command"]

MAX_COMMAND = 32_768
"""Characters; longer commands are refused unread."""

_LOCK = RLock()  # awscli fills its tables on first use, without locks


def aws_cli_check(command: str) -> CommandCheck:
    """Check an AWS CLI command against the service models, without running it.

    Reports unknown services, operations and options, missing required options, and values of the
    wrong type. Values that name a file (file://, fileb://), variables ($NAME) and placeholders
    (<name>) stand for any value. What follows a pipe or a redirection is not checked.

    Args:
        command: the whole command, beginning with "aws"
    """
    if len(command) > MAX_COMMAND:
        what = f"the command has {len(command)} characters"
        return CommandCheck(False, "", "", (Problem(what, "", f"at most {MAX_COMMAND}"),))
    with _LOCK, _needs_awscli():
        from aws_checks import check_line

        return check_line(split_words(command))


def aws_cli_help(service: str, operation: str | None = None) -> str:
    """Explain an AWS CLI command: what it does, its required and optional options with their types.

    Args:
        service: name of the service as in the command, for example "s3api"
        operation: name of the operation, for example "list-buckets"; without it, the service's
            operations are listed
    """
    with _LOCK, _needs_awscli():
        from aws_help import explain

        return explain(service, operation)


def same_command(candidate: str, reference: str) -> bool:
    """True when `candidate` is a valid command that calls the operation that `reference` calls.

    Valid means that `aws_cli_check` passes, so all required options are present.
    """
    given, wanted = aws_cli_check(candidate), aws_cli_check(reference)
    return given.ok and (given.service, given.operation) == (wanted.service, wanted.operation)


@contextmanager
def _needs_awscli() -> Iterator[None]:
    """Around the late imports of what needs awscli: importing that takes half a second."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "awscli":
            raise
        hint = "Install it: pip install 'asbuilt[aws]'"
        raise MissingError("The AWS tools need the package awscli.", hint=hint) from error
