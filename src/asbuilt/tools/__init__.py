"""Typed tools that a model may call, guarded: checked arguments, a time limit, bounded results."""

from asbuilt.tools.function import FunctionTool, ReconcilableTool, TransactionalTool, tool
from asbuilt.tools.search import PassageTool, SearchTool
from asbuilt.tools.toolbox import Toolbox

__all__ = [
    "FunctionTool",
    "PassageTool",
    "ReconcilableTool",
    "SearchTool",
    "Toolbox",
    "TransactionalTool",
    "tool",
]
