from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aws_tools import CommandCheck, Problem, aws_cli_check, aws_cli_help, same_command
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLE = Path(__file__).parents[2] / "examples" / "aws-assistant"


def references() -> list[str]:
    lines = (EXAMPLE / "data" / "cli-commands.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["reference"] for line in lines]


GOOD = [
    "aws sqs purge-queue --queue-url https://sqs.us-east-1.amazonaws.com/1/q",
    "aws --region eu-west-1 sqs list-queues --output yaml --no-cli-pager",
    "aws ec2 describe-instances --query 'Reservations[].Instances[].InstanceId' --filters Name=a,Values=b,c",
    "aws ec2 wait instance-running --instance-ids i-1 i-2",
    "aws ec2 run-instances --image-id ami-1 --count 2 --instance-type t3.micro --user-data file://none.txt",
    "aws ec2 create-tags --resources i-1 --tags 'Key=Name,Value=web 1' --dry-run",
    "aws ec2 modify-instance-attribute --instance-id i-1 --no-ebs-optimized",
    "aws s3 cp a.txt s3://b/a.txt --acl private",
    "aws s3 sync . s3://b --exclude '*.tmp' --delete",
    "aws s3 ls",
    "aws s3api get-object --bucket b --key k out.bin",
    "aws s3api put-object --bucket b --key k --body nothing-here.bin",
    'aws dynamodb put-item --table-name t --item \'{"id": {"S": "1"}}\'',
    "aws dynamodb get-item --cli-input-json file://input.json",
    "aws lambda invoke --function-name f --payload '{}' out.json",
    "aws cloudwatch get-metric-statistics --namespace n --metric-name m --period 60"
    " --start-time 2026-01-01T00:00:00Z --end-time 1767225600",
    "aws configure set region eu-central-1",
    "aws configure",
    "aws deploy push --application-name a --s3-location s3://b/k",
    "aws emr create-cluster --release-label emr-7.0.0 --instance-type m5.xlarge --applications Name=Spark",
    "aws eks update-kubeconfig --name c",
    "aws ecr get-login-password | docker login --password-stdin x",
    "aws cloudformation deploy --template-file t.yaml --stack-name s --parameter-overrides A=1 B=2",
    "aws autoscaling set-desired-capacity --auto-scaling-group-name g --desired-capacity $COUNT",
    "aws sqs purge-queue --queue-url <queue-url>",
    "aws sqs help",
    "aws help",
    "aws --version",
    "aws kms generate-random --number-of-bytes=32",
    "aws glacier describe-vault --account-id - --vault-name v",
    "aws budgets create-subscriber --account-id 111122223333 --budget b"
    " --notification NotificationType=ACTUAL,ComparisonOperator=GREATER_THAN,Threshold=80"
    " --subscriber SubscriptionType=EMAIL,Address=a@example.com",
]

BAD = [
    # (command, part of `what`, `where`, `nearest`)
    ("sudo aws s3 ls", "not an AWS command", "sudo", ""),
    ("aws", "no service", "aws", ""),
    ("aws sqss list-queues", "unknown service", "sqss", "sqs"),
    ("aws codedeploy list-applications", "unknown service", "codedeploy", "deploy"),
    ("aws sqs", "no operation", "sqs", ""),
    ("aws sqs purge-queues --queue-url u", "unknown operation", "purge-queues", "purge-queue"),
    ("aws s3api ListBuckets", "unknown operation", "ListBuckets", "list-buckets"),
    ("aws s3 create-bucket --bucket b", "unknown operation", "create-bucket", "s3api create-bucket"),
    ("aws ec2 wait instance-started", "unknown operation", "instance-started", "instance-stopped"),
    ("aws --regoin eu-west-1 s3 ls", "before the service", "--regoin", "--region"),
    ("aws sqs purge-queue", "required option --queue-url", "--queue-url", ""),
    ("aws sqs purge-queue --queue-name q", "unknown option", "--queue-name", "--queue-url"),
    ("aws sqs purge-queue --queue-url", "needs a value", "--queue-url", ""),
    ("aws sqs purge-queue --queue-url u extra", "unexpected argument", "extra", ""),
    ("aws sqs list-queues --output xml", "not a value of --output", "--output", ""),
    ("aws sqs list-queues --query 'Queues['", "JMESPath", "--query", ""),
    ("aws sqs list-queues --max-results many", "cannot be parsed", "--max-results", ""),
    ("aws sqs list-queues --page-size ten", "not a number", "--page-size", ""),
    ("aws s3 cp a.txt", "needs 2 values", "paths", ""),
    ("aws s3 cp a.txt b.txt", "neither path is in S3", "a.txt", ""),
    ("aws s3 rb my-bucket", "not in S3", "my-bucket", ""),
    ("aws s3 cp a s3://b/a --acl public", "not a value of --acl", "--acl", "public-read"),
    ("aws ec2 create-tags --resources i-1 --tags Key=a,Val=b", "unknown key 'Val'", "--tags[0]", "Value"),
    ("aws ec2 create-tags --resources i-1 --tags Key=a, Value=b", "Expected", "--tags", ""),
    ("aws ec2 create-tags --resources i-1 --tags '[{\"Key\": 1}]'", "1 is not a string", "--tags[0].Key", ""),
    ("aws ec2 create-tags --resources i-1 --tags '[{\"Key\": }]'", "cannot be parsed", "--tags", ""),
    (
        "aws ec2 create-vpc --instance-tenancy Dedicated",
        "not a known value",
        "--instance-tenancy",
        "dedicated",
    ),
    ("aws ec2 reboot-instances --dry-run=yes --instance-ids i-1", "takes no value", "--dry-run", ""),
    (
        'aws dynamodb put-item --table-name t --item \'{"id": {"X": "1"}}\'',
        "unknown key 'X'",
        "--item.id",
        "",
    ),
    (
        "aws verifiedpermissions put-schema --policy-store-id p --definition '{}'",
        "exactly one key",
        "--definition",
        "",
    ),
    ("aws lambda invoke --function-name f", "required argument outfile", "outfile", ""),
    (
        "aws lambda update-function-configuration --function-name f --memory-size 1",
        "too small",
        "--memory-size",
        "",
    ),
    ("aws kms create-key --tags TagKey=a", "required key TagValue is missing", "--tags[0]", ""),
    ("aws kms schedule-key-deletion --key-id ''", "too short", "--key-id", ""),
    ("aws cloudtrail lookup-events --start-time yesterday", "not a point in time", "--start-time", ""),
    ("aws dynamodb get-item --cli-input-json params.json", "not JSON", "--cli-input-json", ""),
    ("aws sqs purge-queue --queue-url $(cat url)", "runs a command", "$(cat url)", ""),
    ("aws sqs purge-queue --queue-url 'u", "unbalanced", "'u", ""),
]


@pytest.mark.parametrize("command", GOOD)
def test_a_good_command_passes(command: str) -> None:
    assert aws_cli_check(command).problems == ()


@pytest.mark.parametrize(("command", "what", "where", "nearest"), BAD)
def test_a_bad_command_says_what_is_wrong(command: str, what: str, where: str, nearest: str) -> None:
    check = aws_cli_check(command)
    assert not check.ok
    problem = check.problems[0]
    assert what in problem.what
    assert (problem.where, problem.nearest) == (where, nearest)


def test_all_problems_are_reported_together() -> None:
    check = aws_cli_check("aws sqs send-message --body hi --delay-seconds soon --output xml")
    assert [problem.where for problem in check.problems] == [
        "--output", "--body", "--delay-seconds", "--queue-url", "--message-body",
    ]  # fmt: skip


def test_what_follows_a_pipe_is_named_and_not_checked() -> None:
    check = aws_cli_check("aws sqs list-queues | jq .")
    assert check == CommandCheck(True, "sqs", "list-queues", (), "| jq .")


def test_a_value_that_names_a_file_is_not_read(tmp_path: Path) -> None:
    """A read would fail, or give text that is not valid here."""
    broken = tmp_path / "broken.json"
    broken.write_text("not json", encoding="utf-8")
    for value in (f"file://{broken}", f"fileb://{tmp_path}/missing"):
        assert aws_cli_check(f"aws ec2 create-tags --resources i-1 --tags {value}").ok
    check = aws_cli_check(
        f"aws ec2 create-tags --resources i-1 --tags Key=a,Value@=file://{tmp_path}/missing"
    )
    assert check.ok


def test_a_very_long_command_is_refused() -> None:
    check = aws_cli_check("aws s3 ls " + "x" * 40_000)
    assert check.problems == (Problem("the command has 40010 characters", "", "at most 32768"),)


@pytest.mark.slow
def test_every_reference_passes() -> None:
    failing = {
        command: check.problems for command in references() if not (check := aws_cli_check(command)).ok
    }
    assert failing == {}


@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    aws_cli_check(text)
    aws_cli_check(f"aws {text}")


VALUES = st.text(st.sampled_from("ab1=,:[]{}@'\"\\ -."), max_size=30)
OPTIONS = st.sampled_from(
    [
        "cloudwatch put-metric-alarm --dimensions",
        "cloudwatch put-metric-alarm --threshold",
        "cloudtrail lookup-events --start-time",
        "dynamodb put-item --item",
        "ec2 create-tags --tags",
        "ec2 modify-instance-attribute --ebs-optimized",
        "sqs list-queues --query",
        "ssm send-command --parameters",
        "sqs list-queues --cli-input-json",
    ]
)


@settings(max_examples=300)
@given(OPTIONS, VALUES)
def test_no_value_makes_it_raise(option: str, value: str) -> None:
    quoted = "'" + value.replace("'", "'\\''") + "'"
    assert isinstance(aws_cli_check(f"aws {option} {quoted}"), CommandCheck)


def test_deep_nesting_is_a_problem_and_not_a_crash() -> None:
    for value in ("[" * 9000, "a=" + "[" * 9000, "a={a=" * 3000):
        assert not aws_cli_check(f"aws ec2 create-tags --resources i-1 --tags '{value}'").ok


def test_same_command() -> None:
    reference = "aws sqs purge-queue --queue-url u"
    assert same_command("aws sqs purge-queue --queue-url other --region eu-west-1", reference)
    assert not same_command("aws sqs purge-queue", reference)
    assert not same_command("aws sqs delete-queue --queue-url u", reference)
    assert not same_command("", reference)
    assert not same_command("nonsense", "nonsense")


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("sqs", "purge-queue", "aws sqs purge-queue --queue-url <QUEUE_URL>"),
        ("sqs", None, "purge-queue, receive-message"),
        ("ec2", "volume", "attach-volume"),
        ("ec2", "wait instance-running", "--instance-ids (list of string)"),
        ("s3", "cp", "<LocalPath> <S3Uri>"),
        ("lambda", "invoke", "<OUTFILE>"),
        ("dynamodb", "create-table", "--billing-mode (PROVISIONED|PAY_PER_REQUEST)"),
        ("s3api", "ListBuckets", "Did you mean list-buckets?"),
        ("sqss", None, "Did you mean sqs?"),
        ("nothing-like-it", "x", "There is no AWS service"),
    ],
)
def test_help_says(service: str, operation: str | None, expected: str) -> None:
    assert expected in aws_cli_help(service, operation)


@pytest.mark.parametrize("name", [None, "run-instances", "wait", "describe", "x" * 10_000])
def test_help_is_short(name: str | None) -> None:
    assert len(aws_cli_help("ec2", name)) <= 3000


WATCHED = """
import os, sys

seen = []

def watch(event, args):
    if event in ("open", "os.listdir", "os.scandir") and "bait" in str(args[0]):
        seen.append(args[0])
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen"):
        seen.append(event)

sys.addaudithook(watch)
from aws_tools import aws_cli_check, aws_cli_help

home = os.environ["HOME"]
for command in (
    "aws ec2 describe-instances --profile bait",
    "aws s3 cp bait.txt s3://bait/k",
    f"aws ec2 create-tags --resources i-1 --tags Key=a,Value@=file://{home}/.aws/config",
    f"aws ec2 create-tags --resources i-1 --tags file://{home}/.aws/config",
    f"aws s3api put-object --bucket b --key k --body {home}/.aws/config",
    "aws kms sign --key-id k --message https://bait.example.com --signing-algorithm ECDSA_SHA_256",
):
    check = aws_cli_check(command)
    assert check.ok, check
aws_cli_help("s3", "cp")
print(seen)
"""


@pytest.mark.slow
def test_nothing_of_the_user_is_opened(tmp_path: Path) -> None:
    """In a fresh process whose home and variables are baited, every opened path is watched."""
    home = tmp_path / "home"
    (home / ".aws" / "cli").mkdir(parents=True)
    (home / ".aws" / "models").mkdir()
    for name in ("config", "credentials", "cli/alias"):
        (home / ".aws" / name).write_text("[plugins]\nx = does_not_exist\n", encoding="utf-8")
    home = home.rename(tmp_path / "bait")
    environment = {
        "HOME": str(home),
        "AWS_PROFILE": "bait",
        "AWS_CONFIG_FILE": str(home / ".aws" / "config"),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(EXAMPLE), *sys.path]),
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
