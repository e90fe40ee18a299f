"""Makes the example's tools components, so that its blueprint can name them."""

from __future__ import annotations

from aws_tools import aws_cli_check, aws_cli_help

from asbuilt import tool

__all__ = ["aws_cli_check", "aws_cli_help"]

tool("aws-cli-check", effect="read")(aws_cli_check)
tool("aws-cli-help", effect="read")(aws_cli_help)
