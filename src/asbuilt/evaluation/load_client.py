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
from http import HTTPStatus
from typing import Any, TextIO

import h11

from asbuilt.evaluation.load_http import LoadClient, Response

__all__ = ["run"]

_HEAD_START_S = 0.25  # for the client to be ready when the first request is due
_AWAKE_S = 0.0015
_GONE = (OSError, h11.ProtocolError, KeyError, TypeError, ValueError)


async def run(job: Mapping[str, Any], out: TextIO) -> None:
    """Send every request of `job` and write a line to `out` as each ends."""
    headers = {"Authorization": f"Bearer {job['key']}"} if job.get("key") else {}
    client = LoadClient(job["url"], headers=headers)
    start = time.perf_counter() + _HEAD_START_S
    tasks = []
    for request in job["requests"]:
        await _until(start + request["due"])
        tasks.append(asyncio.ensure_future(_timed(client, job, request, start, out)))
    await asyncio.gather(*tasks)
    await client.close()


async def _until(moment: float) -> None:
    """The event loop sleeps in whole milliseconds, and rather too long; the last one is spent awake."""
    while (left := moment - time.perf_counter()) > 0:
        await asyncio.sleep(left - _AWAKE_S if left > _AWAKE_S else 0)


async def _timed(
    client: LoadClient,
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
            await ask(client, request["question"], sample, start)
    except TimeoutError:
        sample["error"] = f"not answered within {job['timeout_s']:g} s"
    except _GONE as error:
        sample["error"] = str(error) or type(error).__name__
    sample.setdefault("end", time.perf_counter() - start)
    out.write(json.dumps(sample) + "\n")
    out.flush()


async def _chat(client: LoadClient, question: str, sample: dict[str, Any], start: float) -> None:
    body = {"messages": [{"role": "user", "content": question}], "stream": True}
    texts: list[str] = []
    event = ""
    async with client.post("/chat", json.dumps(body).encode()) as response:
        await _refuse(response)
        async for line in response.lines():
            if line.startswith("event:"):
                event = line.removeprefix("event:").strip()
            elif line.startswith("data:"):
                now = time.perf_counter() - start
                data = json.loads(line.removeprefix("data:"))
                if event == "token":
                    sample.setdefault("first_token", now)
                    texts.append(data["text"])
                elif event == "citations":
                    sample["citations"] = [each["verified"] for each in data["citations"]]
                elif event == "done":
                    sample |= {"end": now, "refused": data["refused"], "text": "".join(texts)}
                elif event == "error":
                    raise ValueError(f"{data['status']}: {data['detail']}")
    if "text" not in sample:
        raise ValueError("the stream ended before it was done")


async def _search(client: LoadClient, question: str, sample: dict[str, Any], start: float) -> None:
    async with client.post("/search", json.dumps({"query": question}).encode()) as response:
        await _refuse(response)
        body = await response.read()
    sample["end"] = time.perf_counter() - start
    sample["text"] = ""
    sample["passages"] = [
        {
            "source": hit["metadata"]["source"],
            "start": hit["metadata"]["start"],
            "end": hit["metadata"]["end"],
            "excerpt": hit["content"][:400],
        }
        for hit in json.loads(body)
    ]


async def _refuse(response: Response) -> None:
    if response.status != HTTPStatus.OK:
        text = (await response.read()).decode("utf-8", "replace")
        raise ValueError(f"HTTP {response.status}: {text[:200]}")


if __name__ == "__main__":
    given = json.load(sys.stdin)
    gc.freeze()  # a collection in the middle would look like a slow server
    gc.disable()
    asyncio.run(run(given, sys.stdout))
