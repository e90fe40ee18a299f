"""The pattern reference: four designs to start from, made of the blueprint's own values."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType

from asbuilt.blueprint.design_pattern import DesignPattern, FlowStep
from asbuilt.blueprint.spec import ComponentSpec, PortSpec
from asbuilt.errors import NotFoundError
from asbuilt.registry import nearest

__all__ = ["PATTERN_REFERENCE", "find_pattern", "show_pattern"]

_RAG = DesignPattern(
    "rag_pipeline",
    "Answers questions from a body of documents: finds the passages that matter, has a model answer "
    "from them, and shows where each statement comes from",
    (
        ComponentSpec(
            "Document Processor",
            "Read files and cut them into passages along their structure",
            (PortSpec("path", "Path", "a file of any known format"),),
            (PortSpec("chunks", "list[Chunk]", "passages with their places in the file"),),
            technologies=("Markdown, HTML, PDF and Word readers",),
        ),
        ComponentSpec(
            "Embedding Model",
            "Turn text into vectors, so that search goes by meaning",
            (PortSpec("texts", "Sequence[str]", "passages, or a question"),),
            (PortSpec("vectors", "Matrix", "one row a text"),),
            technologies=("ONNX Runtime", "sentence transformers"),
        ),
        ComponentSpec(
            "Vector Store",
            "Store passages with their vectors, and find the nearest",
            (PortSpec("query", "str | Vector", "words, or a vector"), PortSpec("top_k", "int", "how many")),
            (PortSpec("found", "list[ScoredId]", "passages, best first"),),
            ("Document Processor", "Embedding Model"),
            ("Qdrant",),
        ),
        ComponentSpec(
            "RAG Retriever",
            "Find the passages that may answer a question, by meaning and by words",
            (PortSpec("query", "str", "the question"),),
            (PortSpec("hits", "list[Hit]", "passages with scores, best first"),),
            ("Embedding Model", "Vector Store"),
            ("hybrid search", "rank fusion"),
        ),
        ComponentSpec(
            "Fine-tuned LLM",
            "Write the answer from the passages, in the words of the domain",
            (PortSpec("messages", "Sequence[Message]", "instructions, passages, question"),),
            (PortSpec("text", "AsyncIterator[str]", "the answer as it is written"),),
            technologies=("llama.cpp", "LoRA"),
        ),
        ComponentSpec(
            "Tool Registry",
            "Offer functions that the model may call, with checked arguments",
            (PortSpec("call", "ToolCall", "name and arguments"),),
            (PortSpec("result", "str", "what the tool says"),),
            ("RAG Retriever",),
            ("JSON Schema",),
        ),
        ComponentSpec(
            "Orchestrator",
            "Retrieve, augment the question, generate, run tools, check citations",
            (PortSpec("messages", "Sequence[Message]", "a conversation that ends with a question"),),
            (PortSpec("answer", "Answer", "text with checked citations"),),
            ("Fine-tuned LLM", "RAG Retriever", "Tool Registry"),
        ),
        ComponentSpec(
            "Response Formatter",
            "Bring an answer into the form that a client asked for",
            (PortSpec("answer", "Answer", "text with checked citations"),),
            (PortSpec("body", "str", "JSON, or events of a stream"),),
            ("Orchestrator",),
        ),
        ComponentSpec(
            "Streaming API",
            "Take questions over HTTP and stream answers as they are written",
            (PortSpec("request", "ChatRequest", "a conversation and its options"),),
            (PortSpec("events", "AsyncIterator[bytes]", "server-sent events"),),
            ("Orchestrator", "Response Formatter"),
            ("FastAPI", "server-sent events"),
        ),
    ),
    (
        FlowStep("query", ("Streaming API",)),
        FlowStep("embed", ("Embedding Model",)),
        FlowStep("search", ("Vector Store",)),
        FlowStep("retrieve", ("RAG Retriever",)),
        FlowStep("augment", ("Orchestrator",)),
        FlowStep("generate", ("Fine-tuned LLM",)),
        FlowStep("response", ("Response Formatter",)),
    ),
    (
        "questions about documents that change more often than a model can be trained",
        "answers that must show where they come from",
        "assistants for one domain: a product, a command line, a company's rules",
    ),
)

_AGENTS = DesignPattern(
    "agent_orchestrator",
    "Takes a task apart, has agents work on its parts side by side, and puts together what they found, "
    "within limits that the agents cannot change",
    (
        ComponentSpec(
            "Orchestrator",
            "Dispatch the parts of a task to agents, follow their progress, and aggregate the results",
            (PortSpec("task", "str", "what is to be done"),),
            (PortSpec("result", "TaskResult", "the outcome, with what led to it"),),
            ("Agent Pool", "Memory Manager", "Safety Layer", "Task Planner"),
        ),
        ComponentSpec(
            "Task Planner",
            "Turn a task into a graph of steps with their order",
            (PortSpec("task", "str", "what is to be done"),),
            (PortSpec("plan", "TaskGraph", "steps, and which must come before which"),),
            ("Tool Registry",),
            ("structured output",),
        ),
        ComponentSpec(
            "Agent Pool",
            "Run agents side by side, each with a step, a budget of its own and the tools it may use",
            (PortSpec("step", "TaskStep", "one step of the plan"),),
            (PortSpec("outcome", "StepOutcome", "result, or why there is none"),),
            ("Memory Manager", "Safety Layer", "Tool Registry"),
            ("asyncio",),
        ),
        ComponentSpec(
            "Tool Registry",
            "Offer functions that agents may call, with checked arguments",
            (PortSpec("call", "ToolCall", "name and arguments"),),
            (PortSpec("result", "str", "what the tool says"),),
            technologies=("JSON Schema", "MCP"),
        ),
        ComponentSpec(
            "Memory Manager",
            "Keep what agents found out, for the others and for the next time",
            (PortSpec("entry", "MemoryEntry", "a fact with its origin"),),
            (PortSpec("recalled", "list[MemoryEntry]", "what bears on a step"),),
            technologies=("SQLite",),
        ),
        ComponentSpec(
            "Safety Layer",
            "Check effects before they happen and results before they leave; ask a person where needed",
            (PortSpec("action", "Action", "an effect that an agent wants, or a result"),),
            (PortSpec("decision", "Decision", "allowed, refused or to be approved, with the reason"),),
        ),
    ),
    (
        FlowStep("task"),
        FlowStep("plan", ("Task Planner",)),
        FlowStep("dispatch", ("Orchestrator",)),
        FlowStep("execute", ("Agent Pool",)),
        FlowStep("aggregate", ("Orchestrator",)),
        FlowStep("verify", ("Safety Layer",)),
        FlowStep("output"),
    ),
    (
        "work of many steps whose order is not known beforehand",
        "research and changes across many files or services",
        "tasks with effects that must happen once, and only when allowed",
    ),
)

_TRAINING = DesignPattern(
    "training_pipeline",
    "Makes a model better at one thing and proves it: no model is deployed that does not pass the evaluation",
    (
        ComponentSpec(
            "Data Collector",
            "Gather examples with their origin and licence",
            (PortSpec("sources", "Sequence[str]", "files, folders, feedback of users"),),
            (PortSpec("examples", "Dataset", "raw examples"),),
        ),
        ComponentSpec(
            "Preprocessor",
            "Clean, remove duplicates, keep test questions out, split, tokenise",
            (PortSpec("examples", "Dataset", "raw examples"),),
            (PortSpec("splits", "DatasetSplits", "training, validation and held-out test"),),
            ("Data Collector",),
        ),
        ComponentSpec(
            "Trainer",
            "Fine-tune the model, with checkpoints to resume from",
            (PortSpec("splits", "DatasetSplits", "training and validation"),),
            (PortSpec("candidate", "ModelVersion", "weights or an adapter, with how they were made"),),
            ("Preprocessor",),
            ("PyTorch", "PEFT", "LoRA"),
        ),
        ComponentSpec(
            "Evaluator",
            "Measure the candidate against its targets and against the model in use",
            (PortSpec("candidate", "ModelVersion", "a model that was trained"),),
            (PortSpec("verdict", "Verdict", "pass, fail or undecided, with intervals"),),
            ("Preprocessor", "Trainer"),
        ),
        ComponentSpec(
            "Model Registry",
            "Keep every version with its data, settings and evidence",
            (PortSpec("candidate", "ModelVersion", "a model that passed"),),
            (PortSpec("version", "str", "the name under which it is kept"),),
            ("Evaluator",),
        ),
        ComponentSpec(
            "Deployment Manager",
            "Put a registered model into service, and the one before it back when it must be",
            (PortSpec("version", "str", "a registered model"),),
            (PortSpec("deployed", "Deployment", "what serves now, and what served before"),),
            ("Model Registry",),
            ("GGUF", "llama.cpp"),
        ),
    ),
    (
        FlowStep("collect", ("Data Collector",)),
        FlowStep("clean", ("Preprocessor",)),
        FlowStep("train", ("Trainer",)),
        FlowStep(
            "evaluate",
            ("Evaluator",),
            otherwise=(FlowStep("iterate", ("Data Collector", "Trainer"), when="fail"),),
        ),
        FlowStep("register", ("Model Registry",), when="pass"),
        FlowStep("deploy", ("Deployment Manager",)),
    ),
    (
        "a model that must know the words and forms of one domain",
        "small models that are to do one job of a large one",
        "models that are trained again as data and feedback arrive",
    ),
)

_MULTIMODAL = DesignPattern(
    "multimodal_processor",
    "Understands inputs of several kinds together, such as pages with text, tables and pictures, and gives "
    "out values that can be checked",
    (
        ComponentSpec(
            "Input Router",
            "Recognise what an input is, and send each part to the encoder for it",
            (PortSpec("data", "bytes", "a PDF, an image or text"),),
            (PortSpec("parts", "list[InputPart]", "text and images, with their places"),),
        ),
        ComponentSpec(
            "Vision Encoder",
            "Turn images into features, and read the text in them",
            (PortSpec("image", "Image", "a page or a picture"),),
            (PortSpec("features", "Matrix", "one row a patch"),),
            ("Input Router",),
            ("OCR", "vision transformer"),
        ),
        ComponentSpec(
            "Text Encoder",
            "Turn text into features",
            (PortSpec("text", "str", "text of a part"),),
            (PortSpec("features", "Matrix", "one row a token"),),
            ("Input Router",),
            ("sentence transformers",),
        ),
        ComponentSpec(
            "Fusion Layer",
            "Bring features of all kinds into one representation",
            (
                PortSpec("vision", "Matrix", "features of the images"),
                PortSpec("text", "Matrix", "features of the text"),
            ),
            (PortSpec("fused", "Matrix", "one representation of the input"),),
            ("Text Encoder", "Vision Encoder"),
        ),
        ComponentSpec(
            "Task Head",
            "Do the task: extract values, classify, or answer a question",
            (PortSpec("fused", "Matrix", "one representation of the input"),),
            (PortSpec("values", "TaskOutput", "values, each with where it was seen"),),
            ("Fusion Layer",),
            ("JSON Schema",),
        ),
        ComponentSpec(
            "Output Formatter",
            "Write values in the form that was asked for, and refuse those that do not fit the schema",
            (PortSpec("values", "TaskOutput", "values, each with where it was seen"),),
            (PortSpec("output", "str", "JSON, CSV or text"),),
            ("Task Head",),
        ),
    ),
    (
        FlowStep("input"),
        FlowStep("route", ("Input Router",)),
        FlowStep("encode", ("Vision Encoder", "Text Encoder")),
        FlowStep("fuse", ("Fusion Layer",)),
        FlowStep("process", ("Task Head",)),
        FlowStep("format", ("Output Formatter",)),
        FlowStep("output"),
    ),
    (
        "invoices, forms and reports whose layout carries meaning",
        "questions about pictures together with text",
        "extraction where every value must point to where it was seen",
    ),
)

PATTERN_REFERENCE: Mapping[str, DesignPattern] = MappingProxyType(
    {pattern.name: pattern for pattern in (_RAG, _AGENTS, _TRAINING, _MULTIMODAL)}
)
"""Design patterns by name.

>>> list(PATTERN_REFERENCE)
['rag_pipeline', 'agent_orchestrator', 'training_pipeline', 'multimodal_processor']
"""


def find_pattern(name: str) -> DesignPattern:
    """The pattern of that name, with hyphens or underscores. Raises NotFoundError with the nearest.

    >>> find_pattern("rag-pipeline").data_flow
    'query -> embed -> search -> retrieve -> augment -> generate -> response'
    """
    word = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    if word not in PATTERN_REFERENCE:
        close = nearest(word, tuple(PATTERN_REFERENCE))
        hint = f"Did you mean {close!r}?" if close else f"Patterns: {', '.join(PATTERN_REFERENCE)}."
        raise NotFoundError(f"there is no pattern {name!r}.", hint=hint)
    return PATTERN_REFERENCE[word]


def show_pattern(name: str) -> None:
    """Print a pattern: components, data flow, what it is best for, and its diagram.

    >>> show_pattern("training_pipeline")  # doctest: +ELLIPSIS
    training_pipeline
    Makes a model better at one thing and proves it: ...
    Data flow: collect -> clean -> train -> evaluate -> (pass) register -> deploy, (fail) iterate
    ...

    Raises NotFoundError with the nearest name.
    """
    sys.stdout.write(f"{find_pattern(name)}\n")
