from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tests.documents import hard_files as files
from tests.documents import samples

from asbuilt.documents.pdf import PdfReader
from asbuilt.errors import ReadError, UserError
from asbuilt.pages import PageLayout, page_to_json
from asbuilt.roles import Ocr

MIXED = files.drawn(files.printed, files.shape, files.printed)
MANY = samples.pdf([[f"page {number}", "and more"] for number in range(1, 31)])


@contextmanager
def opened(**options: object) -> Iterator[PdfReader]:
    """A reader that, unless told otherwise, loads no models."""
    reader = PdfReader(**{"ocr_pages": "where-needed" if "ocr" in options else "never", **options})  # type: ignore[arg-type]
    try:
        yield reader
    finally:
        reader.close()


@pytest.fixture(autouse=True)
def _only_this_tests_workers() -> None:
    """Other tests' drawings have a worker of their own."""
    _before.clear()
    _before.update(child.pid for child in psutil.Process().children())


_before: set[int] = set()


def workers() -> list[psutil.Process]:
    """Those that are new since the test began, zombies too."""
    return [child for child in psutil.Process().children() if child.pid not in _before]


def texts(pages: list[PageLayout]) -> list[str]:
    return [" ".join(page.text.split()) for page in pages]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("exit", r"its worker process ended \(exit 9\)"),
        ("hang", r"it took longer than 1\.5 s"),
        ("fill the memory", "its worker process ended"),
        ("a mistake", "RuntimeError: a mistake"),
    ],
)
def test_a_page_that_brings_its_worker_down_is_flagged_and_the_others_are_read(how: str, reason: str) -> None:
    ocr: Ocr = files.FailingOcr(text=how)
    with opened(ocr=ocr, page_timeout_s=1.5 if how == "hang" else 60.0, memory_gib=1.5) as reader:
        pages = list(reader.pages(MIXED, name="x.pdf"))
        assert [page.number for page in pages] == [1, 2, 3]
        assert pages[0].words
        assert pages[0].words == pages[2].words
        assert (pages[1].words, pages[1].width, pages[1].height) == ((), 400, 300)
        (flag,) = pages[1].flags
        assert flag.startswith("page could not be read: ")
        assert re.search(reason, flag)
    assert not workers()


@pytest.mark.slow
def test_a_file_that_ends_one_worker_after_the_other_is_given_up() -> None:
    with opened(ocr=files.FailingOcr(text="exit")) as reader:
        pages = list(reader.pages(files.drawn(files.printed, *[files.shape] * 30), name="x.pdf"))
        assert [bool(page.words) for page in pages] == [True, *[False] * 30]
        assert "ended (exit 9)" in pages[1].flags[0]
        assert "not tried" in pages[30].flags[0]
        assert len(list(reader.pages(MIXED, name="y.pdf"))) == 3
        with pytest.raises(ReadError, match=r"no page of 'z.pdf' can be read: its worker process ended"):
            list(reader.pages(files.drawn(files.shape, files.shape), name="z.pdf"))


def test_a_worker_that_is_killed_between_pages_is_replaced() -> None:
    with opened() as reader:
        pages = []
        for page in reader.pages(MANY, name="x.pdf"):
            pages.append(page)
            for worker in workers():
                with suppress(ProcessLookupError):  # the reader may reap one killed before, just now
                    os.kill(worker.pid, signal.SIGKILL)
            if page.number == 4:
                break
        assert texts(pages) == [f"page {number} and more" for number in range(1, 5)]
        assert not any(page.flags for page in pages)


def test_two_workers_give_the_pages_of_one_in_order() -> None:
    with opened(workers=1) as alone, opened() as together:
        one = [page_to_json(page) for page in alone.pages(MANY, name="x.pdf")]
        assert len(workers()) == 1
        two = [page_to_json(page) for page in together.pages(MANY, name="x.pdf")]
        assert len(workers()) == 3
    assert one == two


def test_only_the_first_worker_reads_pixels_and_order_is_kept() -> None:
    pages = [files.printed, files.printed, *(files.shape, files.printed) * 6]
    with opened(ocr=files.FixedOcr()) as reader:
        read = list(reader.pages(files.drawn(*pages), name="x.pdf"))
    kinds = ["text", "text", *("scan", "text") * 6]
    assert [page.kind for page in read] == kinds
    assert all(page.text == "read from pixels" for page in read if page.kind == "scan")


def test_reading_goes_on_at_a_page() -> None:
    with opened() as reader:
        assert texts(list(reader.pages(MANY, name="x.pdf", first=29))) == [
            "page 29 and more",
            "page 30 and more",
        ]
        assert list(reader.pages(MANY, name="x.pdf", first=31)) == []


def test_a_reading_that_is_left_off_leaves_nothing_behind() -> None:
    with opened() as reader:
        for page in reader.pages(MANY, name="x.pdf"):
            if page.number == 10:
                break
        assert texts(list(reader.pages(MIXED, name="y.pdf")))[0].startswith("Invoice number 4832")
    assert not workers()


def test_readings_of_several_threads_and_files_do_not_mix() -> None:
    other = samples.pdf([[f"leaf {number}"] for number in range(1, 16)])
    with opened() as reader:

        def read(turn: int) -> list[str]:
            return texts(list(reader.pages(other if turn % 2 else MANY, name="x.pdf")))

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(read, range(6)))
    assert all(result == [f"leaf {number}" for number in range(1, 16)] for result in results[1::2])
    assert all(result == [f"page {number} and more" for number in range(1, 31)] for result in results[::2])


def test_closed_twice_and_used_again() -> None:
    with opened() as reader:
        first = texts(list(reader.pages(MIXED, name="x.pdf")))
        reader.close()
        reader.close()
        assert not workers()
        assert texts(list(reader.pages(MIXED, name="x.pdf"))) == first


def test_a_forgotten_reader_ends_its_worker() -> None:
    reader = PdfReader(ocr_pages="never")
    next(iter(reader.pages(MIXED, name="x.pdf")))
    assert workers()
    del reader
    assert not workers()


SCRIPT = """
import sys
from asbuilt.documents.pdf import PdfReader
reader = PdfReader(ocr_pages="never")
data = open(sys.argv[1], "rb").read()
print(len(list(reader.pages(data, name="x.pdf"))), flush=True)
import psutil
print(psutil.Process().children()[0].pid, flush=True)
sys.stdin.read()
"""


def test_a_script_without_guard_runs_once_and_its_worker_dies_with_it(tmp_path: Path) -> None:
    folder = tmp_path
    (folder / "x.pdf").write_bytes(MIXED)
    (folder / "script.py").write_text(SCRIPT)
    (folder / "json.py").write_text("raise SystemExit('a folder of documents provides modules')")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PYTHONSAFEPATH": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "script.py", "x.pdf"], cwd=folder, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "3\n"
    worker = int(process.stdout.readline())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.05)


def test_an_ocr_that_cannot_be_sent_is_refused() -> None:
    class LocalOcr(files.FixedOcr):
        pass

    with opened(ocr=LocalOcr()) as reader, pytest.raises(UserError, match=r"LocalOcr.*picklable"):
        list(reader.pages(MIXED, name="x.pdf"))
