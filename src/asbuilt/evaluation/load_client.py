"""The load generator's own process: sends requests when they are due and reports each as a JSON line.

    python -m asbuilt.evaluation.load_client < job.json

It shares no interpreter with what it measures, nor with what waits for its result. A job is
{"url", "route", "timeout_s", "key", "requests": [{"due", "case_id", "question"}]}. `url` is the
service's with its prefix, `due` seconds from the start. A line is a `Sample`. Closing standard
input's sender, or a signal, ends it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

import httpx

__all__ = ["run"]

_HEAD_START_S = 0.25  # for the client to be ready when the first request is due
_GONE = (httpx.HTTPError, json.JSONDecodeError, KeyError, TypeError, ValueError)


async def run(job: Mapping[str, Any], out: TextIO) -> None:
    """Send every request of `job` and write a line to `out` as each ends."""
    headers = {"Authorization": f"Bearer {job['key']}"} if job.get("key") else {}
    # No limit on connections: one that waits for another would hide how slow the server is.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None, headers=headers, trust_env=False) as client:
        start = time.perf_counter() + _HEAD_START_S
        tasks = []
        for request in job["requests"]:
            delay = start + request["due"] - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            tasks.append(asyncio.ensure_future(_timed(client, job, request, start, out)))
        await asyncio.gather(*tasks)


async def _timed(
    client: httpx.AsyncClient,
    job: Mapping[str, Any],
    request: Mapping[str, Any],
    start: float,
    out: TextIO,
) -> None:
    """One request; its line says when it was due, sent, first answered and done, in seconds."""
    sample: dict[str, Any] = {"case_id": request["case_id"], "due": request["due"], "error": ""}
    sample["sent"] = time.perf_counter() - start
    # Time is counted from when it was due, and so is patience.
    left = job["timeout_s"] - (sample["sent"] - request["due"])
    ask = _chat if job["route"] == "chat" else _search
    try:
        async with asyncio.timeout(max(left, 0)):
            await ask(client, job["url"], request["question"], sample, start)
    except TimeoutError:
        sample["error"] = f"not answered within {job['timeout_s']:g} s"
    except _GONE as error:
        sample["error"] = str(error) or type(error).__name__
    sample.setdefault("end", time.perf_counter() - start)
    out.write(json.dumps(sample) + "\n")
    out.flush()


async def _chat(
    client: httpx.AsyncClient, url: str, question: str, sample: dict[str, Any], start: float
) -> None:
    body = {"messages": [{"role": "user", "content": question}], "stream": True}
    texts: list[str] = []
    event = ""
    async with client.stream("POST", f"{url}/chat", json=body) as response:
        await _refuse(response)
        async for line in response.aiter_lines():
            if line.startswith("event:"):
                event = line.removeprefix("event:").strip()
            elif line.startswith("data:"):
                data = json.loads(line.removeprefix("data:"))
                if event == "token":
                    sample.setdefault("first_token", time.perf_counter() - start)
                    texts.append(data["text"])
                elif event == "citations":
                    sample["citations"] = [each["verified"] for each in data["citations"]]
                elif event == "done":
                    sample["end"] = time.perf_counter() - start
                    sample["refused"] = data["refused"]
                    sample["text"] = "".join(texts)
                elif event == "error":
                    raise ValueError(f"{data['status']}: {data['detail']}")
    if "text" not in sample:
        raise ValueError("the stream ended before it was done")


async def _search(
    client: httpx.AsyncClient, url: str, question: str, sample: dict[str, Any], start: float
) -> None:
    response = await client.post(f"{url}/search", json={"query": question})
    sample["end"] = time.perf_counter() - start
    await _refuse(response)
    sample["text"] = ""
    sample["passages"] = [
        {
            "source": hit["metadata"]["source"],
            "start": hit["metadata"]["start"],
            "end": hit["metadata"]["end"],
            "excerpt": hit["content"][:400],
        }
        for hit in response.json()
    ]


async def _refuse(response: httpx.Response) -> None:
    if response.status_code != httpx.codes.OK:
        await response.aread()
        raise ValueError(f"HTTP {response.status_code}: {response.text[:200]}")


if __name__ == "__main__":
    given = json.load(sys.stdin)
    gc.freeze()  # a collection in the middle would look like a slow server
    gc.disable()
    asyncio.run(run(given, sys.stdout))
