"""A blueprint on its target machine: what it takes, whether it fits, and the nearest plans that do."""

from asbuilt.planning.plan import Plan, plan

__all__ = ["Plan", "plan"]
