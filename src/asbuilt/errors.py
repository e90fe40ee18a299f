"""The one exception tree of asbuilt, grouped by who can act on it.

    AsbuiltError
    ├── UserError              the caller's input or blueprint is wrong: fix it and retry
    │   ├── BlueprintError     one or more faults in a blueprint (carries all of them)
    │   ├── UnsafePathError    a path leaves the roots that the blueprint allows
    │   ├── LimitError         input is larger or more than a stated limit
    │   └── NotFoundError      a name, document or file that does not exist
    ├── ReadError              a file cannot be read as a document (it is quarantined)
    ├── MissingError           a package, model file or service is not there; says how to get it
    ├── ToolError              a tool refused its arguments or failed; its text is shown to the model
    │   └── InDoubtError       a call was made, and whether it took effect is not known
    ├── WorldError             the disk, the network or another process failed
    │   ├── StorageError       the catalogue or index cannot be written (full disk, lock, ...)
    │   └── EndpointError      a remote model endpoint failed or broke its contract
    └── BugError               an invariant of asbuilt itself does not hold: please report

The command line and the server turn these, and only these, into one line or one status;
anything else keeps its traceback.
"""

from __future__ import annotations

__all__ = [
    "AsbuiltError",
    "BlueprintError",
    "BugError",
    "EndpointError",
    "InDoubtError",
    "LimitError",
    "MissingError",
    "NotFoundError",
    "ReadError",
    "StorageError",
    "ToolError",
    "UnsafePathError",
    "UserError",
    "WorldError",
]


class AsbuiltError(Exception):
    """Base of every error that asbuilt raises on purpose.

    `message` says what went wrong, with the value and where it was; `hint` says what to do next.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class UserError(AsbuiltError):
    """The caller can fix this by changing the input."""


class BlueprintError(UserError, ValueError):
    """A blueprint has faults. `faults` holds every one, already formatted, in file order.

    A ValueError too: what a blueprint is made of may be wrong without any file.
    """

    def __init__(self, message: str, *, faults: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.faults = faults


class UnsafePathError(UserError):
    """A path lies outside the allowed roots, directly or through a link."""


class LimitError(UserError):
    """Something is larger or more numerous than its stated limit."""


class NotFoundError(UserError):
    """A named thing does not exist."""


class ReadError(AsbuiltError):
    """A file cannot be turned into a document; the reason is written for its receipt."""


class MissingError(AsbuiltError):
    """A prerequisite is missing; `hint` holds the exact command that provides it."""


class ToolError(AsbuiltError):
    """A tool call was refused or failed; the message is meant for the model."""


class InDoubtError(ToolError):
    """A call was made and no reply came: it may have taken effect, or not.

    It is never repeated by itself; a tool's `reconcile` or a person finds out.
    """


class WorldError(AsbuiltError):
    """Something outside the process failed; a retry may succeed."""


class StorageError(WorldError):
    """State cannot be read or written; what was there before is intact."""


class EndpointError(WorldError):
    """A remote endpoint failed or answered outside its contract."""


class BugError(AsbuiltError):
    """An invariant of asbuilt itself does not hold."""
