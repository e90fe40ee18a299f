"""Observed components pass the contract suites of their roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from asbuilt.assistant import CitedAssistant
from asbuilt.catalog import Catalog
from asbuilt.roles import Assistant
from asbuilt.testing.assistant_contract import GenerativeAssistantContract
from asbuilt.testing.embedder_contract import EmbedderContract
from asbuilt.testing.fake_embedder import FakeEmbedder
from asbuilt.testing.fixed_retriever import FixedRetriever
from asbuilt.testing.generator_contract import GeneratorContract
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tracing import Recorder, observe
from asbuilt.types import Citation

LONG = " ".join(f"word{number}" for number in range(3000))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[[Any, str], Any]]:
    """Observes a part, within a request."""
    recorder = Recorder(tmp_path, digest="d")

    def watch(part: Any, name: str) -> Any:
        observe(part, name=name, recorder=recorder)
        return part

    with recorder.request("test"):
        yield watch
    recorder.close()


class TestObservedGenerator(GeneratorContract):
    @pytest.fixture
    def make(self, watched: Callable[[Any, str], Any]) -> Callable[[], Any]:
        return lambda: watched(ScriptedGenerator(replies=[LONG]), "llm")


class TestObservedEmbedder(EmbedderContract):
    @pytest.fixture
    def make(self, watched: Callable[[Any, str], Any]) -> Callable[[], Any]:
        return lambda: watched(FakeEmbedder(), "vectors")


class TestObservedAssistant(GenerativeAssistantContract):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[Catalog]:
        catalog = Catalog(file=tmp_path / "catalog.sqlite")
        catalog.open()
        yield catalog
        catalog.close()

    @pytest.fixture
    def make(
        self, catalog: Catalog, watched: Callable[[Any, str], Any]
    ) -> Callable[[Mapping[str, str], Sequence[str]], Assistant]:
        def make(passages: Mapping[str, str], replies: Sequence[str]) -> Assistant:
            retriever = FixedRetriever(catalog=catalog, passages=passages)
            retriever.open()
            made: Assistant = watched(
                CitedAssistant(
                    catalog=catalog,
                    retriever=watched(retriever, "find"),
                    generator=watched(ScriptedGenerator(replies=replies), "llm"),
                ),
                "answerer",
            )
            return made

        return make

    @pytest.fixture
    def document_text(self, catalog: Catalog) -> Callable[[Citation], str]:
        def text(citation: Citation) -> str:
            assert citation.document_id is not None
            assert citation.version is not None
            return catalog.version_text(citation.document_id, citation.version)

        return text
