"""Sentences labelled by hand, before the support check was run on them.

Each is what a good (or a wrong) answer would say of the passage, cited as [1]. Passages that start
with "aws:" are example pages of the awscli package; the others are written for this file. The
rules were chosen on SUPPORTED and UNSUPPORTED, then mended on the FRESH lists, which are in freer
words. The HELD_OUT lists were written last and only measured.
"""

from __future__ import annotations

import importlib.resources
from functools import cache

__all__ = [
    "FRESH_SUPPORTED",
    "FRESH_UNSUPPORTED",
    "HELD_OUT_SUPPORTED",
    "HELD_OUT_UNSUPPORTED",
    "SUPPORTED",
    "UNSUPPORTED",
    "passage",
]

_HANDBOOK = """\
Remote work

Employees may work from home up to three days a week. Tuesdays and Thursdays are office days for
every team, unless your manager agrees otherwise in writing. Requests for a fourth day go to the
people team at least 14 days in advance.

You may not connect private devices to the production network. Company laptops are encrypted by
default, and the disk key is kept by the IT service desk. If a laptop is lost, report it within
24 hours; the device is then wiped remotely.

Expenses

Travel is booked through the travel portal. Flights longer than six hours may be booked in premium
economy. The hotel limit is 180 EUR per night in large cities and 120 EUR elsewhere. Receipts are
required for anything above 25 EUR.
"""

_MANUAL = """\
# Backup service

The backup service copies every volume once a night at 02:30 UTC. A backup is kept for 35 days and
is then deleted automatically. Set `retention_days` in backup.toml to change this; values from 7 to
365 are accepted.

Backups are incremental: only blocks that changed since the previous run are copied. The first run
copies the whole volume and can take several hours.

To restore a volume, stop the machine that uses it, run

    vaultctl restore --volume data-01 --at 2026-03-01T02:30:00Z

and start the machine again. Restoring does not delete newer backups. The service never encrypts
backups unless `encryption = true` is set, because older readers cannot open encrypted archives.

Version 4.2 raised the maximum volume size from 2 TB to 16 TB. Volumes are not checked for viruses.
"""

_SENSOR = """\
## Installing the sensor

Mount the sensor at a height of 2.5 m, at least 40 cm away from any heat source. Connect the red
wire to 24 V and the black wire to ground. Reversing the wires does not damage the device, but it
will not start.

The status light blinks green while the sensor joins the network, which takes up to 90 seconds. A
steady red light means that the network key was rejected. Hold the button for 10 seconds to reset
the key; all other settings are kept.

The battery lasts about four years at one reading per minute. Firmware updates are signed and are
installed only when the battery is above 20 %. Never update while the sensor is outdoors in frost.
"""

_API = """\
Rate limits

Each key may send 600 requests per minute. Requests above the limit receive status 429 with a
Retry-After header; they are not queued. Batch requests count once per item.

Keys expire after 90 days. An administrator can renew a key before it expires; an expired key cannot
be renewed and must be replaced. Test keys start with `tk_` and never touch production data.

Pagination uses the `cursor` parameter. Pages hold 50 items by default and 200 at most. The deprecated
`offset` parameter will be removed in version 3.
"""

_CLINIC = """\
Opening hours and appointments

The clinic is open Monday to Friday from 8:00 to 18:00, and on Saturdays until 13:00. Appointments can
be cancelled free of charge up to 48 hours before they begin; later cancellations cost 40 EUR.
Patients under 16 must be accompanied by an adult.

Laboratory results are usually ready within three working days. They are sent by post, or shown in
the patient portal if you have signed up for it. Results are never given over the telephone.

Vaccinations do not need an appointment on Wednesdays. Bring your vaccination record; a lost record can
be replaced for 15 EUR. Children receive their first measles vaccination at 11 months.
"""

_DATABASE = """\
## Replication

A replica applies changes in the order in which the primary wrote them. By default replication is
asynchronous: a commit returns before the replica has confirmed it. Set `synchronous_commit = on` to
wait for one replica, which adds about 3 ms to each commit within a data centre.

If the primary fails, promote a replica with:

```
dbctl promote --node replica-2 --wait 30
```

The old primary must not be started again before it has been rebuilt, because it may hold changes that
the new primary does not have. Rebuilding takes roughly one hour per 100 GB.

Replicas answer read queries only. Up to 8 replicas are supported; a cascading replica counts as one.
"""

_WRITTEN = {
    "api": _API,
    "clinic": _CLINIC,
    "database": _DATABASE,
    "handbook": _HANDBOOK,
    "manual": _MANUAL,
    "sensor": _SENSOR,
}


@cache
def passage(name: str) -> str:
    """The text behind a name in the lists below."""
    if name in _WRITTEN:
        return _WRITTEN[name]
    page = importlib.resources.files("awscli") / "examples" / f"{name.removeprefix('aws:')}.rst"
    return page.read_text(encoding="utf-8")


SUPPORTED: list[tuple[str, str]] = [
    # ------------------------------------------------ prose, near the wording
    ("handbook", "You can work from home up to three days a week [1]."),
    ("handbook", "Tuesdays and Thursdays are office days for every team [1]."),
    ("handbook", "A request for a fourth day must go to the people team at least 14 days in advance [1]."),
    ("handbook", "Private devices may not be connected to the production network [1]."),
    ("handbook", "A lost laptop must be reported within 24 hours, and it is then wiped remotely [1]."),
    ("handbook", "The hotel limit is 180 EUR per night in large cities [1]."),
    ("handbook", "Elsewhere the hotel limit is 120 EUR [1]."),
    ("handbook", "For flights longer than 6 hours you may book premium economy [1]."),
    ("handbook", "Receipts are required for anything above 25 EUR [1]."),
    ("handbook", "According to [1], company laptops are encrypted by default."),
    ("handbook", "The disk key of a company laptop is kept by the IT service desk [1]."),
    ("handbook", "You can't connect private devices to the production network.[1]"),
    ("handbook", 'The policy says that "Travel is booked through the travel portal" [1].'),
    ("manual", "A backup is kept for 35 days and then deleted automatically [1]."),
    ("manual", "You can change this with `retention_days` in backup.toml [1]."),
    ("manual", "Accepted values of `retention_days` range from 7 to 365 [1]."),
    ("manual", "Every volume is copied once a night at 02:30 UTC [1]."),
    ("manual", "Restoring a volume does not delete newer backups [1]."),
    ("manual", "Backups are never encrypted unless `encryption = true` is set [1]."),
    (
        "manual",
        "Only the blocks that changed since the previous run are copied, so backups are incremental [1].",
    ),
    ("manual", "Since version 4.2 the maximum volume size is 16 TB [1]."),
    ("manual", "The first run copies the whole volume, which can take several hours [1]."),
    ("manual", "Volumes aren't checked for viruses [1]."),
    (
        "manual",
        "Run `vaultctl restore --volume data-01 --at 2026-03-01T02:30:00Z` to restore the volume [1].",
    ),
    ("manual", "Stop the machine that uses the volume before restoring it [1]."),
    # ------------------------------------------------ commands
    (
        "aws:sqs/purge-queue",
        "To delete all messages in a queue, run `aws sqs purge-queue --queue-url "
        "https://sqs.us-east-1.amazonaws.com/80398EXAMPLE/MyNewQueue` [1].",
    ),
    ("aws:sqs/purge-queue", "The `purge-queue` command deletes all messages in the specified queue [1]."),
    ("aws:sqs/purge-queue", "Use `aws sqs purge-queue` to purge the queue [1]."),
    (
        "aws:s3/rb",
        "To delete a bucket, use the `rb` command [1]:\n\n```bash\naws s3 rb s3://amzn-s3-demo-bucket\n```",
    ),
    ("aws:s3/rb", "The bucket must be empty in order to remove it [1]."),
    (
        "aws:s3/rb",
        "With `--force`, all objects in the bucket are removed first, and then the bucket itself [1].",
    ),
    (
        "aws:s3/rb",
        "Force the deletion like this:\n\n```\naws s3 rb s3://amzn-s3-demo-bucket --force\n```\n[1]",
    ),
    (
        "aws:sqs/create-queue",
        "Create the queue with `aws sqs create-queue --queue-name MyQueue --attributes "
        "file://create-queue.json` [1].",
    ),
    ("aws:sqs/create-queue", "The example sets the message retention period to 3 days [1]."),
    ("aws:sqs/create-queue", "Its maximum receive count is 1000 messages [1]."),
    ("aws:logs/put-retention-policy", "This adds a 5 day retention policy to the log group `my-logs` [1]."),
    (
        "aws:logs/put-retention-policy",
        "Run:\n```\naws logs put-retention-policy --log-group-name my-logs --retention-in-days 5\n```\nIt "
        "adds a retention policy of 5 days to the log group [1].",
    ),
    (
        "aws:iam/attach-user-policy",
        "The command attaches the managed policy `AdministratorAccess` to the IAM user named `Alice` [1].",
    ),
    ("aws:iam/attach-user-policy", "The command produces no output [1]."),
    ("aws:ec2/stop-instances", "Add `--hibernate` to hibernate the instance [1]."),
    (
        "aws:ec2/stop-instances",
        "Stop an instance with:\n```\naws ec2 stop-instances --instance-ids i-1234567890abcdef0\n``` [1]",
    ),
    (
        "aws:kms/schedule-key-deletion",
        "By default, the waiting period is 30 days, and you can set it with `--pending-window-in-days` [1].",
    ),
    ("aws:kms/schedule-key-deletion", "The waiting period is between 7 and 30 days [1]."),
    (
        "aws:kms/schedule-key-deletion",
        "KMS keys in the `PendingDeletion` state cannot be used in cryptographic operations [1].",
    ),
    (
        "aws:ec2/delete-security-group",
        "You can't reference a security group for EC2-VPC by name, so give its ID [1].",
    ),
    (
        "aws:s3/presign",
        "The pre-signed URL is valid for one hour by default; `--expires-in 604800` makes it valid for one "
        "week [1].",
    ),
    (
        "aws:dynamodb/update-time-to-live",
        "Enable Time to Live on the table with "
        "`--time-to-live-specification Enabled=true,AttributeName=ttl` [1].",
    ),
    (
        "aws:rds/create-db-snapshot",
        "`aws rds create-db-snapshot --db-instance-identifier database-mysql "
        "--db-snapshot-identifier mydbsnapshot` creates a DB snapshot [1].",
    ),
]

UNSUPPORTED: list[tuple[str, str]] = [
    # ------------------------------------------------ numbers and units
    ("handbook", "You can work from home up to four days a week [1]."),
    ("handbook", "Requests for a fourth day go to the people team at least 7 days in advance [1]."),
    ("handbook", "The hotel limit is 250 EUR per night in large cities [1]."),
    ("handbook", "A lost laptop must be reported within 24 days [1]."),
    ("handbook", "Flights longer than four hours may be booked in premium economy [1]."),
    ("handbook", "Receipts are required for anything above 2.5 EUR [1]."),
    ("handbook", "Receipts are required for anything above 250 EUR [1]."),
    ("manual", "A backup is kept for 3 days and is then deleted automatically [1]."),
    ("manual", "A backup is kept for 35 weeks [1]."),
    ("manual", "Every volume is copied once a night at 03:30 UTC [1]."),
    ("manual", "Version 4.3 raised the maximum volume size to 16 TB [1]."),
    ("manual", "Version 4.2 raised the maximum volume size to 16 GB [1]."),
    ("aws:sqs/create-queue", "The message retention period is set to 30 days [1]."),
    ("aws:sqs/create-queue", "The maximum receive count is 100 messages [1]."),
    ("aws:logs/put-retention-policy", "The command adds a 50 day retention policy to the log group [1]."),
    ("aws:kms/schedule-key-deletion", "By default, the waiting period is 15 minutes [1]."),
    ("aws:s3/presign", "The pre-signed URL is valid for two hours by default [1]."),
    # ------------------------------------------------ negation and opposites
    ("handbook", "You may connect private devices to the production network [1]."),
    ("handbook", "Company laptops are not encrypted by default [1]."),
    ("handbook", "Receipts are not required for anything above 25 EUR [1]."),
    ("handbook", "Receipts are required for anything below 25 EUR [1]."),
    ("handbook", "Flights shorter than six hours may be booked in premium economy [1]."),
    ("manual", "Restoring a volume deletes newer backups [1]."),
    ("manual", "Volumes are checked for viruses [1]."),
    ("manual", "Start the machine that uses the volume before restoring it [1]."),
    ("manual", "Version 4.2 lowered the maximum volume size [1]."),
    ("manual", "Version 4.2 raised the minimum volume size [1]."),
    ("aws:s3/rb", "The bucket need not be empty in order to remove it [1]."),
    ("aws:ec2/delete-security-group", "You can reference a security group for EC2-VPC by name [1]."),
    (
        "aws:kms/schedule-key-deletion",
        "KMS keys in the `PendingDeletion` state can be used in cryptographic operations [1].",
    ),
    ("aws:dynamodb/update-time-to-live", "The command disables Time to Live on the specified table [1]."),
    ("aws:iam/attach-user-policy", "The command detaches the managed policy from the IAM user [1]."),
    ("aws:ec2/stop-instances", "The command starts the specified instance [1]."),
    # ------------------------------------------------ another actor, object or verb
    ("handbook", "Requests for a fourth day go to the finance team at least 14 days in advance [1]."),
    ("handbook", "The disk key is kept by your manager [1]."),
    ("handbook", "Mondays and Fridays are office days for every team [1]."),
    ("handbook", "Travel is booked through the people team [1]."),
    ("handbook", "If a laptop is lost, the device is then replaced [1]."),
    ("manual", "Backups are compressed before they are copied [1]."),
    ("manual", "Set `retention_weeks` in backup.toml to change this [1]."),
    ("manual", "Set `retention_days` in restore.toml to change this [1]."),
    ("aws:sqs/purge-queue", "The command creates a queue with the specified name [1]."),
    ("aws:sqs/purge-queue", "This deletes the queue together with its dead letter queue [1]."),
    ("aws:sqs/create-queue", "The command deletes the specified queue [1]."),
    ("aws:iam/attach-user-policy", "The command attaches the policy to the IAM group named `Alice` [1]."),
    (
        "aws:iam/attach-user-policy",
        "The command attaches the managed policy to the IAM user named `Bob` [1].",
    ),
    ("aws:logs/put-retention-policy", "The command deletes the log group named `my-logs` [1]."),
    ("aws:rds/create-db-snapshot", "The command restores a DB snapshot [1]."),
    ("aws:rds/create-db-snapshot", "The command copies a DB snapshot to another region [1]."),
    # ------------------------------------------------ wrong commands
    ("aws:sqs/purge-queue", "Run `aws sqs delete-queue` to purge the queue [1]."),
    ("aws:sqs/purge-queue", "Run `aws sqs purge-queue --queue-name MyNewQueue` [1]."),
    ("aws:s3/rb", "Use `aws s3 rm s3://amzn-s3-demo-bucket --recursive` to delete the bucket [1]."),
    ("aws:s3/rb", "```\naws s3 rb s3://amzn-s3-demo-bucket --recursive\n```\n[1]"),
    ("aws:s3/rb", "```\naws s3api delete-bucket --bucket amzn-s3-demo-bucket\n```\n[1]"),
    ("aws:ec2/stop-instances", "Use `aws ec2 terminate-instances --instance-ids i-1234567890abcdef0` [1]."),
    ("aws:ec2/stop-instances", "Add --force to hibernate the instance [1]."),
    ("aws:logs/put-retention-policy", "Use `--retention-in-days 30` to set the retention [1]."),
    ("manual", "Run `vaultctl restore --volume data-02 --at 2026-03-01T02:30:00Z` [1]."),
    ("manual", "Run `vaultctl restore --at data-01 --volume 2026-03-01T02:30:00Z` [1]."),
    # ------------------------------------------------ nothing of it is there
    ("handbook", "The cafeteria opens at noon and serves vegetarian meals [1]."),
    ("manual", "You should always test your backups regularly [1]."),
    ("manual", "Kubernetes schedules pods onto nodes [1]."),
    ("aws:sqs/purge-queue", "Amazon SQS is a fully managed message queuing service for microservices [1]."),
    ("aws:s3/rb", "Buckets with versioning enabled keep their old object versions [1]."),
    ("aws:kms/schedule-key-deletion", "You can cancel the deletion with `cancel-key-deletion` [1]."),
    ("aws:ec2/stop-instances", "You are not charged for a stopped instance [1]."),
    ("handbook", "I hope this helps! [1]"),
    ("handbook", "Yes [1]."),
    ("handbook", 'The policy says that "every employee must fly economy" [1].'),
]

FRESH_SUPPORTED: list[tuple[str, str]] = [
    ("sensor", "The sensor should be mounted at a height of 2.5 m [1]."),
    ("sensor", "Keep it at least 40 cm away from heat sources [1]."),
    ("sensor", "The red wire goes to 24 V, the black one to ground [1]."),
    ("sensor", "If you reverse the wires, the device won't be damaged, but it won't start either [1]."),
    ("sensor", "While joining the network, the status light blinks green; this takes up to 90 seconds [1]."),
    ("sensor", "If the light is steady red, the network key was rejected [1]."),
    ("sensor", "You can reset the key by holding the button for 10 seconds [1]."),
    ("sensor", "Resetting the key keeps all other settings [1]."),
    ("sensor", "At one reading per minute, the battery lasts about 4 years [1]."),
    ("sensor", "Firmware updates are only installed if the battery is above 20% [1]."),
    ("sensor", "Do not update the sensor outdoors in frost [1]."),
    ("api", "The limit is 600 requests per minute for each key [1]."),
    ("api", "Above that limit, you get a 429 status with a `Retry-After` header [1]."),
    ("api", "Requests over the limit are not queued [1]."),
    ("api", "In a batch request, every item counts [1]."),
    ("api", "Keys expire after 90 days, and expired keys cannot be renewed [1]."),
    ("api", "An expired key must be replaced [1]."),
    ("api", "Before a key expires, an administrator can renew it [1]."),
    ("api", "Test keys begin with `tk_` [1]."),
    ("api", "By default, a page holds 50 items [1]."),
    ("api", "The maximum page size is 200 items [1]."),
    ("api", "Use the `cursor` parameter for pagination; `offset` is deprecated [1]."),
    ("aws:lambda/add-permission", "This grants Amazon SNS permission to invoke `my-function` [1]."),
    ("aws:lambda/add-permission", "The principal is `sns.amazonaws.com` [1]."),
    (
        "aws:lambda/add-permission",
        "Grant the permission with this command [1]:\n```bash\naws lambda add-permission \\\n  "
        "--function-name my-function \\\n  --action lambda:InvokeFunction \\\n  --statement-id sns \\\n  "
        "--principal sns.amazonaws.com\n```",
    ),
    (
        "aws:ec2/allocate-address",
        "You can allocate an Elastic IP address with `aws ec2 allocate-address` [1].",
    ),
    ("aws:s3/mb", "The `mb` command creates a bucket [1]."),
    ("aws:s3/mb", "`aws s3 mb s3://amzn-s3-demo-bucket` creates the bucket `amzn-s3-demo-bucket` [1]."),
    ("aws:ec2/create-key-pair", "This example creates a key pair named `MyKeyPair` [1]."),
    ("aws:iam/create-user", "Create an IAM user named Bob with `aws iam create-user --user-name Bob` [1]."),
    ("aws:kms/enable-key", "The command enables a customer managed key [1]."),
]

FRESH_UNSUPPORTED: list[tuple[str, str]] = [
    ("sensor", "The sensor should be mounted at a height of 3.5 m [1]."),
    ("sensor", "Keep it at most 40 cm away from heat sources [1]."),
    ("sensor", "Keep it at least 40 m away from heat sources [1]."),
    ("sensor", "The black wire goes to 24 V [1]."),
    ("sensor", "Reversing the wires damages the device [1]."),
    ("sensor", "The light blinks red while the sensor joins the network [1]."),
    ("sensor", "A steady green light means that the network key was rejected [1]."),
    ("sensor", "Hold the button for 90 seconds to reset the key [1]."),
    ("sensor", "Resetting the key deletes all other settings [1]."),
    ("sensor", "The battery lasts about five years at one reading per minute [1]."),
    ("sensor", "Updates are installed only when the battery is below 20 % [1]."),
    ("sensor", "Update the sensor while it is outdoors in frost [1]."),
    ("sensor", "The sensor is waterproof [1]."),
    ("sensor", "The network key was accepted when the light is steady red [1]."),
    ("api", "Each key may send 6000 requests per minute [1]."),
    ("api", "Each key may send 600 requests per second [1]."),
    ("api", "Requests above the limit are queued [1]."),
    ("api", "Requests above the limit receive status 503 [1]."),
    ("api", "Keys expire after 30 days [1]."),
    ("api", "An expired key can be renewed [1]."),
    ("api", "An administrator cannot renew a key before it expires [1]."),
    ("api", "Test keys touch production data [1]."),
    ("api", "Production keys start with `tk_` [1]."),
    ("api", "Pages hold 200 items by default [1]."),
    ("api", "The deprecated `cursor` parameter will be removed in version 3 [1]."),
    ("api", "The `offset` parameter was removed in version 2 [1]."),
    ("api", "Rate limits can be raised on request by the sales team [1]."),
    ("aws:lambda/add-permission", "The command revokes the permission of SNS to invoke the function [1]."),
    ("aws:lambda/add-permission", "The principal is `s3.amazonaws.com` [1]."),
    (
        "aws:lambda/add-permission",
        "Run `aws lambda add-permission --function-name my-function --principal sns` [1].",
    ),
    ("aws:ec2/allocate-address", "The command releases an Elastic IP address [1]."),
    ("aws:ec2/allocate-address", "Run `aws ec2 associate-address` to allocate an address [1]."),
    ("aws:s3/mb", "The `mb` command deletes a bucket [1]."),
    ("aws:s3/mb", "The `mb` command moves a bucket to another region [1]."),
    ("aws:ec2/create-key-pair", "The command imports an existing public key [1]."),
    ("aws:iam/create-user", "Run `aws iam create-user --name Bob` [1]."),
    ("aws:iam/create-user", "The command adds the user to the administrators group [1]."),
    ("aws:kms/enable-key", "The command disables a customer managed key [1]."),
    ("aws:kms/enable-key", "The key is enabled within 24 hours [1]."),
]

HELD_OUT_SUPPORTED: list[tuple[str, str]] = [
    ("clinic", "The clinic is open from 8:00 to 18:00, Monday to Friday [1]."),
    ("clinic", "On Saturdays it is open until 13:00 [1]."),
    ("clinic", "You can cancel an appointment free of charge up to 48 hours before it begins [1]."),
    ("clinic", "A later cancellation costs 40 EUR [1]."),
    ("clinic", "If a patient is under 16, an adult must accompany them [1]."),
    ("clinic", "Lab results are usually ready within 3 working days [1]."),
    ("clinic", "Results are sent by post or shown in the patient portal [1]."),
    ("clinic", "They don't give results over the telephone [1]."),
    ("clinic", "No appointment is needed for vaccinations on Wednesdays [1]."),
    ("clinic", "Replacing a lost vaccination record costs 15 EUR [1]."),
    ("clinic", "The first measles vaccination is given at 11 months [1]."),
    ("database", "Replication is asynchronous by default [1]."),
    ("database", "By default a commit returns before the replica has confirmed it [1]."),
    ("database", "Set `synchronous_commit = on` to wait for one replica [1]."),
    ("database", "Waiting for one replica adds about 3 ms to each commit [1]."),
    (
        "database",
        "Promote a replica with `dbctl promote --node replica-2 --wait 30` if the primary fails [1].",
    ),
    (
        "database",
        "If the primary fails, promote a replica [1]:\n```\ndbctl promote --node replica-2 --wait 30\n```",
    ),
    ("database", "Do not start the old primary again before it has been rebuilt [1]."),
    ("database", "The old primary may hold changes that the new primary does not have [1]."),
    ("database", "Rebuilding takes about one hour per 100 GB [1]."),
    ("database", "Replicas only answer read queries [1]."),
    ("database", "At most 8 replicas are supported [1]."),
    ("database", "A replica applies changes in the order in which they were written by the primary [1]."),
    ("aws:s3/cp", "The `cp` command copies a single file to a specified bucket and key [1]."),
    ("aws:s3/cp", "Add `--recursive` to copy all files recursively [1]."),
    ("aws:ec2/create-tags", "The example adds the tag `Stack=production` [1]."),
    ("aws:ec2/create-tags", "The command overwrites an existing tag [1]."),
    ("aws:secretsmanager/rotate-secret", "The example starts the rotation of a secret immediately [1]."),
    ("aws:cloudwatch/delete-alarms", "This command deletes the CloudWatch alarm named `myalarm` [1]."),
    ("aws:ecs/create-cluster", "`aws ecs create-cluster --cluster-name MyCluster` creates a cluster [1]."),
]

HELD_OUT_UNSUPPORTED: list[tuple[str, str]] = [
    ("clinic", "The clinic is open from 8:00 to 20:00, Monday to Friday [1]."),
    ("clinic", "The clinic is open on Sundays until 13:00 [1]."),
    ("clinic", "Appointments can be cancelled free of charge up to 24 hours before they begin [1]."),
    ("clinic", "Appointments cannot be cancelled free of charge [1]."),
    ("clinic", "Later cancellations cost 48 EUR [1]."),
    ("clinic", "Patients over 16 must be accompanied by an adult [1]."),
    ("clinic", "Patients under 16 need not be accompanied by an adult [1]."),
    ("clinic", "Results are ready within three hours [1]."),
    ("clinic", "Results are given over the telephone [1]."),
    ("clinic", "Results are sent by email [1]."),
    ("clinic", "Vaccinations need an appointment on Wednesdays [1]."),
    ("clinic", "Vaccinations do not need an appointment on Fridays [1]."),
    ("clinic", "A lost record cannot be replaced [1]."),
    ("clinic", "A lost record can be replaced for 40 EUR [1]."),
    ("clinic", "Children receive their first measles vaccination at 15 months [1]."),
    ("clinic", "The clinic offers X-ray examinations [1]."),
    ("database", "Replication is synchronous by default [1]."),
    ("database", "A commit returns after the replica has confirmed it [1]."),
    ("database", "Set `synchronous_commit = off` to wait for one replica [1]."),
    ("database", "Waiting adds about 30 ms to each commit [1]."),
    ("database", "Waiting adds about 3 s to each commit [1]."),
    ("database", "Promote a replica with `dbctl promote --node replica-3 --wait 30` [1]."),
    ("database", "Promote a replica with `dbctl failover --node replica-2` [1]."),
    ("database", "The old primary can be started again before it has been rebuilt [1]."),
    ("database", "The new primary may hold changes that the old primary does not have [1]."),
    ("database", "Rebuilding takes roughly one hour per 100 MB [1]."),
    ("database", "Rebuilding takes roughly one minute per 100 GB [1]."),
    ("database", "Replicas answer write queries [1]."),
    ("database", "Up to 80 replicas are supported [1]."),
    ("database", "A cascading replica does not count [1]."),
    ("database", "A replica applies changes in random order [1]."),
    ("aws:s3/cp", "The `cp` command deletes a single file from a specified bucket [1]."),
    ("aws:s3/cp", "Add `--sync` to copy all files recursively [1]."),
    ("aws:ec2/create-tags", "The example adds the tag `Stack=staging` [1]."),
    ("aws:ec2/create-tags", "The command removes an existing tag [1]."),
    ("aws:secretsmanager/rotate-secret", "The rotation takes 30 minutes [1]."),
    ("aws:cloudwatch/delete-alarms", "This command disables the CloudWatch alarm [1]."),
    (
        "aws:ecs/create-cluster",
        "Run `aws ecs create-service --cluster-name MyCluster` to create a cluster [1].",
    ),
    ("aws:ecs/create-cluster", "The cluster is deleted after one day [1]."),
]
