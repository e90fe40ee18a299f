"""The knowledge base: files become versions and chunks, chunks become searchable, and stay so."""

from asbuilt.knowledge.base import KnowledgeBase, SearchState
from asbuilt.knowledge.ingestion import IngestionReport

__all__ = ["IngestionReport", "KnowledgeBase", "SearchState"]
