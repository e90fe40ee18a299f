"""An assistant whose model is a JSON file of replies, so that both sides of a gate are scripted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asbuilt.lineage import ExportedModel
from asbuilt.registry import component
from asbuilt.system import System
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.types import Event, GenerationOptions, Message

ENGINE = "generator/recited"
"""Takes the place of the engine that serves exported models."""
DOCUMENTS = {"lamps": "# Lamps\n\nA lamp has a colour: blue.\n", "chairs": "# Chairs\n\nA chair is red.\n"}


@component(ENGINE)
class RecitingGenerator(ScriptedGenerator):
    """Looks its replies up in the file `model`, by the question, and notes there what it was asked."""

    def __init__(self, *, model: Path, context_tokens: int = 4096) -> None:
        super().__init__(context_tokens=context_tokens)
        self._model = model

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        replies = json.loads(self._model.read_text())
        [question] = [each for each in replies if f"{each}\n" in f"{messages[-1].content}\n"]
        with self._model.with_suffix(".asked").open("a") as asked:
            asked.write(f"{question}\n")
        self._replies = (replies[question],)
        async for event in super().stream(messages, options=options):
            yield event


def question(at: int) -> str:
    return f"Which colour has lamp {at:03}?"


def assistant(folder: Path, *, cases: int, documents: Mapping[str, str] = DOCUMENTS) -> Path:
    """A blueprint whose cases all want the reply "blue"; `current.json` is what its model says."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {"id": f"c{at:03}", "question": question(at), "documents": ["lamps"], "reference": "blue"}
        for at in range(cases)
    ]
    (folder / "cases.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    drawn: dict[str, Any] = {
        "blueprint": 1,
        "system": {"name": "lamps", "purpose": "Answers about lamps"},
        "components": {
            "chunker": {"use": "chunker/structural", "purpose": "Cut"},
            "embedder": {"use": "embedder/fake", "purpose": "Embed"},
            "vectors": {"use": "index/exact", "purpose": "Store"},
            "retriever": {"use": "retriever/hybrid", "purpose": "Find"},
            "llm": {"use": ENGINE, "purpose": "Write", "config": {"model": "current.json"}},
            "assistant": {"use": "assistant/cited", "purpose": "Answer"},
        },
        "evaluation": {
            "data": {"lamps": {"path": "cases.jsonl", "description": "colours"}},
            "metrics": {
                "colours": {"measure": "accuracy.exact", "data": "lamps", "target": ">= 90 %"},
                "found": {"measure": "success@2", "data": "lamps", "target": ">= 90 %"},
            },
        },
    }
    file = folder / "assistant.yaml"
    file.write_text(json.dumps(drawn, indent=2))
    if documents:
        (folder / "docs").mkdir()
        for name, text in documents.items():
            (folder / "docs" / f"{name}.md").write_text(text)
        with System.load(file) as system:
            system.ingest([str(folder / "docs")])
    return file


def says(file: Path, *, right: Sequence[int] = (), of: int) -> Path:
    """A model that is right about the lamps `right`, and wrong about the others."""
    file.write_text(json.dumps({question(at): "blue [1]" if at in right else "red [2]" for at in range(of)}))
    return file


def model_that_says(file: Path, *, right: Sequence[int] = (), of: int) -> ExportedModel:
    return ExportedModel(says(file, right=right, of=of), "merged", None, "f16")


def asked(model: Path) -> list[str]:
    file = model.with_suffix(".asked")
    return file.read_text().splitlines() if file.is_file() else []
