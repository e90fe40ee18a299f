"""How much memory a process has had resident."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["peak_resident_bytes"]


def peak_resident_bytes(pid: int | None = None) -> int:
    """The most memory that a process (this one unless `pid` is given) ever had resident, mapped files
    included; where the system does not keep that of another process, what it has now."""
    try:
        status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii")
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        if pid is not None:
            import psutil

            return int(psutil.Process(pid).memory_info().rss)
        import resource

        # Where there is no /proc; Linux would also count what the parent process had before it forked.
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
