"""Names to classes: the only place that imports by string.

A component is a class under ``role/name``. Shipped components stand in `_SHIPPED` and are
imported when first resolved, so that listing names stays cheap. Other packages add theirs with
an entry point in the group ``asbuilt.components`` (its value is a module to import) or are
named under ``policy.allow_imports`` of a blueprint.
"""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any, TypeVar

from asbuilt import roles
from asbuilt.errors import BugError, MissingError, NotFoundError, UserError

__all__ = [
    "GIVEN",
    "ROLES",
    "Config",
    "Need",
    "Port",
    "RoleSpec",
    "Signature",
    "allow_import",
    "component",
    "load_plugins",
    "names",
    "nearest",
    "resolve",
    "signature",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role: its Protocol and the one public method whose signature gives the ports."""

    name: str
    protocol: type
    method: str


ROLES: dict[str, RoleSpec] = {
    spec.name: spec
    for spec in (
        RoleSpec("reader", roles.Reader, "read"),
        RoleSpec("ocr", roles.Ocr, "recognize"),
        RoleSpec("extractor", roles.Extractor, "extract"),
        RoleSpec("exporter", roles.Exporter, "export"),
        RoleSpec("chunker", roles.Chunker, "chunk"),
        RoleSpec("embedder", roles.Embedder, "embed"),
        RoleSpec("index", roles.Index, "search"),
        RoleSpec("reranker", roles.Reranker, "score"),
        RoleSpec("retriever", roles.Retriever, "retrieve"),
        RoleSpec("generator", roles.Generator, "stream"),
        RoleSpec("tool", roles.Tool, "call"),
        RoleSpec("assistant", roles.Assistant, "answer"),
        RoleSpec("router", roles.InputRouter, "route"),
        RoleSpec("vision-encoder", roles.VisionEncoder, "encode"),
        RoleSpec("fusion", roles.FusionLayer, "fuse"),
        RoleSpec("head", roles.TaskHead, "run"),
        RoleSpec("formatter", roles.OutputFormatter, "format"),
        RoleSpec("processor", roles.Processor, "process"),
        RoleSpec("agent", roles.Agent, "work"),
        RoleSpec("planner", roles.Planner, "plan"),
        RoleSpec("safety", roles.SafetyLayer, "decide"),
        RoleSpec("memory", roles.Memory, "recall"),
        RoleSpec("orchestrator", roles.Orchestrator, "run"),
        RoleSpec("collector", roles.DataCollector, "collect"),
        RoleSpec("preprocessor", roles.Preprocessor, "prepare"),
        RoleSpec("trainer", roles.Trainer, "train"),
        RoleSpec("evaluator", roles.Evaluator, "judge"),
        RoleSpec("model-registry", roles.ModelStore, "register"),
        RoleSpec("deployment", roles.Deployment, "deploy"),
        RoleSpec("pipeline", roles.TrainingPipeline, "run"),
    )
}

GIVEN = (
    "catalog",
    "folder",
    "unnamed_readers",
    "component_name",
    "component_purpose",
    "blueprint_digest",
)
"""Constructor keywords that the system fills in: the open catalogue of the project, a folder on disk
that belongs to this component in this process, the readers, open and by name, that the blueprint does
not name, what the blueprint calls this component and says that it is for, and the blueprint's digest."""

_SHIPPED: dict[str, str] = {
    "reader/text": "asbuilt.documents.text:TextReader",
    "reader/markdown": "asbuilt.documents.markdown:MarkdownReader",
    "reader/rst": "asbuilt.documents.rst:RstReader",
    "reader/html": "asbuilt.documents.html:HtmlReader",
    "reader/pdf": "asbuilt.documents.pdf:PdfReader",
    "reader/image": "asbuilt.documents.image:ImageReader",
    "reader/docx": "asbuilt.documents.docx:DocxReader",
    "reader/xlsx": "asbuilt.documents.xlsx:XlsxReader",
    "reader/pptx": "asbuilt.documents.pptx:PptxReader",
    "reader/csv": "asbuilt.documents.csv:CsvReader",
    "reader/email": "asbuilt.documents.email:EmailReader",
    "ocr/rapidocr": "asbuilt.documents.ocr_rapid:RapidOcr",
    "ocr/tesseract": "asbuilt.documents.ocr_tesseract:TesseractOcr",
    "extractor/template": "asbuilt.extraction.templates:TemplateExtractor",
    "exporter/json": "asbuilt.extraction.export.text:JsonExporter",
    "exporter/jsonl": "asbuilt.extraction.export.text:JsonlExporter",
    "exporter/markdown": "asbuilt.extraction.export.text:MarkdownExporter",
    "exporter/csv": "asbuilt.extraction.export.tables:CsvExporter",
    "exporter/xlsx": "asbuilt.extraction.export.tables:XlsxExporter",
    "exporter/parquet": "asbuilt.extraction.export.tables:ParquetExporter",
    "exporter/html": "asbuilt.extraction.export.viewer:HtmlExporter",
    "chunker/structural": "asbuilt.documents.chunker:StructuralChunker",
    "embedder/minilm-l6": "asbuilt.retrieval.minilm:MiniLMEmbedder",
    "embedder/onnx": "asbuilt.retrieval.onnx_folder:OnnxFolderEmbedder",
    "embedder/fastembed": "asbuilt.retrieval.fastembed_named:FastEmbedEmbedder",
    "embedder/registry": "asbuilt.retrieval.registry_embedder:RegistryEmbedder",
    "embedder/openai": "asbuilt.retrieval.openai_embedder:OpenAIEmbedder",
    "embedder/fake": "asbuilt.testing.fake_embedder:FakeEmbedder",
    "index/qdrant-edge": "asbuilt.retrieval.qdrant_edge_index:QdrantEdgeIndex",
    "index/exact": "asbuilt.retrieval.exact_index:ExactIndex",
    "reranker/onnx": "asbuilt.retrieval.reranker_onnx:OnnxReranker",
    "retriever/hybrid": "asbuilt.retrieval.hybrid:HybridRetriever",
    "generator/llama-cpp": "asbuilt.generation.llama_cpp:LlamaCppGenerator",
    "generator/openai": "asbuilt.generation.openai:OpenAIGenerator",
    "generator/registry": "asbuilt.generation.deployed:RegistryGenerator",
    "generator/scripted": "asbuilt.testing.scripted_generator:ScriptedGenerator",
    "retriever/fixed": "asbuilt.testing.fixed_retriever:FixedRetriever",
    "tool/search": "asbuilt.tools.search:SearchTool",
    "tool/mcp": "asbuilt.tools.mcp_tool:McpTool",
    "tool/python": "asbuilt.tools.python:PythonTool",
    "tool/command": "asbuilt.tools.command:CommandTool",
    "extractor/model": "asbuilt.extraction.model:ModelExtractor",
    "extractor/reconciled": "asbuilt.extraction.reconcile:ReconciledExtractor",
    "extractor/layout": "asbuilt.extraction.layout:LayoutExtractor",
    "assistant/cited": "asbuilt.assistant.cited:CitedAssistant",
    "assistant/tables": "asbuilt.assistant.tables:TableAssistant",
    "router/pages": "asbuilt.multimodal.router:PageRouter",
    "vision-encoder/page-features": "asbuilt.multimodal.page_features:PageFeaturesEncoder",
    "vision-encoder/onnx": "asbuilt.multimodal.onnx_clip:OnnxClipEncoder",
    "vision-encoder/described": "asbuilt.multimodal.described:DescribedEncoder",
    "fusion/weighted": "asbuilt.multimodal.fusion:WeightedFusion",
    "head/retrieve": "asbuilt.multimodal.retrieve:RetrieveHead",
    "head/classify": "asbuilt.multimodal.classify:ClassifyHead",
    "head/quote": "asbuilt.multimodal.quote:QuoteHead",
    "formatter/json": "asbuilt.multimodal.formatters:JsonFormatter",
    "formatter/markdown": "asbuilt.multimodal.formatters:MarkdownFormatter",
    "formatter/text": "asbuilt.multimodal.formatters:TextFormatter",
    "processor/multimodal": "asbuilt.multimodal.processor:MultimodalProcessor",
    "agent/finder": "asbuilt.agents.research:FinderAgent",
    "agent/reporter": "asbuilt.agents.research:ReporterAgent",
    "agent/checker": "asbuilt.agents.research:CheckerAgent",
    "agent/tool-loop": "asbuilt.agents.tool_loop:ToolLoopAgent",
    "planner/template": "asbuilt.agents.template_planner:TemplatePlanner",
    "planner/model": "asbuilt.agents.model_planner:ModelPlanner",
    "memory/catalog": "asbuilt.agents.memory:CatalogMemory",
    "orchestrator/swarm": "asbuilt.agents.orchestrator:SwarmOrchestrator",
    "safety/policy": "asbuilt.agents.policy:PolicyLayer",
    "assistant/extractive": "asbuilt.assistant.extractive:ExtractiveAssistant",
    "collector/feedback": "asbuilt.training.collect_feedback:FeedbackCollector",
    "collector/known-answers": "asbuilt.pipeline.collect_search:KnownAnswersCollector",
    "collector/liked-passages": "asbuilt.pipeline.collect_search:LikedPassagesCollector",
    "collector/files": "asbuilt.training.collect_files:FileCollector",
    "collector/knowledge": "asbuilt.training.collect_knowledge:KnowledgeCollector",
    "preprocessor/standard": "asbuilt.training.preprocess:StandardPreprocessor",
    "trainer/sft": "asbuilt.training.trainer:SftTrainer",
    "trainer/dpo": "asbuilt.training.trainer:DpoTrainer",
    "trainer/embedding": "asbuilt.training.trainer:EmbeddingTrainer",
    "assistant/linked": "asbuilt.pipeline.linked_assistant:LinkedAssistant",
    "evaluator/paired": "asbuilt.pipeline.gate:PairedEvaluator",
    "model-registry/files": "asbuilt.pipeline.deploy:FileModelStore",
    "deployment/reference": "asbuilt.pipeline.deploy:DeploymentManager",
    "pipeline/gated": "asbuilt.pipeline.gated:GatedPipeline",
}

_registered: dict[str, type] = {}
_plugins_loaded = False


@dataclass(frozen=True, slots=True)
class Need:
    """A constructor keyword that takes another component (or, with `many`, several)."""

    name: str
    role: str
    many: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """A constructor keyword that takes a plain value."""

    name: str
    annotation: Any
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Port:
    """One typed input or output of a component's public method."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Signature:
    """What a component's class says of itself."""

    name: str
    role: RoleSpec
    needs: tuple[Need, ...]
    config: tuple[Config, ...]
    given: tuple[str, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    doc: str


def component(name: str) -> Callable[[type[T]], type[T]]:
    """Register a class under ``role/name``.

    >>> @component("embedder/zeros")
    ... class ZeroEmbedder: ...

    Raises UserError for a name that is not ``role/name`` with a known role, or that is taken.
    """
    role, _, short = name.partition("/")
    if not short or role not in ROLES:
        raise UserError(
            f"component name {name!r} is not role/name.", hint=f"Roles: {', '.join(sorted(ROLES))}."
        )

    def register(cls: type[T]) -> type[T]:
        taken = _registered.get(name)
        place = f"{cls.__module__}:{cls.__qualname__}"
        if taken is not None and f"{taken.__module__}:{taken.__qualname__}" != place:
            raise UserError(f"component {name!r} is already {taken.__module__}:{taken.__qualname__}.")
        if name in _SHIPPED and _SHIPPED[name] != place:
            raise UserError(
                f"component {name!r} is shipped with asbuilt; choose another name than {place}'s."
            )
        _registered[name] = cls
        return cls

    return register


def load_plugins() -> None:
    """Import every module named by an ``asbuilt.components`` entry point (once a process).

    Raises MissingError that names the package of one that cannot be imported.
    """
    global _plugins_loaded
    if _plugins_loaded:
        return
    for entry in entry_points(group="asbuilt.components"):
        try:
            importlib.import_module(entry.value)
        except Exception as error:  # another package's module: anything may happen
            package = entry.dist.name if entry.dist else entry.name
            raise MissingError(
                f"the components of {package!r} cannot be imported: {type(error).__name__}: {error}.",
                hint=f"Update {package} or uninstall it.",
            ) from error
    _plugins_loaded = True


def allow_import(module: str) -> None:
    """Import a module that a blueprint's policy allows, so that its components register.

    Raises MissingError when it cannot be found.
    """
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingError(
            f"policy.allow_imports names {module!r}, but {error.name!r} cannot be imported.",
            hint="Install it, or put it beside the blueprint.",
        ) from error


def names(role: str | None = None) -> list[str]:
    """All registered names, sorted; with `role`, those that play it."""
    load_plugins()
    everything = sorted(_SHIPPED.keys() | _registered.keys())
    return [name for name in everything if role is None or name.startswith(f"{role}/")]


def nearest(word: str, allowed: Sequence[str]) -> str | None:
    """The allowed word most like `word`, for "did you mean"."""
    found = get_close_matches(word, allowed, n=1, cutoff=0.5)
    return found[0] if found else None


def resolve(name: str) -> type:
    """The class behind ``role/name``.

    Raises NotFoundError with the nearest name, or MissingError when its module lacks a package.
    """
    if name not in _registered:
        load_plugins()
    if name not in _registered and name in _SHIPPED:
        module, _, _ = _SHIPPED[name].partition(":")
        importlib.import_module(module)
        if name not in _registered:
            raise BugError(f"{module} does not register {name!r}.")
    if name not in _registered:
        close = nearest(name, names())
        hint = f"Did you mean {close!r}?" if close else f"Known: {', '.join(names())}."
        raise NotFoundError(f"no component is registered as {name!r}.", hint=hint)
    return _registered[name]


def signature(name: str) -> Signature:
    """Needs, config and ports of the component `name`, read from its class."""
    cls = resolve(name)
    role = ROLES[name.partition("/")[0]]
    init = inspect.signature(cls, eval_str=True)
    needs: list[Need] = []
    config: list[Config] = []
    given: list[str] = []
    for parameter in init.parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise UserError(f"{name}: constructor parameter {parameter.name!r} must be keyword-only.")
        if parameter.name in GIVEN:
            given.append(parameter.name)
            continue
        need = _need(parameter.name, parameter.annotation)
        if need is None:
            config.append(Config(parameter.name, parameter.annotation, parameter.default))
        else:
            needs.append(need)
    inputs, outputs = _ports(cls, role)
    return Signature(
        name, role, tuple(needs), tuple(config), tuple(given), inputs, outputs, inspect.getdoc(cls) or ""
    )


def _need(name: str, annotation: Any) -> Need | None:
    """Embedder, Embedder | None, Sequence[Tool] and tuple[Tool, ...] are needs; the rest is config."""
    by_protocol = {spec.protocol: spec.name for spec in ROLES.values()}
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType) and type(None) in args and len(args) == 2:
        inner = next(arg for arg in args if arg is not type(None))
        need = _need(name, inner)
        return None if need is None else Need(name, need.role, need.many, optional=True)
    if isinstance(annotation, type) and annotation in by_protocol:
        return Need(name, by_protocol[annotation])
    if args and isinstance(args[0], type) and args[0] in by_protocol:
        return Need(name, by_protocol[args[0]], many=True)
    return None


def _ports(cls: type, role: RoleSpec) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    method = getattr(cls, role.method, None)
    if method is None:
        raise UserError(f"{cls.__qualname__} plays {role.name} but has no method {role.method!r}.")
    method_signature = inspect.signature(method)
    inputs = tuple(
        Port(parameter.name, inspect.formatannotation(parameter.annotation).strip("'"))
        for parameter in list(method_signature.parameters.values())[1:]
    )
    output = inspect.formatannotation(method_signature.return_annotation).strip("'")
    return inputs, (Port("return", output),)
