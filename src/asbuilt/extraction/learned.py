"""What a project has learnt from its users: corrections, templates of layouts, a calibrated confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from asbuilt.extraction.calibration import Calibration, fit, labels_of
from asbuilt.extraction.corrections import Correction, Corrections, corrected
from asbuilt.extraction.templates import TemplateExtractor, TemplateMemory
from asbuilt.fields import Extraction, FieldSchema
from asbuilt.pages import PageLayout

__all__ = ["Learned"]

_CORRECTIONS, _TEMPLATES = "corrections.jsonl", "templates.json"


class Learned:
    """The files ``corrections.jsonl`` and ``templates.json`` of a folder; both may be read, edited and
    deleted by hand."""

    def __init__(self, folder: Path) -> None:
        self.corrections = Corrections(folder / _CORRECTIONS)
        self._templates = TemplateMemory(folder / _TEMPLATES)
        self.extractor = TemplateExtractor(templates=str(folder / _TEMPLATES))

    @cached_property
    def calibration(self) -> Calibration:
        """Fitted on the corrections that there were when it was first asked for."""
        return fit(labels_of(self.corrections.all()))

    def digest(self, content_hash: str, schema: FieldSchema) -> str:
        """Of all that can change the extraction of one document; empty for nothing."""
        parts = (
            self.corrections.digest(content_hash, schema.digest),
            self._templates.digest(),
            "" if self.calibration.refusal else repr(self.calibration),
        )
        return sha256("\n".join(parts).encode()).hexdigest() if any(parts) else ""

    def apply(self, extraction: Extraction, schema: FieldSchema, pages: Sequence[PageLayout]) -> Extraction:
        """With calibrated confidences, and the user's own values where there are some."""
        values = tuple(
            replace(value, confidence=self.calibration.apply(value.confidence))
            if value.status != "not_found"
            else value
            for value in extraction.values
        )
        known = self.corrections.of(extraction.content_hash, schema.digest)
        return corrected(replace(extraction, values=values), known, schema=schema, pages=pages)

    def learn(self, correction: Correction, pages: Sequence[PageLayout]) -> list[str]:
        """Keep a correction; returns the paths whose place on this layout is known better now."""
        self.corrections.add(correction)
        return self._templates.learn([correction], pages)
