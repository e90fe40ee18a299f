"""Which component calls which while a system runs, and the spans of requests."""

from asbuilt.tracing.files import Call, read_calls
from asbuilt.tracing.observing import observe, unobserved
from asbuilt.tracing.recorder import Recorder
from asbuilt.tracing.trace import Span, Trace

__all__ = ["Call", "Recorder", "Span", "Trace", "observe", "read_calls", "unobserved"]
