"""The boundary to llama.cpp: the only file that touches `xllamacpp`, which has no types.

`xllamacpp.Server` is llama.cpp's server inside this process. Chat requests are function calls; they
block their thread until the answer ends, without holding the interpreter lock. The server also
listens on a socket, which cannot be turned off. Here it is a Unix socket in a folder that only this
user can enter, with a random key; what has no function (token counts, template abilities, busy
slots) is asked there.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import xllamacpp

from asbuilt.errors import AsbuiltError, EndpointError, LimitError, UserError
from asbuilt.generation.chat_wire import encoded
from asbuilt.generation.llama_settings import BATCH_TOKENS, EngineSettings

__all__ = ["LlamaEngine", "has_gpu"]

_LONGEST_SOCKET_PATH = 100  # the system's limit is 104 on macOS and 108 on Linux
_SILENT = -1


def has_gpu() -> bool:
    """True when the installed engine can use a GPU of this machine."""
    kinds = xllamacpp.ggml_backend_dev_type
    gpus = (kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU)
    return any(device["type"] in gpus for device in xllamacpp.get_device_info())


class LlamaEngine:
    """A loaded model, with `adapter` applied to it. The constructor loads them (it is not a component);
    call `close` once.

    Raises UserError when the engine refuses a file.
    """

    def __init__(self, model: Path, settings: EngineSettings, *, adapter: Path | None = None) -> None:
        self._folder = _socket_folder()
        socket = str(Path(self._folder.name) / "s.sock")
        key = secrets.token_hex(32)
        try:
            self._server: Any = xllamacpp.Server(_params(model, adapter, settings, socket, key))
        except (RuntimeError, ValueError) as error:
            self._folder.cleanup()
            raise UserError(
                f"llama.cpp cannot load {str(model)!r} with a context of {settings.context_tokens} tokens "
                f"in {settings.slots} slots{'' if adapter is None else f', with {str(adapter)!r} applied'}.",
                hint="The file is damaged, its architecture is newer than the engine, or memory is short."
                if adapter is None
                else "The adapter was made for another model, a file is damaged, or memory is short.",
            ) from error
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=socket),
            base_url="http://llama.cpp",
            headers={"Authorization": f"Bearer {key}"},
            timeout=60.0,
        )
        abilities = self._ask("GET", "/props")["chat_template_caps"]
        self.supports_tools: bool = abilities["supports_tools"] and abilities["supports_tool_calls"]

    def close(self) -> None:
        """Stop the engine and free its memory. No `run` may be under way."""
        self._http.close()
        self._server = None  # its destructor ends the engine's thread
        self._folder.cleanup()

    def run(self, request: Mapping[str, Any], on_chunk: Callable[[Any], bool]) -> None:
        """Answer `request` (the OpenAI format) and block until that is done.

        `on_chunk` gets each decoded chunk in this thread: the answer's, and one after each batch of
        the prompt. When it returns True, the engine drops the request. Raises LimitError when the
        prompt exceeds the context, UserError for a request that the engine refuses, EndpointError.
        """
        failure: list[AsbuiltError] = []

        def receive(data: bytes) -> bool:
            chunk = json.loads(data)
            if isinstance(chunk, dict) and "error" in chunk:
                failure.append(_failure(chunk["error"]))
                return True
            return on_chunk(chunk)

        body = encoded({**request, "return_progress": True})
        try:
            self._server.handle_chat_completions(body, receive)
        except ValueError as error:
            raise UserError(f"llama.cpp refuses the request: {error}.") from error
        except RuntimeError as error:
            raise EndpointError(f"llama.cpp failed: {error}.") from error
        if failure:
            raise failure[0]

    def count_tokens(self, request: Mapping[str, Any]) -> int:
        """Tokens of the prompt that `run` would make of `request`."""
        return int(self._ask("POST", "/v1/chat/completions/input_tokens", request)["input_tokens"])

    def rendered(self, request: Mapping[str, Any]) -> str:
        """The text of the prompt that `run` would make of `request`."""
        return str(self._ask("POST", "/apply-template", request)["prompt"])

    def busy_slots(self) -> int:
        """How many requests are being worked on."""
        return sum(slot["is_processing"] for slot in self._ask("GET", "/slots"))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            answer = self._http.request(method, path, content=encoded(body) if body else None)
        except httpx.HTTPError as error:
            raise EndpointError(f"llama.cpp does not answer {path}: {error}.") from error
        if answer.is_error:
            raise _failure(answer.json()["error"])
        return answer.json()


def _params(model: Path, adapter: Path | None, settings: EngineSettings, socket: str, key: str) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    if adapter is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    params.n_ctx = settings.context_tokens * settings.slots
    params.n_parallel = settings.slots
    if settings.exact:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.kv_unified = False  # every slot has its whole context, whatever the others do
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.n_gpu_layers = settings.gpu_layers
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.cache_ram_mib = 0  # prompts are reused within slots; copies aside would take memory unasked
    params.hostnames = [socket]
    params.api_keys = [key]
    params.n_threads_http = 2
    params.ui = False
    params.verbosity = _SILENT
    return params


def _socket_folder() -> tempfile.TemporaryDirectory[str]:
    longest = _LONGEST_SOCKET_PATH - len("/asbuilt-12345678/s.sock")
    place = tempfile.gettempdir()
    return tempfile.TemporaryDirectory(prefix="asbuilt-", dir=place if len(place) <= longest else "/tmp")


def _failure(error: Mapping[str, Any]) -> AsbuiltError:
    if error.get("type") == "exceed_context_size_error":
        return LimitError(
            f"the prompt has {error['n_prompt_tokens']} tokens, the model's context holds {error['n_ctx']}.",
            hint="Shorten the prompt, or raise context_tokens.",
        )
    message = f"llama.cpp refuses the request: {error.get('message')}."
    return UserError(message) if 400 <= int(error.get("code", 500)) < 500 else EndpointError(message)
