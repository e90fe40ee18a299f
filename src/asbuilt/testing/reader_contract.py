"""What every Reader must do: sound positions, the same answer every time, and ReadError for the rest."""

from __future__ import annotations

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from asbuilt.errors import ReadError
from asbuilt.roles import Reader
from asbuilt.types import Document

__all__ = ["ReaderContract"]

_DAMAGED = 40


class ReaderContract:
    """Subclass it in a test module and override the fixtures.

    >>> class TestMyReader(ReaderContract):
    ...     @pytest.fixture
    ...     def reader(self): return MyReader()
    ...
    ...     @pytest.fixture
    ...     def samples(self): return {"guide.xyz": b"..."}
    """

    @pytest.fixture
    def reader(self) -> Reader:
        """The reader under test, open."""
        raise NotImplementedError

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        """Good files by name: at least one, better several with headings, pages and odd characters."""
        raise NotImplementedError

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        """Files that the reader must refuse, by name."""
        return {}

    @pytest.fixture
    def documents(self, reader: Reader, samples: Mapping[str, bytes]) -> list[Document]:
        """What the reader makes of the samples."""
        return [reader.read(data, name=name) for name, data in samples.items()]

    def test_plays_the_role(self, reader: Reader) -> None:
        assert isinstance(reader, Reader)
        assert reader.suffixes
        for suffix in reader.suffixes:
            assert suffix.startswith(".")
            assert suffix == suffix.lower()

    def test_text_can_be_stored_and_shown(self, documents: list[Document]) -> None:
        for document in documents:
            assert document.text.strip()
            assert "\r" not in document.text
            assert "\0" not in document.text
            document.text.encode()  # no lone surrogates
            assert "/" in document.media_type

    def test_title_is_one_line(self, documents: list[Document]) -> None:
        for document in documents:
            assert document.title == " ".join(document.title.split()) != ""

    def test_headings_stand_in_the_text_in_order(self, documents: list[Document]) -> None:
        for document in documents:
            starts = [heading.start for heading in document.headings]
            assert starts == sorted(starts)
            for heading in document.headings:
                assert 0 <= heading.start < len(document.text)
                assert not document.text[heading.start].isspace()
                assert heading.level >= 1
                assert heading.title == " ".join(heading.title.split()) != ""

    def test_pages_follow_one_another(self, documents: list[Document]) -> None:
        for document in documents:
            end = 0
            for number, page in enumerate(document.pages, start=1):
                assert page.number == number
                assert end <= page.start <= page.end <= len(document.text)
                assert not document.text[end : page.start].strip(), "text between pages belongs to one"
                end = page.end
            if document.pages:
                assert not document.text[end:].strip()

    def test_metadata_is_plain(self, documents: list[Document]) -> None:
        for document in documents:
            for key, value in document.metadata.items():
                assert isinstance(key, str)
                assert isinstance(value, str | int | float | bool)

    def test_reads_alike_every_time_and_in_every_thread(
        self, reader: Reader, samples: Mapping[str, bytes], documents: list[Document]
    ) -> None:
        def read_all(_: int) -> list[Document]:
            return [reader.read(data, name=name) for name, data in samples.items()]

        with ThreadPoolExecutor(4) as pool:
            assert all(again == documents for again in pool.map(read_all, range(4)))

    def test_refuses_nothing_at_all(self, reader: Reader) -> None:
        with pytest.raises(ReadError):
            reader.read(b"", name="empty")

    def test_refuses_what_is_broken(self, reader: Reader, broken: Mapping[str, bytes]) -> None:
        for name, data in broken.items():
            with pytest.raises(ReadError) as refusal:
                reader.read(data, name=name)
            assert name in str(refusal.value)

    def test_raises_only_read_errors_on_damaged_files(
        self, reader: Reader, samples: Mapping[str, bytes]
    ) -> None:
        chance = random.Random(7)
        for name, data in samples.items():
            for _ in range(_DAMAGED):
                damaged = bytearray(data[: chance.randrange(1, len(data) + 1)])
                for _ in range(chance.choice((0, 1, 20))):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                try:
                    document = reader.read(bytes(damaged), name=name)
                except ReadError:
                    continue
                document.text.encode()
