from __future__ import annotations

import pytest

from asbuilt.retrieval.exact_index import ExactIndex
from asbuilt.testing.index_contract import IndexContract


class TestExactIndexContract(IndexContract):
    @pytest.fixture
    def index_class(self) -> type[ExactIndex]:
        return ExactIndex
