"""Citations -> citations that say where on which page their words stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asbuilt.catalog import Catalog
from asbuilt.types import Citation, PageBox

__all__ = ["with_places"]


def with_places(citations: Sequence[Citation], catalog: Catalog) -> tuple[Citation, ...]:
    """The same citations, with `page` and `boxes` of the span itself where its document was read in
    pages (a chunk's page is only the one that it begins on)."""
    return tuple(_placed(citation, catalog) for citation in citations)


def _placed(citation: Citation, catalog: Catalog) -> Citation:
    if citation.document_id is None or citation.version is None:
        return citation
    if citation.start is None or citation.end is None:
        return citation
    spans = catalog.pages.places(citation.document_id, citation.version, citation.start, citation.end)
    if not spans:
        return citation
    boxes = tuple(PageBox(span.page.number, box) for span in spans for box in span.boxes)
    return replace(citation, page=spans[0].page.number, boxes=boxes)
