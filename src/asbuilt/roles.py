"""The roles: one Protocol each, one to three methods, nothing about how.

Everything above meets its parts here, and so do the fakes. A class plays a role by having its
methods; `registry.component` gives it a name. The life of a component:

- the constructor takes keywords only, stores them, and touches neither disk nor network;
- ``open()`` (optional) loads models and files; ``close()`` (optional) lets go of them and may be
  called twice; between the two the role's methods may be called from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from asbuilt.fields import Candidate, Extraction, FieldSchema, PagedDocument
from asbuilt.lineage import (
    ExportedModel,
    GateVerdict,
    HeldOut,
    Manifest,
    ModelKind,
    PipelineResult,
    PreparedData,
    TrainedModel,
    TrainingProgress,
    TrainingRow,
)
from asbuilt.modalities import (
    Fused,
    FusedScores,
    JoinedVectors,
    Result,
    RoutedPage,
    Sight,
    Task,
    TaskKind,
    TaskOutput,
)
from asbuilt.pages import PageLayout, Word
from asbuilt.runs import (
    AgentCard,
    Decision,
    Fact,
    Plan,
    ProposedCall,
    RunEvent,
    Subtask,
    WorkResult,
)
from asbuilt.types import (
    ChunkDraft,
    Document,
    Effect,
    Event,
    Filters,
    Finished,
    GenerationOptions,
    Hit,
    IndexPoint,
    Matrix,
    Message,
    ScoredId,
    ToolCall,
    ToolResult,
    ToolSpec,
    Vector,
)

__all__ = [
    "Agent",
    "Assistant",
    "Chunker",
    "DataCollector",
    "Deployment",
    "Desk",
    "Embedder",
    "Evaluator",
    "Exporter",
    "Extractor",
    "FusionLayer",
    "Generator",
    "Image",
    "Index",
    "InputRouter",
    "Memory",
    "ModelStore",
    "Ocr",
    "Orchestrator",
    "OutputFormatter",
    "PagedReader",
    "Planner",
    "Preprocessor",
    "Processor",
    "PromptRenderer",
    "Reader",
    "Releasable",
    "Reranker",
    "Retriever",
    "SafetyLayer",
    "SlottedGenerator",
    "TaskHead",
    "Tool",
    "Trainer",
    "TrainingPipeline",
    "VisionEncoder",
]


@runtime_checkable
class Reader(Protocol):
    """Bytes of a file -> a document."""

    @property
    def suffixes(self) -> frozenset[str]:
        """Lower-case file suffixes it reads, each with its dot."""
        ...

    def read(self, data: bytes, *, name: str) -> Document:
        """Turn `data` into text with positions. `name` is the file's name, for messages and titles.

        Raises ReadError with a reason fit for a receipt when the bytes are not what they claim.
        """
        ...


@runtime_checkable
class PagedReader(Reader, Protocol):
    """A reader that gives pages with words, boxes and structure, one at a time."""

    @property
    def recipe(self) -> str:
        """Identifies the reading, models included: the same recipe and bytes give the same pages."""
        ...

    def read(self, data: bytes, *, name: str, pages: Iterable[PageLayout] | None = None) -> Document:
        """The document that its pages make together; `pages`, where they are given, are those that it
        read from the same bytes before, so that none is read again."""
        ...

    def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
        """The pages from number `first` on, in order. A page that cannot be read is an empty one
        whose `flags` say why. Raises ReadError when none can."""
        ...


Image = NDArray[np.uint8]
"""A picture of shape (height, width, 3), RGB, C-contiguous."""


@runtime_checkable
class Ocr(Protocol):
    """A picture of a page -> words. Not open, it can be pickled, and works after `open` in another
    process."""

    @property
    def recipe(self) -> str:
        """Name and version of engine and models, and what else changes the result."""
        ...

    def recognize(self, image: Image, *, dpi: float) -> list[Word]:
        """Words of an upright picture, line by line from the top. Their boxes are in pixels of
        `image`; `reader` is the engine's name."""
        ...


@runtime_checkable
class Extractor(Protocol):
    """A read document and a schema -> values that words of it prove."""

    def extract(self, document: PagedDocument, schema: FieldSchema) -> list[Candidate]:
        """Candidates for any of the schema's fields, in the order of its paths, the best of each path
        first; nothing for a field that the document does not have."""
        ...


@runtime_checkable
class Exporter(Protocol):
    """Extractions -> files in one format."""

    def export(self, extractions: Sequence[Extraction], schema: FieldSchema) -> Mapping[str, bytes]:
        """Contents by file name. The same extractions give the same bytes."""
        ...


@runtime_checkable
class Chunker(Protocol):
    """A document -> spans that are embedded, searched and cited."""

    @property
    def recipe(self) -> str:
        """Identifies the chunking: the same recipe and text give the same chunks."""
        ...

    def chunk(self, document: Document) -> list[ChunkDraft]:
        """Spans in order of `start`; together they cover every non-blank character."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Text -> unit vectors."""

    @property
    def model_id(self) -> str:
        """Identifies the vectors: equal ids mean that vectors may be compared. Known before `open`."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector. Known after `open`."""
        ...

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        """float32 of shape (len(texts), dim), rows of length 1. Longer texts are cut at the model's limit."""
        ...


@runtime_checkable
class Index(Protocol):
    """A disposable projection of the catalogue: search by terms and by meaning.

    Terms are scored with BM25 (k1 = 1.2, b = 0.75) over the tokens of `asbuilt.retrieval.terms`;
    vectors by cosine. `asbuilt.retrieval.exact` is the reference that others must agree with.
    """

    @property
    def position(self) -> int:
        """The last catalogue change that is durably in the index (0 when empty)."""
        ...

    def write(self, points: Sequence[IndexPoint], *, remove: Sequence[int] = (), position: int) -> None:
        """Insert or replace `points`, drop `remove`, then remember `position`, all idempotent.

        Durable on return: after kill -9 the index opens at the old or the new position.
        Searches in other threads see the state before or after, never an error.
        """
        ...

    def search(self, query: str | Vector, *, top_k: int, filters: Filters | None = None) -> list[ScoredId]:
        """The best points, best first; a string searches terms, a vector searches meaning."""
        ...


@runtime_checkable
class Reranker(Protocol):
    """Orders passages for a query more carefully than the index can."""

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """One relevance score a passage, higher is better."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """A question -> the passages that may answer it."""

    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        """At most `top_k` hits, best first. An empty list means nothing relevant was found."""
        ...


@runtime_checkable
class Generator(Protocol):
    """Messages -> text, streamed."""

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and answer may take together. Known after `open`."""
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens that `messages` take as a prompt (exact where the engine can tell)."""
        ...

    def stream(self, messages: Sequence[Message], *, options: GenerationOptions) -> AsyncIterator[Event]:
        """TextDelta and ToolCall events, then exactly one Finished.

        Closing the iterator, or cancelling its task, stops the engine's work on it.
        """
        ...


@runtime_checkable
class Tool(Protocol):
    """Something a model may call."""

    @property
    def spec(self) -> ToolSpec:
        """Name, description and JSON Schema of the arguments."""
        ...

    @property
    def effect(self) -> Effect:
        """What a call may change. Only tools that "read" may run while a model is reading retrieved
        text, unless a policy says so."""
        ...

    def call(self, arguments: Mapping[str, Any], *, key: str = "") -> str:
        """Validate `arguments`, run, and return text for the model. `key` names the call: an
        "idempotent" tool changes nothing more when it is called again with the same one.

        Raises ToolError, and InDoubtError where the call may have taken effect all the same.
        """
        ...


@runtime_checkable
class Assistant(Protocol):
    """A conversation -> a checked answer."""

    def answer(
        self,
        messages: Sequence[Message],
        *,
        options: GenerationOptions | None = None,
        filters: Filters | None = None,
    ) -> AsyncIterator[Event]:
        """Events of one answer; the last is Finished and carries the Answer."""
        ...


@runtime_checkable
class PromptRenderer(Protocol):
    """An assistant that can say what it would give its model: rows to learn from are made so."""

    def prompt_for(self, messages: Sequence[Message], *, marker: str) -> tuple[list[Message], list[Hit]]:
        """The messages of the first round of an answer, and the passages that they hold, in order;
        ``([], [])`` where nothing is found and no model is asked. `marker` stands in the fences of
        passages, where an answer has a random one of 8 hex digits. Raises UserError where more than
        messages would go to the model, and LimitError when the question leaves no room for a passage.
        """
        ...


@runtime_checkable
class Releasable(Protocol):
    """Something that holds much memory, and can do without until it is used again."""

    def release(self) -> None:
        """Let go of models and indexes; the next use loads them again."""
        ...


@runtime_checkable
class InputRouter(Protocol):
    """A file of any kind -> pages taken apart into passages, tables and pictures."""

    @property
    def recipe(self) -> str:
        """Identifies the routing, readers included: the same recipe and bytes give the same parts."""
        ...

    def route(self, data: bytes, *, name: str) -> Iterator[RoutedPage]:
        """The pages in order, one at a time. Raises ReadError when the file cannot be read."""
        ...

    def picture(self, data: bytes, *, name: str, page: PageLayout, dpi: float) -> Image | None:
        """What a page of the file looks like, upright; None for a page without a look of its own."""
        ...


@runtime_checkable
class VisionEncoder(Protocol):
    """The picture of a page -> a vector."""

    @property
    def name(self) -> str:
        """One word for its channel ("picture.NAME"), without dots."""
        ...

    @property
    def describes(self) -> str:
        """One sentence that says plainly what its vectors know of a page, and what they do not."""
        ...

    @property
    def recipe(self) -> str:
        """Identifies the encoding, models included: the same recipe and page give the same vector."""
        ...

    def encode(self, picture: Image | None, page: PageLayout) -> Sight | None:
        """A vector of length 1, of the same dimension every time; None for a page that it cannot see.
        Vectors of pages that look alike are near by dot product."""
        ...

    def encode_query(self, query: str) -> Vector | None:
        """A vector of length 1 to compare with those of pages; None, for every query, where the encoder
        cannot tell words from pictures."""
        ...


@runtime_checkable
class FusionLayer(Protocol):
    """What several channels say -> one statement. Channels are named as `modalities` has it."""

    def fuse(self, scores: Mapping[str, NDArray[np.float64]]) -> FusedScores:
        """One score an item out of each channel's, arrays of shape (n,), and the shares of the channels.
        NaN is an item that a channel does not see: no better than its worst. Raises UserError for
        arrays of different lengths, and BugError for no channel at all."""
        ...

    def join(
        self, vectors: Mapping[str, NDArray[np.float32]], *, examples: Mapping[str, NDArray[np.float32]]
    ) -> JoinedVectors:
        """One vector an item out of each channel's, matrices of shape (n, dim); rows of zeros are items
        that a channel does not see. Channels are brought to one scale by their `examples`, so that
        the rows of different calls can be compared."""
        ...


@runtime_checkable
class TaskHead(Protocol):
    """What was fused -> the output of one kind of task."""

    @property
    def task(self) -> TaskKind:
        """The kind of task that it does."""
        ...

    @property
    def pictures(self) -> int:
        """How many of the best pages it wants to see, as PNG files in `Fused.pictures`."""
        ...

    def run(self, task: Task, fused: Fused) -> TaskOutput:
        """Do the task. Raises UserError for one that it cannot do."""
        ...


@runtime_checkable
class OutputFormatter(Protocol):
    """The output of a task -> text in one format."""

    @property
    def name(self) -> str:
        """What `Task.format` calls it."""
        ...

    @property
    def media_type(self) -> str:
        """For example "application/json"."""
        ...

    def format(self, output: TaskOutput) -> str:
        """All of it. The same output gives the same text."""
        ...


@runtime_checkable
class Processor(Protocol):
    """A task over files of several modalities -> its result."""

    def process(self, task: Task) -> Result:
        """Route, encode, fuse, do the task, format. A file that cannot be read is a fault of the result
        and stops no other. Raises UserError for a task that cannot be done."""
        ...


@runtime_checkable
class SlottedGenerator(Generator, Protocol):
    """A generator that says how much it does at once."""

    @property
    def slots(self) -> int:
        """Requests that run at the same time, each with its own cache of a prompt."""
        ...


class Desk(Protocol):
    """Where an agent works on one subtask: the only way to its model, its tools and its memory.

    What is done here is recorded. When a run is resumed, the agent works from the start again, and
    gets what was recorded instead of doing it twice; so it must ask for the same things in the same
    order. Not a component: the orchestrator makes it.
    """

    @property
    def subtask(self) -> Subtask: ...

    @property
    def task(self) -> str:
        """The whole task, in the words of the user."""
        ...

    @property
    def inputs(self) -> Mapping[str, WorkResult]:
        """Results of the subtasks that this one takes from, by id."""
        ...

    async def generate(
        self, generator: Generator, messages: Sequence[Message], *, options: GenerationOptions
    ) -> Finished:
        """One reply of the model, when a slot is free. Raises LimitError when the budget is used up."""
        ...

    async def call(self, tool: Tool, call: ToolCall) -> ToolResult:
        """One call, if the safety layer allows it; a refusal is a failed result that says why. Waits
        for a person where it must. Raises LimitError when the budget is used up."""
        ...

    async def recall(self, query: str, *, top_k: int = 5) -> list[Fact]:
        """What memory has for `query`, of the scopes that this agent may read."""
        ...

    async def remember(self, text: str, *, shared: bool = False) -> None:
        """Keep a note of this agent's, or a fact for all."""
        ...


@runtime_checkable
class Agent(Protocol):
    """Does subtasks with a model and tools."""

    @property
    def card(self) -> AgentCard:
        """Name, purpose and tools."""
        ...

    @property
    def tools(self) -> Sequence[Tool]:
        """Those that it may call where a plan gives them to it."""
        ...

    async def work(self, desk: Desk) -> str:
        """The result of the desk's subtask. Raises LimitError, and UserError for one that it gives up."""
        ...


@runtime_checkable
class Planner(Protocol):
    """A task -> a plan, made before any text that nobody vouches for is read."""

    async def plan(self, task: str, *, agents: Sequence[AgentCard]) -> Plan:
        """A plan that `asbuilt.agents.plans.check_plan` finds no fault in. Raises UserError."""
        ...


@runtime_checkable
class SafetyLayer(Protocol):
    """Decides what may be done, outside of every model. The same input gives the same decision."""

    def decide(self, call: ProposedCall) -> Decision:
        """Whether a call may be made, and what label its result has."""
        ...

    def decide_plan(self, plan: Plan, *, agents: Sequence[AgentCard]) -> Decision:
        """Whether a plan may start; one approval covers it."""
        ...


@runtime_checkable
class Memory(Protocol):
    """Facts that outlive a subtask and a run."""

    def remember(self, facts: Sequence[Fact]) -> None:
        """Keep them, durably; one that is there already (same text and scope) stays as it is."""
        ...

    def recall(self, query: str, *, scopes: Sequence[str], top_k: int = 5) -> list[Fact]:
        """The facts of these scopes that fit `query` best, best first."""
        ...


@runtime_checkable
class Orchestrator(Protocol):
    """Task -> plan -> dispatch -> execute -> aggregate -> verify -> output."""

    async def plan(self, task: str) -> Plan:
        """What would be done. Nothing is called but the planner. Raises UserError."""
        ...

    def run(self, task: str, *, plan: Plan | None = None) -> AsyncIterator[RunEvent]:
        """Start a run and do it; the last event is "ended". Closing the iterator leaves the run
        as it is, to be resumed."""
        ...

    def resume(self, run: str) -> AsyncIterator[RunEvent]:
        """Go on with a run where its log ends; events that are in the log already come first.
        Raises NotFoundError, and UserError while another process works on it."""
        ...


Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) while something long runs."""


@runtime_checkable
class DataCollector(Protocol):
    """Somewhere -> rows to learn from."""

    def collect(self) -> Iterator[TrainingRow]:
        """Rows in an order that is the same each time. Raises UserError, with the place, for data that
        cannot be read at all; a row that is not fit to learn from is left to the preprocessor."""
        ...


@runtime_checkable
class Preprocessor(Protocol):
    """Collected rows -> rows that may be trained on."""

    def prepare(self, rows: Iterable[TrainingRow], *, held_out: Sequence[HeldOut]) -> PreparedData:
        """Clean, free of what the evaluation sets hold, split. The same rows give the same result.

        Raises UserError where too little is left, or where `held_out` leaks and that is not allowed.
        """
        ...


@runtime_checkable
class Trainer(Protocol):
    """Prepared rows -> a trained model."""

    def with_settings(self, settings: Mapping[str, Any]) -> Trainer:
        """The same with some of its config replaced. Raises UserError for what is no setting of it."""
        ...

    def train(
        self,
        data: PreparedData,
        folder: Path,
        *,
        progress: Callable[[TrainingProgress], None] = ...,
    ) -> TrainedModel:
        """Train into `folder`, going on from the last checkpoint there that is of the same data and
        settings. Raises UserError before the first step for what cannot train (a broken template, a
        memory need above the machine's), and where the loss is no number."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """A trained model -> whether it may take the place of the one that serves."""

    def judge(
        self,
        candidate: ExportedModel,
        *,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> GateVerdict | None:
        """Compare on the same held-out cases, through the assistant itself. None when `stop` was set
        before all was done; the next call with the same candidate goes on."""
        ...

    def held_out(self) -> list[HeldOut]:
        """The cases that it judges by, and all others that the assistant is evaluated on."""
        ...


@runtime_checkable
class ModelStore(Protocol):
    """Trained models, kept with all that they came from."""

    def register(
        self,
        files: Mapping[str, Path | bytes],
        *,
        name: str,
        kind: ModelKind,
        base: str,
        base_digest: str,
        recipe: str,
        settings: Mapping[str, Any],
        metrics: Mapping[str, float],
        evidence: Mapping[str, Any],
        parent: str | None,
    ) -> Manifest:
        """Keep a model; it does not serve yet."""
        ...

    @property
    def production(self) -> str | None:
        """The version that serves."""
        ...

    def promote(self, version: str, *, reason: str) -> Manifest:
        """Have a version serve. At every moment one version serves, wholly there."""
        ...

    def start_canary(self, version: str, *, share: float) -> Manifest:
        """Have a version serve `share` of the requests beside the one in production."""
        ...


@runtime_checkable
class Deployment(Protocol):
    """A registered model -> the model that serves."""

    def deploy(self, manifest: Manifest, *, reason: str) -> str:
        """Put it to work, wholly or on trial; says in one sentence what it did."""
        ...


@runtime_checkable
class TrainingPipeline(Protocol):
    """Collect, clean, train, evaluate; then register and deploy, or say what to try next.

    `grid` has settings of the trainer to try when the gate refuses, `budget_minutes` the time for it.
    """

    grid: Mapping[str, Sequence[float | str]]
    budget_minutes: float

    def run(
        self,
        *,
        folder: Path,
        settings: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> PipelineResult | None:
        """One candidate, made in `folder`; `settings` replace those of the trainer. Runs in one folder share
        their rows. None when `stop` was set; the next run in the same folder goes on. A step that refuses
        raises UserError."""
        ...
