"""The check against the CLI itself, which parses the same words up to the point of sending them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from aws_commands import operation_models
from aws_shell import split_words
from aws_tools import aws_cli_check

REFERENCES = Path(__file__).parents[2] / "examples" / "aws-assistant" / "data" / "cli-commands.jsonl"

REFUSED = [
    "aws sqs purge-queue",
    "aws sqs purge-queue --queue-name q",
    "aws sqs purge-queue --queue-url",
    "aws sqs purge-queue --queue-url u extra",
    "aws sqs list-queues --output xml",
    "aws sqs list-queues --max-results many",
    "aws sqs list-queues --page-size ten",
    "aws ec2 create-tags --resources i-1 --tags Key=a,Val=b",
    "aws ec2 create-tags --resources i-1 --tags Key=a, Value=b",
    "aws ec2 create-tags --resources i-1 --tags '[{\"Key\": 1}]'",
    "aws ec2 reboot-instances --dry-run=yes --instance-ids i-1",
    "aws dynamodb get-item --cli-input-json params.json",
    "aws kms create-key --tags TagKey=a",
    "aws kms schedule-key-deletion --key-id ''",
    "aws lambda update-function-configuration --function-name f --memory-size 1",
    "aws cloudtrail lookup-events --start-time yesterday",
    "aws verifiedpermissions put-schema --policy-store-id p --definition '{}'",
]


def is_api_operation(page: str) -> bool:
    service, _, name = page.partition("/")
    return name in dict(operation_models(service))


def sendable() -> list[str]:
    """Some references that call an API operation and that the CLI can parse without a file or the network."""
    records = [json.loads(line) for line in REFERENCES.read_text(encoding="utf-8").splitlines()]
    commands = [record["reference"] for record in records[::5] if is_api_operation(record["documents"][0])]
    return [
        command
        for command in commands
        if "://" not in command
        and "bundle-instance" not in command  # signs a policy between parsing and sending
        and not any(word.unknown for word in split_words(command).words)
    ]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The CLI's last step is replaced by botocore's own validation of what would be sent."""
    from awscli.clidriver import CLIOperationCaller
    from botocore.validate import validate_parameters

    def invoke(self: Any, service: str, operation: str, parameters: dict[str, Any], _: object) -> int:
        model = self._session.get_service_model(service).operation_model(operation)
        parameters.pop("PaginationConfig", None)
        if model.input_shape is not None:
            tokens = dict.fromkeys(model.idempotent_members, "t" * 64)
            validate_parameters({**tokens, **parameters}, model.input_shape)
        return 0

    monkeypatch.setattr(CLIOperationCaller, "invoke", invoke)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.chdir(tmp_path)


def accepted_by_cli(command: str) -> bool:
    from awscli.clidriver import create_clidriver

    words = [word.text for word in split_words(command).words]
    try:
        # A driver keeps state from one command to the next, so each gets its own.
        return bool(create_clidriver().main(words[1:]) == 0)
    except SystemExit:
        return False


@pytest.mark.slow
def test_what_the_cli_sends_passes(sent: None) -> None:
    commands = sendable()
    assert len(commands) > 50
    assert [command for command in commands if not accepted_by_cli(command)] == []
    assert [command for command in commands if not aws_cli_check(command).ok] == []


@pytest.mark.slow
@pytest.mark.parametrize("command", REFUSED)
def test_what_the_cli_refuses_fails(sent: None, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not accepted_by_cli(command)
    assert not aws_cli_check(command).ok
