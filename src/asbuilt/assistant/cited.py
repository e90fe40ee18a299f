"""The assistant that cites: retrieve, augment, generate with tools, check."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from anyio.to_thread import run_sync

from asbuilt.assistant.citations import Source, check_citations
from asbuilt.assistant.fitting import Fitted, fit, longest_start
from asbuilt.assistant.places import with_places
from asbuilt.assistant.prompt import INSTRUCTIONS, NO_ANSWER, TOOL_RULES
from asbuilt.assistant.question import retrieval_query
from asbuilt.assistant.quoting import quoted
from asbuilt.assistant.refusal import refusal
from asbuilt.assistant.request import Request
from asbuilt.catalog import Catalog
from asbuilt.errors import AsbuiltError, BugError, NotFoundError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Generator, Retriever, Tool
from asbuilt.tools import PassageTool, Toolbox
from asbuilt.types import (
    Answer,
    CitationsReady,
    Event,
    Filters,
    Finished,
    GenerationOptions,
    Hit,
    Message,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolSpec,
)

__all__ = ["CitedAssistant"]

_MAX_CALLS_PER_ROUND = 8
_NO_ROOM = "[left out: there is no more room in the model's context]"


@component("assistant/cited")
class CitedAssistant:
    """Answers from retrieved passages, and checks every citation against the catalogue.

    When nothing is found it says so, without asking the model (`Answer.refused`). Its tools must be
    read-only, because what stands in documents may try to use them. Tools in the options of a
    request are the caller's own: a call to one ends the answer with the reason "tool_calls". After
    `max_tool_rounds` rounds of calls the model must answer without. `top_k` is the retriever's own
    when left out; `max_prompt_tokens` keeps prompts shorter than the generator could take;
    `temperature` and `max_tokens` are for requests without options.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        retriever: Retriever,
        generator: Generator,
        tools: Sequence[Tool] = (),
        instructions: str = INSTRUCTIONS,
        top_k: int | None = None,
        max_tool_rounds: int = 4,
        max_prompt_tokens: int | None = None,
        temperature: float = 0.0,
        max_tokens: int = 512,
    ) -> None:
        for each in tools:
            if each.effect != "read":
                raise UserError(
                    f"assistant/cited cannot have the tool {each.spec.name!r}: "
                    f"its effect is {each.effect!r}; only 'read' is allowed.",
                    hint='If its calls change nothing, declare it with `effect="read"`.',
                )
        self._catalog = catalog
        self._retriever = retriever
        self._generator = generator
        self._toolbox = Toolbox(tools)
        self._instructions = instructions
        self._top_k = top_k
        self._max_tool_rounds = max_tool_rounds
        self._max_prompt_tokens = max_prompt_tokens
        self._options = GenerationOptions(temperature=temperature, max_tokens=max_tokens)

    demand = staticmethod(holds_nothing)

    async def answer(
        self,
        messages: Sequence[Message],
        *,
        options: GenerationOptions | None = None,
        filters: Filters | None = None,
    ) -> AsyncIterator[Event]:
        """Text and tool events as they come, then CitationsReady, then Finished with the Answer.

        The texts joined are the answer's text. Raises UserError when there is no question, and
        LimitError when it leaves no room for a passage.
        """
        options = options or self._options
        specs = self._specs(options)
        retrieve = partial(self._retriever.retrieve, top_k=self._top_k, filters=filters)
        hits = await run_sync(retrieve, retrieval_query(messages))
        if not hits:
            for event in refusal():
                yield event
            return
        instructions = f"{self._instructions}\n{TOOL_RULES}" if specs else self._instructions
        request = Request.of(messages, hits, instructions=instructions, callers_tools=_names(options.tools))
        for rounds_left in range(self._max_tool_rounds if specs else 0, -1, -1):
            offered = replace(options, tools=specs if rounds_left else ())
            async with _closing(self._generate(request, offered)) as events:
                async for event in events:
                    yield event
            calls = request.transcript[-1].tool_calls
            if not calls or calls[0].name in request.callers_tools:
                break
            for number, call in enumerate(calls):
                yield await self._run(call, request, offered, refuse=number >= _MAX_CALLS_PER_ROUND)
        answer = await run_sync(self._checked, request)
        yield CitationsReady(answer.citations)
        message = Message("assistant", request.text, tool_calls=request.transcript[-1].tool_calls)
        yield Finished(message, request.usage, request.reason, answer, answer.model)

    def prompt_for(self, messages: Sequence[Message], *, marker: str) -> tuple[list[Message], list[Hit]]:
        """See `roles.PromptRenderer`. Tools are offered beside the messages, so with any it is refused."""
        if self._toolbox.specs:
            raise UserError(
                f"the assistant offers its model tools ({', '.join(sorted(_names(self._toolbox.specs)))}), "
                "which messages alone do not hold.",
                hint="Make training rows with an assistant that has no tools.",
            )
        hits = self._retriever.retrieve(retrieval_query(messages), top_k=self._top_k)
        if not hits:
            return [], []
        request = Request.of(messages, hits, instructions=self._instructions)
        request.marker = marker
        fitted = self._fit(request, self._options)
        request.use(fitted)
        return fitted.messages, request.hits

    # ------------------------------------------------------------ one round

    async def _generate(self, request: Request, options: GenerationOptions) -> AsyncIterator[Event]:
        """One generation; the request takes its text and its end."""
        fitted = await run_sync(self._fit, request, options)
        request.use(fitted)
        room = self._generator.context_tokens - fitted.tokens - self._tokens_of_tools(options)
        options = replace(options, max_tokens=min(options.max_tokens, room))
        finished: Finished | None = None
        async with _closing(self._generator.stream(fitted.messages, options=options)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    finished = event
                elif isinstance(event, TextDelta):
                    for delta in request.add_delta(event):
                        yield delta
                    if finished := request.stopped(fitted):
                        break
                elif options.tools:
                    yield event
        if finished is None:
            raise BugError(f"{type(self._generator).__name__} ended a stream without Finished.")
        request.end_round(finished, calls=finished.message.tool_calls if options.tools else ())

    def _fit(self, request: Request, options: GenerationOptions) -> Fitted:
        return fit(
            request.current_prompt,
            request.retrieved,
            marker=request.marker,
            count=self._generator.count_tokens,
            budget_tokens=self._budget_tokens(options),
        )

    def _budget_tokens(self, options: GenerationOptions) -> int:
        """Tokens for the prompt: what the answer leaves, which is never less than half."""
        context = self._generator.context_tokens
        budget = context - min(options.max_tokens, context // 2) - self._tokens_of_tools(options)
        return max(budget if self._max_prompt_tokens is None else min(budget, self._max_prompt_tokens), 0)

    def _tokens_of_tools(self, options: GenerationOptions) -> int:
        """About what the tools' descriptions take, wherever the model's template puts them."""
        if not options.tools:
            return 0
        described = [[each.name, each.description, each.parameters] for each in options.tools]
        return self._generator.count_tokens([Message("system", json.dumps(described))])

    # ------------------------------------------------------------ tools

    def _specs(self, options: GenerationOptions) -> tuple[ToolSpec, ...]:
        """What the model is offered: tools of the assistant, then those of the caller."""
        for name in _names(options.tools) & _names(self._toolbox.specs):
            raise UserError(f"the assistant has a tool {name!r} of its own.", hint="Call yours another name.")
        return (*self._toolbox.specs, *options.tools)

    async def _run(
        self, call: ToolCall, request: Request, options: GenerationOptions, *, refuse: bool
    ) -> ToolResult:
        """Run a call; the request takes its result, as much of it as there is room for."""
        if refuse:
            result = ToolResult(call, f"not run: at most {_MAX_CALLS_PER_ROUND} calls at once.", failed=True)
        else:
            result = await run_sync(self._called, call, request, options, abandon_on_cancel=True)
        request.add_result(result)
        return result

    def _called(self, call: ToolCall, request: Request, options: GenerationOptions) -> ToolResult:
        tool = self._toolbox.get(call.name)
        if isinstance(tool, PassageTool):
            try:
                found = tool.find(call.arguments)
            except AsbuiltError as error:
                return ToolResult(call, quoted(str(error)), failed=True)
            return ToolResult(call, self._numbered(call, found, request, options))
        result = self._toolbox.run(call)
        fits = partial(self._has_room, call, request, options)
        return replace(result, content=longest_start(quoted(result.content), fits) or _NO_ROOM)

    def _numbered(
        self, call: ToolCall, found: Sequence[Hit], request: Request, options: GenerationOptions
    ) -> str:
        """Passages that a tool found, numbered after those at hand, as many as there is room for."""
        rendered: list[str] = []
        for hit in request.not_at_hand(found):
            passage = request.rendered_as_next(hit)
            if not self._has_room(call, request, options, "\n\n".join((*rendered, passage))):
                break
            request.hits.append(hit)
            rendered.append(passage)
        if rendered:
            return "\n\n".join(rendered)
        return "Nothing else was found." if not request.not_at_hand(found) else _NO_ROOM

    def _has_room(self, call: ToolCall, request: Request, options: GenerationOptions, content: str) -> bool:
        """Whether a result leaves a quarter of the room to the passages before the question."""
        prompt = request.current_prompt
        result = Message("tool", content, name=call.name, tool_call_id=call.id)
        bare = replace(prompt, history=(), tail=(*prompt.tail, result))
        return self._generator.count_tokens(bare.messages()) <= self._budget_tokens(options) * 3 // 4

    # ------------------------------------------------------------ the end

    def _checked(self, request: Request) -> Answer:
        texts: dict[tuple[int, int], str | None] = {}
        for hit in request.hits:
            key = (hit.chunk.document_id, hit.chunk.version)
            if key not in texts:
                texts[key] = self._text(*key)
        sources = [Source(hit.chunk, texts[hit.chunk.document_id, hit.chunk.version]) for hit in request.hits]
        checked = check_citations(request.text, sources, question=request.prompt.question)
        return Answer(
            text=request.text,
            citations=with_places(checked.citations, self._catalog),
            hits=tuple(request.hits),
            usage=request.usage,
            transcript=tuple(request.transcript),
            refused=_is_refusal(request.text),
            uncited=checked.uncited,
            notes=request.notes,
            model=", ".join(request.models),
        )

    def _text(self, document_id: int, version: int) -> str | None:
        try:
            return self._catalog.version_text(document_id, version)
        except NotFoundError:
            return None


def _names(specs: Sequence[ToolSpec]) -> frozenset[str]:
    return frozenset(spec.name for spec in specs)


def _is_refusal(text: str) -> bool:
    """Whether the model replied what it was asked to reply when the passages are of no use."""
    return text.strip().casefold().rstrip(".") == NO_ANSWER.casefold().rstrip(".")


@asynccontextmanager
async def _closing(events: AsyncIterator[Event]) -> AsyncIterator[AsyncIterator[Event]]:
    """Close `events` on the way out: an async generator that is not closed runs on."""
    try:
        yield events
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
