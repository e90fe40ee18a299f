"""The knowledge base: files become versions and chunks, chunks become searchable, and stay so."""

from asbuilt.knowledge.base import KnowledgeBase, SearchState
from asbuilt.knowledge.ingestion import IngestionReport, SourceFile

__all__ = ["IngestionReport", "KnowledgeBase", "SearchState", "SourceFile"]
