"""Requests and responses of the service's own protocol, as they stand in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import to_json

from asbuilt.runs import EventKind, InboxKind, InboxState, RunState
from asbuilt.types import GenerationOptions, Message, ToolCall, ToolSpec

__all__ = [
    "ChatRequest",
    "ChatResponse",
    "CitationModel",
    "DecisionRequest",
    "DocumentsRequest",
    "DocumentsResponse",
    "ExtractResponse",
    "FeedbackRequest",
    "FeedbackResponse",
    "FeedbackSummaryModel",
    "HealthResponse",
    "InboxItemModel",
    "IngestOptions",
    "MessageModel",
    "PlanRequest",
    "Problem",
    "ReceiptModel",
    "RunEventModel",
    "RunModel",
    "RunRequest",
    "RunStarted",
    "SearchHit",
    "SearchRequest",
    "ToolCallModel",
    "ToolModel",
    "UsageModel",
]

MAX_TOKENS = 131_072
MAX_TOP_K = 100
MAX_QUERY_CHARS = 8_192
MAX_CHUNK_SIZE = 8_192
MIN_CHUNK_SIZE = 64
MAX_SCHEMA_BYTES = 16_384
COLLECTION = r"^[\w][\w .:/-]{0,99}$"
TOOL_NAME = r"^[A-Za-z0-9_-]{1,64}$"
_INT64 = 2**63
_NO_ARGUMENTS: dict[str, JsonValue] = {"type": "object", "properties": {}}

# Python's `int` has no end; what is stored and compared has.
Integer = Annotated[int, Field(ge=-_INT64, lt=_INT64)]
FilterValue = Annotated[str, Field(max_length=1_000)] | bool | Integer | float


def _of_bounded_size(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if (size := len(to_json(schema))) > MAX_SCHEMA_BYTES:
        raise ValueError(f"a schema may have {MAX_SCHEMA_BYTES:,} bytes; this one has {size:,}")
    return schema


# An engine turns a schema into a grammar, which takes it more than linear time: 2,000 alternatives
# in 17 kB take llama.cpp eight seconds, and nothing can interrupt it.
SchemaObject = Annotated[dict[str, JsonValue], AfterValidator(_of_bounded_size)]
CollectionName = Annotated[str, Field(pattern=COLLECTION, examples=["default"])]


class _Request(BaseModel):
    """Unknown members, and values of another JSON type, are faults."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


# ---------------------------------------------------------------- chat


class ToolCallModel(_Request):
    """A model's request to run a tool."""

    id: str = Field(max_length=200, examples=["call-1"])
    name: str = Field(pattern=TOOL_NAME, examples=["price"])
    arguments: dict[str, JsonValue] = Field(default_factory=dict, examples=[{"service": "sqs"}])


class MessageModel(_Request):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = Field(examples=["How do I delete all messages in a queue?"])
    name: str | None = Field(default=None, max_length=200, description="Role tool: the tool that ran.")
    tool_calls: list[ToolCallModel] | None = Field(default=None, max_length=64)
    tool_call_id: str | None = Field(default=None, max_length=200, description="Role tool: the call.")

    def value(self) -> Message:
        """The same turn as the parts of a system exchange it."""
        calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in self.tool_calls or ())
        return Message(self.role, self.content, self.name, calls, self.tool_call_id)


class ToolModel(_Request):
    """A tool that the client runs: the answer ends with a call of it, and a later request brings its
    result as a message with role tool."""

    name: str = Field(pattern=TOOL_NAME, examples=["price"])
    description: str = Field(default="", max_length=4_096, examples=["Price of a service in dollars"])
    parameters: SchemaObject = Field(
        default_factory=lambda: dict(_NO_ARGUMENTS),
        description="JSON Schema of the arguments.",
        examples=[{"type": "object", "properties": {"service": {"type": "string"}}}],
    )

    def value(self) -> ToolSpec:
        """The same tool as a generator is told of it."""
        return ToolSpec(self.name, self.description, self.parameters)


class ChatRequest(_Request):
    """A conversation that wants an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "messages": [{"role": "user", "content": "How do I delete all messages in a queue?"}],
                    "stream": False,
                }
            ]
        }
    )

    messages: list[MessageModel] = Field(min_length=1)
    stream: bool = True
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int = Field(default=2048, ge=1, le=MAX_TOKENS)
    tools: list[ToolModel] | None = Field(default=None, max_length=64)

    def options(self) -> GenerationOptions:
        """How to generate the answer."""
        return GenerationOptions(
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            tools=tuple(tool.value() for tool in self.tools or ()),
        )


class UsageModel(BaseModel):
    """Tokens of an answer, all its rounds added up."""

    prompt_tokens: int = Field(examples=[812])
    completion_tokens: int = Field(examples=[64])
    total_tokens: int = Field(examples=[876])


class PageBoxModel(BaseModel):
    """A place on a page, in points (1/72 inch) from the top left corner of the upright page."""

    page: int
    box: tuple[float, float, float, float] = Field(description="left, top, right, bottom")


class CitationModel(BaseModel):
    """Which passage supports which sentence. Only `verified` ones were checked and hold."""

    number: int = Field(examples=[1])
    sentence: str
    verified: bool
    reason: str = Field(description="Why it is not verified.")
    quote: str
    document_id: int | None
    version: int | None
    source: str
    start: int | None = Field(description="Character offset in the text of that version.")
    end: int | None
    page: int | None
    by: Literal["model", "asbuilt"] = Field(description="Who made the citation.")
    boxes: list[PageBoxModel] = Field(
        default_factory=list, description="Its lines on their pages, where the document has pages."
    )


class AnswerMessage(BaseModel):
    """The assistant's turn."""

    role: Literal["assistant"]
    content: str
    tool_calls: list[ToolCallModel] = Field(default_factory=list, description="Present when not empty.")


class ChatResponse(BaseModel):
    """A whole answer, for ``"stream": false``."""

    id: str = Field(examples=["chat-5f0c"])
    message: AnswerMessage
    usage: UsageModel
    latency_ms: float
    citations: list[CitationModel]
    model: str | None = Field(
        default=None,
        description="What wrote it: the version of a registered model, or a name. Absent when none did.",
    )


# ---------------------------------------------------------------- documents


class IngestOptions(_Request):
    """Where documents go, and how they are cut. A size that is left out is the blueprint's, which is
    the default shown unless its chunker says otherwise."""

    collection: CollectionName = "default"
    chunk_size: int = Field(default=512, ge=MIN_CHUNK_SIZE, le=MAX_CHUNK_SIZE, description="Tokens.")
    chunk_overlap: int = Field(
        default=50, ge=0, le=MAX_CHUNK_SIZE // 2, description="Tokens; at most half of chunk_size."
    )


class DocumentsRequest(IngestOptions):
    """Files on the machine of the service, below one of `api.roots`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"files": ["handbook/backups.md"]}]})

    files: list[Annotated[str, Field(min_length=1, max_length=4_096)]] = Field(
        min_length=1, max_length=10_000, description="Paths of files or folders, or globs."
    )


class ReceiptModel(BaseModel):
    """What became of one file."""

    source: str
    status: Literal["reading", "stored", "indexed", "quarantined"]
    document_id: int | None
    version: int | None
    chunks: int
    embedded: int
    found: int = Field(description="Chunks that the index gave back when it was asked for them.")
    reason: str = Field(description="Why it was quarantined.")


class DocumentsResponse(BaseModel):
    """`complete`: every file is indexed; `partial`: some are not, see their receipts; `stopped`: the
    service is shutting down, send the request again."""

    status: Literal["complete", "partial", "stopped"]
    document_ids: list[int]
    chunks_created: int
    receipts: list[ReceiptModel]


# ---------------------------------------------------------------- extraction


class EvidenceModel(BaseModel):
    """The words that a value was made of."""

    page: int
    words: list[int] = Field(description="Numbers of the words on that page, in reading order.")
    boxes: list[tuple[float, float, float, float]] = Field(
        description="left, top, right, bottom of each line, in points from the top left of the upright page."
    )
    quote: str
    reader: str = Field(description="Who read the words.", examples=["text-layer", "rapidocr"])
    place: str = Field(description="In a file that states its text: the cell or paragraph.")
    crop: str
    second: str | None = Field(description="What the second reader saw, when it disagrees.")


class CandidateModel(BaseModel):
    """Another value that was considered."""

    path: str
    value: Any
    quote: str
    page: int
    words: list[int]
    extractor: str
    score: float
    why: str
    signals: dict[str, float]


class SearchedModel(BaseModel):
    """Where a value was looked for in vain."""

    page: int
    box: tuple[float, float, float, float] | None
    what: str


class ExtractedValueModel(BaseModel):
    """One leaf of the schema."""

    path: str = Field(examples=["lines[0].amount"])
    kind: Literal["string", "number", "integer", "boolean", "date", "enum"]
    status: Literal["found", "not_found", "conflict"]
    value: Any
    confidence: float = Field(description="Probability that the value is right.")
    evidence: EvidenceModel | None
    extractor: str
    why: str
    signals: dict[str, float]
    rivals: list[CandidateModel]
    searched: list[SearchedModel]
    corrected: bool


class ConstraintModel(BaseModel):
    """Whether the values agree with each other; null when one of them is missing."""

    expression: str
    holds: bool | None
    message: str


class RepairModel(BaseModel):
    """A reading that a constraint corrected."""

    path: str
    before: Any
    after: Any
    quote_before: str
    quote_after: str
    constraint: str
    evidence: EvidenceModel


class ExtractionModel(BaseModel):
    """One file. With a `fault` it could not be read, and there are no values."""

    document: str
    content_hash: str
    schema_digest: str = Field(alias="schema")
    values: list[ExtractedValueModel]
    data: Any = Field(description="The value that the schema describes; null where nothing was found.")
    constraints: list[ConstraintModel]
    repairs: list[RepairModel]
    flags: list[str]
    fault: str


class ExtractResponse(BaseModel):
    """One extraction a file, in the order of the files."""

    extractions: list[ExtractionModel]


# ---------------------------------------------------------------- search


# ---------------------------------------------------------------- runs


class PlanRequest(_Request):
    """A task to plan."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"task": "Report how queues are emptied"}]})

    task: str = Field(min_length=1, max_length=MAX_QUERY_CHARS)


class RunRequest(PlanRequest):
    """A task to do; `plan` is one that `POST /plans` gave, changed or not."""

    plan: dict[str, JsonValue] | None = None


class RunStarted(BaseModel):
    """The name of a run."""

    run: str = Field(examples=["261123-120000-a1b2c3"])


class RunModel(BaseModel):
    """A run. One that is `waiting` has questions in the inbox. Times are seconds since 1970."""

    id: str
    task: str
    state: RunState
    blueprint: str
    started_at: float
    changed_at: float


class RunEventModel(BaseModel):
    """One line of a run's log."""

    run: str
    seq: int
    at: float
    kind: EventKind
    subtask: str
    step: int
    data: dict[str, JsonValue]


class InboxItemModel(BaseModel):
    """A question to a person, about exactly what `digest` is of. To approve a doubt says that the call
    took effect."""

    id: int
    run: str
    subtask: str
    kind: InboxKind
    digest: str
    about: dict[str, JsonValue]
    reason: str
    state: InboxState
    asked_at: float
    expires_at: float
    decided_by: str


class DecisionRequest(_Request):
    """An answer to a question of the inbox, and who gives it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "approve", "by": "ida"}]})

    decision: Literal["approve", "deny"]
    by: str = Field(min_length=1, max_length=200)


class SearchRequest(_Request):
    """A question to the documents."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "delete all messages in a queue", "top_k": 3}]}
    )

    query: str = Field(min_length=1, max_length=MAX_QUERY_CHARS)
    top_k: int = Field(default=5, ge=1, le=MAX_TOP_K)
    collection: CollectionName | None = None
    filters: (
        Annotated[
            dict[
                Annotated[str, Field(max_length=200)],
                FilterValue | Annotated[list[FilterValue], Field(max_length=1_000)],
            ],
            Field(max_length=32, examples=[{"folder": ["sqs", "sns"]}]),
        ]
        | None
    ) = Field(default=None, description="Metadata that must match; a list means any of its values.")


class SearchHit(BaseModel):
    """A passage. `metadata` holds source, collection, document_id, version, chunk_id, start, end,
    page, headings, title, and what is known of its document."""

    content: str
    score: float
    metadata: dict[str, Any]


# ---------------------------------------------------------------- health and problems


class MemoryModel(BaseModel):
    """In MiB."""

    resident_mib: float = Field(description="Of this process.")
    available_mib: float = Field(description="On this machine.")


class ServingModel(BaseModel):
    """A model of a registry that is open, and what was seen of it since it was opened, or since a trial
    beside it began."""

    model: str = Field(description='Its version, or "fallback".')
    role: Literal["production", "canary", "fallback"]
    share: float = Field(description="Of conversations.")
    running: int
    requests: int
    errors: int = Field(description="Failed for no fault of the caller.")
    empty: int
    cut: int = Field(description="Ended at their length limit.")
    first_token_p95_s: float | None
    tokens_per_s: float | None
    ratings: int
    mean_rating: float | None


class HealthResponse(BaseModel):
    """`degraded`: it answers, and `problems` says what does not work."""

    status: Literal["ok", "degraded", "stopping"]
    model_loaded: bool
    memory_usage: MemoryModel
    documents: int
    chunks: int
    embedded: int = Field(description="Chunks that are found by meaning; all are found by terms.")
    index_behind: int = Field(description="Changes of the catalogue that the index has yet to apply.")
    running: dict[str, int] = Field(description="Requests being served, by kind.")
    problems: list[str]
    system: str
    models: dict[str, str]
    serving: list[ServingModel] = Field(description="Models of a registry; empty where none is served from.")
    versions: dict[str, str]
    uptime_s: float


class Fault(BaseModel):
    """One thing wrong with a request."""

    detail: str
    pointer: str | None = Field(default=None, description="JSON pointer into the body.")


class Problem(BaseModel):
    """RFC 9457. Under /v1 the member `error` repeats it in OpenAI's shape."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str
    errors: list[Fault] | None = None


# ---------------------------------------------------------------- feedback


_WORST, _BEST = 1, 5


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class FeedbackRequest(_Request):
    """A rating of the answer `answer_id`: either from 1 (bad) to 5 (good), or a thumb (up is 5, down 1)."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["rating"]}, {"required": ["thumb"]}],
            "examples": [{"answer_id": "chat-0123", "rating": 4}],
        }
    )

    answer_id: str = Field(min_length=1, max_length=64)
    # Which of the two was given is asked of `model_fields_set`; their defaults never count.
    rating: int = Field(default=_BEST, ge=_WORST, le=_BEST, json_schema_extra=_without_default)
    thumb: Literal["up", "down"] = Field(default="up", json_schema_extra=_without_default)
    comment: str = Field(default="", max_length=4_000)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if len(self.model_fields_set & {"rating", "thumb"}) != 1:
            raise ValueError("give either a rating or a thumb")
        return self

    @property
    def stars(self) -> int:
        """The rating, or what the thumb stands for."""
        if "rating" in self.model_fields_set:
            return self.rating
        return _BEST if self.thumb == "up" else _WORST


class FeedbackResponse(BaseModel):
    """What was remembered."""

    answer_id: str
    rating: int = Field(ge=1, le=5)


class FeedbackSummaryModel(BaseModel):
    """`mean` and `pleased` (the share of ratings of 4 and 5) are null while nobody has rated."""

    answers: int
    ratings: int
    mean: float | None
    pleased: float | None
