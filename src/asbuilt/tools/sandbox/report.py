"""A finished program, told to a model."""

from __future__ import annotations

import signal

from asbuilt.tools.sandbox.policy import Finished

__all__ = ["reported"]

_STOPPED = {
    "time": "was stopped: it ran out of time",
    "output": "was stopped: it wrote too much output",
    "disk": "was stopped: it wrote too much to its folder",
}


def reported(finished: Finished, *, what: str, max_chars: int) -> str:
    """What `what` wrote, at most `max_chars` characters of it and the end of the errors first, and how
    it ended when that was not with 0."""
    output = finished.stdout.decode(errors="replace").rstrip()
    errors = finished.stderr.decode(errors="replace").rstrip()
    ending = _ending(finished)
    ending = f"{what} {ending}." if ending else ""
    # The end of a traceback says what went wrong.
    errors = errors if len(errors) <= max_chars // 2 else f"[cut]...{errors[-max_chars // 2 :]}"
    room = max(0, max_chars - len(errors))
    if len(output) > room or (finished.cut and output):
        output = f"{output[:room]}\n[cut: the first {min(room, len(output))} characters]"
    return "\n".join(part for part in (ending, output, errors) if part)


def _ending(finished: Finished) -> str:
    if finished.stopped:
        return _STOPPED[finished.stopped]
    if finished.exit_code in (-signal.SIGXCPU, 128 + signal.SIGXCPU):
        return "used up its processor time"
    if finished.exit_code < 0:
        return f"was ended by signal {-finished.exit_code}"
    return f"ended with exit code {finished.exit_code}" if finished.exit_code else ""
