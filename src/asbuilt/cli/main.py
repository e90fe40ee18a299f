"""`asbuilt`: collects the commands and turns our errors into one line."""

from __future__ import annotations

import sys

import typer

from asbuilt.cli import (
    ask,
    chat,
    check,
    correct,
    docs,
    doctor,
    drift,
    evaluate,
    extract,
    inbox,
    ingest,
    keys,
    mcp,
    models,
    new,
    plan,
    process,
    run,
    runs,
    search,
    serve,
    train,
    verify,
)
from asbuilt.cli.output import fail, print_fault
from asbuilt.errors import AsbuiltError, BlueprintError, BugError

__all__ = ["app", "main"]

app = typer.Typer(
    name="asbuilt",
    help="Design, build, serve and prove an AI system on one workstation, from one blueprint.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: rich would take longer to import than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(new.new)
app.command()(check.check)
app.command()(plan.plan)
app.command()(docs.docs)
app.command()(ingest.ingest)
app.command()(extract.extract)
app.command()(verify.verify)
app.command()(correct.correct)
app.command()(process.process)
app.command()(search.search)
app.command()(ask.ask)
app.command()(chat.chat)
app.command()(run.run)
app.command()(run.resume)
app.command()(runs.runs)
app.command()(runs.replay)
app.command()(runs.diff)
app.command()(inbox.inbox)
app.command()(inbox.approve)
app.command()(inbox.deny)
app.command()(serve.serve)
app.command("eval")(evaluate.evaluate)
app.command("train")(train.train)
app.command("mcp")(mcp.mcp)
app.command()(drift.drift)
app.command()(doctor.doctor)
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 an error that was explained, 2 wrong usage."""
    try:
        app()
    except BlueprintError as error:
        for fault in error.faults:
            print_fault(fault)
        sys.exit(fail(error))
    except BugError:
        raise
    except AsbuiltError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output (`| head`) has seen enough
        sys.exit(0)
