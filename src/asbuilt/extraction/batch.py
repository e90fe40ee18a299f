"""Many files into one folder of results, which a run that was stopped goes on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from asbuilt.documents.sources import SourceFile
from asbuilt.errors import AsbuiltError, ReadError, StorageError
from asbuilt.extraction.crops import with_crops
from asbuilt.extraction.export.searchable import searchable_pdf
from asbuilt.extraction.export.viewer import VIEWER, PageView, page_views, viewer_html
from asbuilt.extraction.folder import Origin, ResultFolder
from asbuilt.extraction.pipeline import ExtractionPipeline, OnPage, OpenedFile, Stopping, unread
from asbuilt.fields import Extraction, FieldSchema
from asbuilt.roles import Exporter

__all__ = ["SEARCHABLE_PDF", "ExtractionBatch"]

SEARCHABLE_PDF = "searchable-pdf"
_MOST_PICTURES = 200  # pages of all documents that the viewer has pictures of


class ExtractionBatch:
    """One schema, one folder of results; `version` is asbuilt's, as the manifest states it."""

    def __init__(self, pipeline: ExtractionPipeline, schema: FieldSchema, out: Path, *, version: str) -> None:
        self._pipeline = pipeline
        self._schema = schema
        self._folder = ResultFolder(out, schema, version=version)
        self._done: list[tuple[Extraction, SourceFile]] = []

    def run(
        self,
        files: Sequence[SourceFile],
        *,
        on_page: OnPage | None = None,
        stopping: Stopping | None = None,
    ) -> Iterator[Extraction]:
        """One extraction a file, kept with its crops before it is handed on; what is there from an
        earlier run by the same recipe is not done again. Raises ExtractionStopped, StorageError."""
        for file in files:
            extraction = self._extraction(file, on_page, stopping)
            self._done.append((extraction, file))
            yield extraction

    def finish(self, exporters: Sequence[Exporter], *, searchable: bool = False) -> None:
        """Write the viewer and what `exporters` make, then the manifest. With `searchable`, also each
        document as a PDF whose text can be found."""
        extractions = [extraction for extraction, _ in self._done]
        exported: dict[str, bytes] = {VIEWER: viewer_html(list(self._views()), self._schema)}
        for exporter in exporters:
            exported |= exporter.export(extractions, self._schema)
        if searchable:
            exported |= self._searchable()
        self._folder.finish(exported)

    def _extraction(self, file: SourceFile, on_page: OnPage | None, stopping: Stopping | None) -> Extraction:
        try:
            opened = self._pipeline.open(file)
        except ReadError as error:
            return self._add(Origin(file.name, file.source, ""), unread(file, self._schema, error))
        origin = Origin(
            document=opened.name,
            source=opened.source,
            content_hash=opened.content_hash,
            reader=opened.reader_name,
            recipe=opened.recipe,
            extractors=self._pipeline.recipe,
            learned=self._pipeline.learned.digest(opened.content_hash, self._schema),
        )
        return self._folder.done(origin) or self._made(origin, opened, on_page, stopping)

    def _made(
        self, origin: Origin, opened: OpenedFile, on_page: OnPage | None, stopping: Stopping | None
    ) -> Extraction:
        try:
            extraction, pages = self._pipeline.extract(
                opened, self._schema, on_page=on_page, stopping=stopping
            )
            extraction, crops = with_crops(extraction, pages, opened.data)
        except StorageError:
            raise
        except AsbuiltError as error:
            return self._add(origin, unread(opened, self._schema, error))
        self._folder.add(origin, extraction, pages=pages, crops=crops)
        return extraction

    def _add(self, origin: Origin, extraction: Extraction) -> Extraction:
        self._folder.add(origin, extraction)
        return extraction

    def _views(self) -> Iterator[tuple[Extraction, Sequence[PageView]]]:
        """Each document with its pages, drawn as long as there are not too many of them."""
        pictures = 0
        for extraction, file in self._done:
            views: list[PageView] = []
            if not extraction.fault:
                opened = self._pipeline.open(file)
                pages = tuple(self._pipeline.pages(opened))
                drawn = page_views(extraction, pages, opened.data)
                views = list(drawn if pictures < _MOST_PICTURES else (PageView(page) for page in pages))
                pictures += sum(view.picture is not None for view in views)
            yield extraction, views

    def _searchable(self) -> Mapping[str, bytes]:
        made: dict[str, bytes] = {}
        for extraction, file in self._done:
            if not extraction.fault:
                opened = self._pipeline.open(file)
                pages = tuple(self._pipeline.pages(opened))
                made[f"searchable/{opened.name}.pdf"] = searchable_pdf(pages, opened.data, name=opened.name)
        return made
