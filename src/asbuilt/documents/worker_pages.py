"""Pages read by worker processes: restarted, shared, bounded, in order."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any

import numpy as np

from asbuilt.documents.paged import Contents, OutlineEntry
from asbuilt.documents.structure import stitch
from asbuilt.documents.worker import UNREAD, FileKind, Setup, Worker, WorkerLostError
from asbuilt.errors import ReadError, WorldError
from asbuilt.pages import Box, PageLayout, page_from_json
from asbuilt.registry import resolve
from asbuilt.roles import Image, Ocr

__all__ = ["Limits", "WorkerPages", "default_ocr"]

_SHARED_FROM = 8  # pages: a second process takes half a second to start
_LOOK_AHEAD = 4
_MAX_LOSSES = 8  # workers in a row that a file may take with it before the rest of it is given up


@dataclass(frozen=True, slots=True)
class Limits:
    """`page_timeout_s` for one page, the opening of a file, or a picture. A worker is replaced after
    `pages` pages, or when its resident memory is over `resident_gib`: what libraries leak goes with it."""

    page_timeout_s: float = 60.0
    pages: int = 400
    resident_gib: float = 1.0


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    data: bytes = field(repr=False)
    key: str
    kind: FileKind
    max_pages: int


def default_ocr() -> Ocr | None:
    """The OCR that is used where none is named: ``ocr/rapidocr`` where its packages are installed."""
    if all(map(find_spec, ("rapidocr", "cv2"))):
        ocr: Ocr = resolve("ocr/rapidocr")()
        return ocr
    return None


class WorkerPages:
    """The pages of files, read by one worker process, or by two where that is faster.

    Workers start when they are first needed. May be used from any thread; requests to one worker
    queue. After `close` it starts anew.
    """

    def __init__(
        self, setup: Setup, *, kind: FileKind, limits: Limits, max_pages: int, workers: int = 2
    ) -> None:
        self._kind, self._max_pages = kind, max_pages
        self._main = _Desk(setup, limits)
        self._has_ocr = setup.ocr is not None
        # Only the first one reads pixels: the models of OCR take memory, and use every core.
        self._others = [
            _Desk(replace(setup, ocr=None, second=None), limits) for _ in range(max(1, workers) - 1)
        ]

    def close(self) -> None:
        """End the processes."""
        for desk in (self._main, *self._others):
            desk.close()

    def contents(self, data: bytes, *, name: str) -> Contents:
        """Raises ReadError when the file cannot be opened."""
        return self._main.contents(self._file(data, name))

    def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
        """See `roles.PagedReader`. Raises ReadError when the file cannot be opened, or none of its
        pages read."""
        unread: list[PageLayout] = []
        good = first > 1
        for page in stitch(self._all_pages(self._file(data, name), max(1, first - 1))):
            if page.number < first:
                continue  # read again for what it tells about the next
            if not good and page.flags and page.flags[-1].startswith(UNREAD):
                unread.append(page)
                continue
            yield from unread
            unread = []
            good = True
            yield page
        if unread:
            reason = unread[0].flags[-1].removeprefix(UNREAD).rstrip(".")
            raise ReadError(f"no page of {name!r} can be read: {reason}.")

    def _all_pages(self, file: _File, first: int) -> Iterator[PageLayout]:
        count = self._main.contents(file).pages
        numbers = iter(range(first, count + 1))
        texts = 0
        for number in numbers:
            page = self._any_page(file, number)
            yield page
            texts = texts + 1 if page.kind == "text" and page.words else 0
            if self._others and texts >= 2 and count - number >= _SHARED_FROM:
                break
        yield from self._shared(file, numbers)

    def picture(
        self, data: bytes, *, name: str, page: PageLayout, dpi: float, box: Box | None = None
    ) -> Image:
        """See `render.page_picture`."""
        return self._main.picture(self._file(data, name), page, dpi, box)

    def _file(self, data: bytes, name: str) -> _File:
        return _File(name, data, sha256(data).hexdigest() + name, self._kind, self._max_pages)

    def _shared(self, file: _File, numbers: Iterator[int]) -> Iterator[PageLayout]:
        """Pages in order, read ahead by all workers."""
        free: SimpleQueue[_Desk] = SimpleQueue()
        for desk in (self._main, *self._others):
            free.put(desk)

        def read(number: int) -> PageLayout | None:
            desk = free.get()
            try:
                return desk.page(file, number, may_ocr=desk is self._main or not self._has_ocr)
            finally:
                free.put(desk)

        waiting: deque[tuple[int, Future[PageLayout | None]]] = deque()
        with ThreadPoolExecutor(1 + len(self._others), thread_name_prefix="pages") as pool:
            try:
                for number in numbers:
                    waiting.append((number, pool.submit(read, number)))
                    if len(waiting) >= _LOOK_AHEAD:
                        yield self._finished(file, *waiting.popleft())
                while waiting:
                    yield self._finished(file, *waiting.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _finished(self, file: _File, number: int, future: Future[PageLayout | None]) -> PageLayout:
        return future.result() or self._any_page(file, number)

    def _any_page(self, file: _File, number: int) -> PageLayout:
        page = self._main.page(file, number, may_ocr=True)
        assert page is not None
        return page


class _Desk:
    """A place for a worker: starts it, replaces it, and gives each page two tries."""

    def __init__(self, setup: Setup, limits: Limits) -> None:
        self._setup, self._limits = setup, limits
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._known: tuple[str, Contents] = ("", Contents(0))
        self._losses = 0

    def close(self) -> None:
        with self._lock:
            self._drop()

    def contents(self, file: _File) -> Contents:
        with self._lock:
            return self._contents(file)

    def picture(self, file: _File, page: PageLayout, dpi: float, box: Box | None) -> Image:
        task = ("picture", page.number, page.rotation, page.skew, dpi, box)
        with self._lock:
            try:
                answer, body = self._request(file, task)
            except (ReadError, WorldError) as error:  # a lost worker is a WorldError too
                problem = error.message.rstrip(".")
                raise ReadError(f"page {page.number} of {file.name!r} cannot be drawn: {problem}.") from error
        return np.frombuffer(body, np.uint8).reshape(answer["shape"]).copy()

    def page(self, file: _File, number: int, *, may_ocr: bool) -> PageLayout | None:
        """None when it needs OCR and `may_ocr` is False."""
        with self._lock:
            sizes = self._contents(file).sizes
            reason = "not tried, as pages before it ended one worker process after the other"
            for _ in range(2 if self._losses < _MAX_LOSSES else 0):
                try:
                    answer, body = self._request(file, ("page", number, may_ocr))
                except WorkerLostError as lost:
                    self._losses += 1
                    reason = str(lost)
                    if lost.timed_out:
                        break
                else:
                    self._losses = 0
                    return None if answer.get("needs_ocr") else page_from_json(body)
            return PageLayout(number, *sizes[number - 1], flags=(UNREAD + reason,))

    def _contents(self, file: _File) -> Contents:
        if self._known[0] != file.key:
            self._losses = 0
            for last in (False, True):
                try:
                    self._open(file)
                    break
                except WorkerLostError as lost:
                    if last or lost.timed_out:
                        raise ReadError(f"{file.name!r} cannot be opened: {lost}.") from lost
        return self._known[1]

    def _request(self, file: _File, task: tuple[Any, ...]) -> tuple[dict[str, Any], bytes]:
        worker = self._worker
        limits = self._limits
        if worker is not None and (
            worker.pages >= limits.pages or worker.resident_bytes > limits.resident_gib * 2**30
        ):
            self._drop()
        worker = self._worker
        if worker is None or not worker.alive or worker.document != file.key:
            worker = self._open(file)
        worker.pages += 1
        return worker.request(task, timeout_s=limits.page_timeout_s)

    def _open(self, file: _File) -> Worker:
        """A worker that has the file open."""
        if self._worker is None or not self._worker.alive:
            self._drop()
            self._worker = Worker(self._setup)
        worker = self._worker
        worker.document = ""
        task = ("open", file.kind, file.name, file.data, file.max_pages)
        _, body = worker.request(task, timeout_s=self._limits.page_timeout_s)
        worker.document = file.key
        raw = json.loads(body)
        self._known = (
            file.key,
            Contents(
                raw["pages"],
                raw["title"],
                tuple(OutlineEntry(*entry) for entry in raw["outline"]),
                tuple((width, height) for width, height in raw["sizes"]),
            ),
        )
        return worker

    def _drop(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None
