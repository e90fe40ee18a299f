from __future__ import annotations

import pytest

from asbuilt.retrieval.qdrant_edge_index import QdrantEdgeIndex
from asbuilt.testing.index_contract import IndexContract


class TestQdrantEdgeIndexContract(IndexContract):
    @pytest.fixture
    def index_class(self) -> type[QdrantEdgeIndex]:
        return QdrantEdgeIndex
