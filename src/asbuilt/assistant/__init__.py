"""Question, passages, answer, checked citations."""

from asbuilt.assistant.citations import Checked, Source, check_citations
from asbuilt.assistant.cited import CitedAssistant

__all__ = ["Checked", "CitedAssistant", "Source", "check_citations"]
