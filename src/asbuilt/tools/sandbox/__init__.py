"""Programs that a model wrote or chose, run where they can do no harm."""

from asbuilt.tools.sandbox.folder import private_folder
from asbuilt.tools.sandbox.policy import Finished, Mechanism, Sandbox, SandboxPolicy
from asbuilt.tools.sandbox.run import run_sandboxed
from asbuilt.tools.sandbox.support import Support, probe

__all__ = [
    "Finished",
    "Mechanism",
    "Sandbox",
    "SandboxPolicy",
    "Support",
    "private_folder",
    "probe",
    "run_sandboxed",
]
