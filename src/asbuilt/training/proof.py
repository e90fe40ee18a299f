"""That an exported model does in the serving engine what the trained one did in training.

Both sides get the same conversations and do everything themselves: template, tokens, greedy reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from asbuilt.errors import MissingError, NotFoundError, UserError
from asbuilt.generation.llama_engine import LlamaEngine
from asbuilt.generation.llama_settings import EngineSettings
from asbuilt.lineage import ExportedModel, ExportProof, TrainedModel
from asbuilt.resources.gguf import read_header
from asbuilt.training.gguf_base import training_folder
from asbuilt.training.quiet import quiet_libraries
from asbuilt.training.rendering import rendered_prompt
from asbuilt.types import Message

__all__ = ["NEAR_TIE", "Comparison", "compare", "prove", "summarize"]

NEAR_TIE = 1e-3
"""Logits closer than this may change places by rounding alone. A reply that differs there still differs."""

_CONTEXT_TOKENS = 4096

Conversation = Sequence[Message]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One prompt on both sides. Replies hold token ids, the one that ended the reply included.

    `margin` is how much higher the trained model rates its token than the served one's, in logits, at
    the first token that differs; None where the replies are the same.
    """

    trained_prompt: str
    served_prompt: str
    same_prompt_tokens: bool
    trained: tuple[int, ...]
    served: tuple[int, ...]
    trained_ended: bool
    served_ended: bool
    margin: float | None = None

    @property
    def same(self) -> bool:
        return self.trained == self.served and self.trained_ended == self.served_ended

    @property
    def equal_tokens(self) -> int:
        """Tokens before the first that differs."""
        pairs = zip(self.trained, self.served, strict=False)
        return next(
            (at for at, (ours, theirs) in enumerate(pairs) if ours != theirs),
            min(len(self.trained), len(self.served)),
        )


def prove(
    trained: TrainedModel,
    exported: ExportedModel,
    prompts: Sequence[Conversation],
    *,
    required: float = 0.99,
    max_tokens: int = 32,
) -> ExportProof:
    """Greedy replies of the trained model in torch (float32) against those of the exported file.

    For an adapter, `exported.base` is what it is served with: in full precision the proof speaks of the
    export alone, in fewer bits of quantisation too. Loads one model after the other. Raises UserError,
    NotFoundError, MissingError without torch, LimitError for a prompt longer than the context.
    """
    found = compare(trained, exported, prompts, max_tokens=max_tokens)
    return summarize(found, required=required)


def summarize(found: Sequence[Comparison], *, required: float) -> ExportProof:
    """`found` as one proof: its faults are what keeps the model from serving."""
    ending = [each for each in found if each.trained_ended]
    same = sum(each.same for each in found)
    ended = sum(each.served_ended for each in ending)
    equal = sum(each.equal_tokens for each in found)
    compared = sum(each.equal_tokens + (not each.same) for each in found)
    return ExportProof(
        prompts=len(found),
        same=same,
        agreement=equal / max(compared, 1),
        ends=len(ending),
        ended=ended,
        template_same=all(each.trained_prompt == each.served_prompt for each in found),
        required=required,
        faults=tuple(_faults(found, same=same, ends=len(ending), ended=ended, required=required)),
    )


def _faults(found: Sequence[Comparison], *, same: int, ends: int, ended: int, required: float) -> list[str]:
    faults = []
    other = [at for at, each in enumerate(found) if each.trained_prompt != each.served_prompt]
    if other:
        faults.append(
            f"{len(other)} of {len(found)} prompts are rendered otherwise in serving, first prompt "
            f"{other[0] + 1}: {_first_difference(found[other[0]])}."
        )
    split = [at for at, each in enumerate(found) if at not in other and not each.same_prompt_tokens]
    if split:
        faults.append(
            f"{len(split)} of {len(found)} prompts are the same text and other tokens in serving, "
            f"first prompt {split[0] + 1}."
        )
    if same < required * len(found):
        differing = [(at, each) for at, each in enumerate(found) if not each.same]
        at, first = differing[0]
        ties = sum(each.margin is not None and abs(each.margin) < NEAR_TIE for _, each in differing)
        margin = "" if first.margin is None else f", by a margin of {first.margin:.3g} in logits"
        faults.append(
            f"{same} of {len(found)} replies are the same, {required:.1%} is required; first prompt "
            f"{at + 1} differs, at token {first.equal_tokens + 1}{margin}. Near ties among the "
            f"{len(differing)} that differ: {ties}."
        )
    if ended < required * ends:
        faults.append(f"the served model ends {ended} of the {ends} replies that the trained one ends.")
    return faults


def _first_difference(each: Comparison) -> str:
    pairs = zip(each.trained_prompt, each.served_prompt, strict=False)
    shorter = min(len(each.trained_prompt), len(each.served_prompt))
    at = next((at for at, (ours, theirs) in enumerate(pairs) if ours != theirs), shorter)
    ours, theirs = (text[at : at + 40] for text in (each.trained_prompt, each.served_prompt))
    return f"at character {at} trained {ours!r}, served {theirs!r}"


def compare(
    trained: TrainedModel, exported: ExportedModel, prompts: Sequence[Conversation], *, max_tokens: int
) -> list[Comparison]:
    """Each prompt through both models. Raises what `prove` raises."""
    if not prompts:
        raise UserError("an export is proven on prompts, and none are given.", hint="Give at least one.")
    served = _served(exported, prompts, max_tokens)
    model = _TorchModel(trained)
    return [
        model.compared(messages, reply, max_tokens) for messages, reply in zip(prompts, served, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Served:
    prompt: str
    prompt_ids: list[int]
    reply: tuple[int, ...]
    ended: bool


class _GreedyEngine(LlamaEngine):
    """The serving engine, asked for tokens instead of text."""

    def wait_without_limit(self) -> None:
        """A reply of a large model in full precision takes minutes on a CPU."""
        self._http.timeout = httpx.Timeout(None)

    def greedy(self, messages: Conversation, max_tokens: int) -> _Served:
        said = [{"role": each.role, "content": each.content} for each in messages]
        prompt: str = self._ask("POST", "/apply-template", {"messages": said})["prompt"]
        text = {"content": prompt, "add_special": True, "parse_special": True}
        ids: list[int] = self._ask("POST", "/tokenize", text)["tokens"]
        request = {"prompt": ids, "n_predict": max_tokens, "temperature": 0.0, "return_tokens": True}
        # Computed whole: what a cache keeps of another prompt was computed in other batches.
        answer = self._ask("POST", "/completion", {**request, "cache_prompt": False})
        return _Served(prompt, ids, tuple(answer["tokens"]), answer["stop_type"] == "eos")


def _served(exported: ExportedModel, prompts: Sequence[Conversation], max_tokens: int) -> list[_Served]:
    adapter = exported.file if exported.kind == "adapter" else None
    model = exported.base if exported.kind == "adapter" else exported.file
    if model is None:
        raise UserError("an adapter is proven with its base, and the exported model names none.")
    if not exported.file.is_file():
        raise NotFoundError(f"no exported model at {str(exported.file)!r}.")
    context = min(read_header(model).context_length or _CONTEXT_TOKENS, _CONTEXT_TOKENS)
    settings = EngineSettings(context_tokens=context, slots=1, threads=1, gpu_layers=0, exact=True)
    engine = _GreedyEngine(model, settings, adapter=adapter)
    engine.wait_without_limit()
    try:
        return [engine.greedy(messages, max_tokens) for messages in prompts]
    finally:
        engine.close()


class _TorchModel:
    """The trained model as transformers and PEFT run it, in float32. The constructor loads it."""

    def __init__(self, trained: TrainedModel) -> None:
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise MissingError(
                f"the proof of an export needs {error.name}, which is not installed.",
                hint="Run: pip install 'asbuilt[training]'",
            ) from error
        self._torch = torch
        self._template = trained.template
        with quiet_libraries():
            folder = training_folder(trained.base) if trained.method == "lora" else trained.folder
            self._tokenizer: Any = AutoTokenizer.from_pretrained(_tokenizer_folder(folder, trained.base))
            self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            if trained.method == "lora":
                from peft import PeftModel

                self._model = PeftModel.from_pretrained(self._model, trained.folder)
        self._model.eval()
        ends = self._model.generation_config.eos_token_id
        self._ends = {self._tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}

    def compared(self, messages: Conversation, served: _Served, max_tokens: int) -> Comparison:
        prompt = rendered_prompt(messages, self._tokenizer, template=self._template or None)
        ids = list(self._tokenizer.encode(prompt, add_special_tokens=False))
        reply, logits = self._greedy(ids, max_tokens)
        found = Comparison(
            trained_prompt=prompt,
            served_prompt=served.prompt,
            same_prompt_tokens=ids == served.prompt_ids,
            trained=reply,
            served=served.reply,
            trained_ended=reply[-1] in self._ends,
            served_ended=served.ended,
        )
        at = found.equal_tokens
        if at == len(reply) or at == len(served.reply):
            return found
        margin = float(logits[at][reply[at]] - logits[at][served.reply[at]])
        return replace(found, margin=margin)

    def _greedy(self, ids: list[int], max_tokens: int) -> tuple[tuple[int, ...], list[Any]]:
        """The reply, and the logits of shape (vocabulary,) that each of its tokens was chosen from."""
        torch = self._torch
        given, past = torch.tensor([ids]), None
        reply: list[int] = []
        logits: list[Any] = []
        with torch.inference_mode():
            while len(reply) < max_tokens and not (reply and reply[-1] in self._ends):
                out = self._model(input_ids=given, past_key_values=past, use_cache=True)
                logits.append(out.logits[0, -1])
                reply.append(int(logits[-1].argmax()))
                given, past = torch.tensor([reply[-1:]]), out.past_key_values
        return tuple(reply), logits


def _tokenizer_folder(folder: Path, base: str) -> Path:
    """A trained model's folder has the tokenizer or not, as its recipe saved it."""
    return folder if (folder / "tokenizer_config.json").is_file() else training_folder(base)
