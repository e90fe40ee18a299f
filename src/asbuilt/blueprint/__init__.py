"""The drawing: what a blueprint says, how it is read, checked and ordered, and patterns to start from."""

from asbuilt.blueprint.architecture import SystemArchitecture
from asbuilt.blueprint.check import check, load_checked, refuse_faulty
from asbuilt.blueprint.config import config_values
from asbuilt.blueprint.design_pattern import DesignPattern, FlowStep
from asbuilt.blueprint.fault import Fault, Severity
from asbuilt.blueprint.load import Loaded, load, load_text
from asbuilt.blueprint.needs import resolve_needs
from asbuilt.blueprint.order import build_order, build_waves, find_cycles, sorted_names, sorted_waves
from asbuilt.blueprint.pattern import PATTERNS, write_pattern
from asbuilt.blueprint.reference import PATTERN_REFERENCE, find_pattern, show_pattern
from asbuilt.blueprint.spec import (
    ApiSpec,
    Blueprint,
    ComponentSpec,
    ComponentStatus,
    DataSpec,
    EvaluationMetric,
    EvaluationPlan,
    JudgeSpec,
    KnowledgeSpec,
    LoadSpec,
    MachineSpec,
    PolicySpec,
    PortSpec,
    SystemSpec,
)
from asbuilt.blueprint.target import Target

__all__ = [
    "PATTERNS",
    "PATTERN_REFERENCE",
    "ApiSpec",
    "Blueprint",
    "ComponentSpec",
    "ComponentStatus",
    "DataSpec",
    "DesignPattern",
    "EvaluationMetric",
    "EvaluationPlan",
    "Fault",
    "FlowStep",
    "JudgeSpec",
    "KnowledgeSpec",
    "LoadSpec",
    "Loaded",
    "MachineSpec",
    "PolicySpec",
    "PortSpec",
    "Severity",
    "SystemArchitecture",
    "SystemSpec",
    "Target",
    "build_order",
    "build_waves",
    "check",
    "config_values",
    "find_cycles",
    "find_pattern",
    "load",
    "load_checked",
    "load_text",
    "refuse_faulty",
    "resolve_needs",
    "show_pattern",
    "sorted_names",
    "sorted_waves",
    "write_pattern",
]
