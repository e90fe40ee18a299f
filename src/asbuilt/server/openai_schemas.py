"""The part of OpenAI's protocol that the service speaks.

Members that change nothing here (`user`, `metadata`, ...) are ignored, as the protocol asks of
servers; those that would change the answer and cannot be honoured are refused by name.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator
from pydantic_core import core_schema

from asbuilt.errors import UserError
from asbuilt.server.schemas import MAX_TOKENS, TOOL_NAME, SchemaObject
from asbuilt.types import GenerationOptions, Message, ToolCall, ToolSpec

__all__ = ["ChatCompletionRequest", "EmbeddingsRequest", "ModelList", "OpenAIModel"]

_ANY_OBJECT = {"type": "object"}
_MAX_INPUTS = 2_048
_DEFAULT_MAX_TOKENS = 2048


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class TextPart(_Request):
    """A part of a message; only text is understood."""

    type: Literal["text"]
    text: str


class FunctionCall(_Request):
    """`arguments` is JSON in a string."""

    name: str = Field(pattern=TOOL_NAME)
    arguments: str = Field(default="{}", examples=['{"service": "sqs"}'])


class CompletionToolCall(_Request):
    """A function call that the model made earlier in the conversation."""

    id: str = Field(max_length=200)
    type: Literal["function"] = "function"
    function: FunctionCall

    def value(self) -> ToolCall:
        """The call with its arguments parsed. Raises UserError."""
        try:
            arguments = json.loads(self.function.arguments or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise UserError(f"arguments of tool call {self.id!r} are not a JSON object.")
        return ToolCall(self.id, self.function.name, arguments)


class CompletionMessage(_Request):
    """One turn; a developer's message counts as the system's."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = Field(default=None, max_length=200)
    tool_calls: list[CompletionToolCall] | None = Field(default=None, max_length=64)
    tool_call_id: str | None = Field(default=None, max_length=200)

    def value(self) -> Message:
        """The same turn as the parts of a system exchange it."""
        content = self.content if isinstance(self.content, str) else _joined(self.content)
        calls = tuple(call.value() for call in self.tool_calls or ())
        role = "system" if self.role == "developer" else self.role
        return Message(role, content, self.name, calls, self.tool_call_id)


class FunctionTool(_Request):
    """What a model is told of a function."""

    name: str = Field(pattern=TOOL_NAME)
    description: str | None = Field(default=None, max_length=4_096)
    parameters: SchemaObject | None = None


class CompletionTool(_Request):
    """A function that the client runs."""

    type: Literal["function"]
    function: FunctionTool

    def value(self) -> ToolSpec:
        """The same tool as a generator is told of it."""
        function = self.function
        parameters = function.parameters or {**_ANY_OBJECT, "properties": {}}
        return ToolSpec(function.name, function.description or "", parameters)


class JsonSchema(_Request):
    """A schema that the answer must match."""

    name: str | None = None
    schema_: SchemaObject = Field(alias="schema")


class ResponseFormat(_Request):
    """Text, any JSON object, or JSON that matches a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def schema_of(self) -> dict[str, Any] | None:
        """The JSON Schema that constrains the answer. Raises UserError."""
        if self.type == "text":
            return None
        if self.type == "json_object":
            return dict(_ANY_OBJECT)
        if self.json_schema is None:
            raise UserError("response_format json_schema needs the member json_schema.")
        return dict(self.json_schema.schema_)


class StreamOptions(_Request):
    """`include_usage`: a last chunk with the usage."""

    include_usage: bool = False


class _Only:
    """Refuses a parameter that would change the answer, unless its value is the one that does not."""

    def __init__(self, value: JsonValue) -> None:
        self._value = value

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"enum": [self._value, None], "description": "Anything else is not supported."}

    def _checked(self, value: Any) -> Any:
        same = value == self._value and isinstance(value, bool) is isinstance(self._value, bool)
        if value is not None and not same:
            raise ValueError(f"not supported here; leave it out, or give {json.dumps(self._value)}")
        return value


class ChatCompletionRequest(_Request):
    """A conversation that wants a completion, from the assistant or from the bare generator."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "my-assistant",
                    "messages": [{"role": "user", "content": "How do I delete all messages in a queue?"}],
                    "max_tokens": 64,
                }
            ]
        }
    )

    model: str = Field(max_length=200)
    messages: list[CompletionMessage] = Field(min_length=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2, description="Default 0.7.")
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_TOKENS, description="Default 2048.")
    max_completion_tokens: int | None = Field(default=None, ge=1, le=MAX_TOKENS)
    stop: (
        Annotated[str, Field(min_length=1, max_length=200)]
        | list[Annotated[str, Field(min_length=1, max_length=200)]]
        | None
    ) = None
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    tools: list[CompletionTool] | None = Field(default=None, max_length=64)
    tool_choice: Literal["auto", "none"] | None = None
    response_format: ResponseFormat | None = None

    n: Annotated[Any, _Only(1)] = None
    top_p: Annotated[Any, _Only(1)] = None
    frequency_penalty: Annotated[Any, _Only(0)] = None
    presence_penalty: Annotated[Any, _Only(0)] = None
    logprobs: Annotated[Any, _Only(False)] = None
    top_logprobs: Annotated[Any, _Only(0)] = None
    logit_bias: Annotated[Any, _Only({})] = None
    modalities: Annotated[Any, _Only(["text"])] = None

    @field_validator("stop")
    @classmethod
    def _few_stops(cls, value: str | list[str] | None) -> str | list[str] | None:
        if isinstance(value, list) and len(value) > 4:
            raise ValueError("at most 4 stop sequences")
        return value

    def options(self) -> GenerationOptions:
        """How to generate the completion."""
        tools = () if self.tool_choice == "none" else self.tools or ()
        return GenerationOptions(
            temperature=0.7 if self.temperature is None else self.temperature,
            max_tokens=self.max_completion_tokens or self.max_tokens or _DEFAULT_MAX_TOKENS,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            seed=self.seed,
            json_schema=None if self.response_format is None else self.response_format.schema_of(),
            tools=tuple(tool.value() for tool in tools),
        )


class EmbeddingsRequest(_Request):
    """Texts that want vectors."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "embedder", "input": ["delete all messages in a queue"]}]}
    )

    model: str = Field(max_length=200)
    input: str | list[str] = Field(description="Texts; tokens are not understood.")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1, le=65_536, description="The model's own, or nothing.")

    @field_validator("input", mode="before")
    @classmethod
    def _no_tokens(cls, value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], int | list):
            raise ValueError("tokens are not supported; send the text")
        return value

    @field_validator("input")
    @classmethod
    def _some_texts(cls, value: str | list[str]) -> str | list[str]:
        texts = [value] if isinstance(value, str) else value
        if not 1 <= len(texts) <= _MAX_INPUTS:
            raise ValueError(f"from 1 to {_MAX_INPUTS} texts")
        if not all(texts):
            raise ValueError("no text may be empty")
        return value

    def texts(self) -> list[str]:
        """The texts, in order."""
        return [self.input] if isinstance(self.input, str) else self.input


class OpenAIModel(BaseModel):
    """A model that may be named in a request."""

    id: str = Field(examples=["my-assistant"])
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "asbuilt"


class ModelList(BaseModel):
    """All of them: the assistant, which answers from the documents, and its bare parts."""

    object: Literal["list"] = "list"
    data: list[OpenAIModel]


def _joined(parts: list[TextPart] | None) -> str:
    return "".join(part.text for part in parts or ())
