"""What agents keep: facts with where they are from and what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from asbuilt.catalog import tables as t
from asbuilt.catalog.database import Database
from asbuilt.runs import Fact, Label
from asbuilt.types import Vector

__all__ = ["AgentFacts", "KeptText", "fact_key"]


class KeptText(NamedTuple):
    """A fact as a search sees it; ids grow in the order of keeping. `vector` is None until it is embedded."""

    id: int
    key: str
    text: str
    vector: Vector | None


_AT_ONCE = 10_000
"""SQLite takes no more than 32,766 variables in a statement."""


def fact_key(text: str) -> str:
    """What identifies a fact's text, and its vector, which is kept beside those of passages: the key is
    never one of theirs, so that a passage with the same text still waits for its own."""
    return sha256(b"fact\0" + text.encode()).hexdigest()


class AgentFacts:
    """Part of a catalogue; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(
        self,
        facts: Sequence[Fact],
        *,
        most: int,
        model_id: str = "",
        vectors: Mapping[str, Vector] | None = None,
    ) -> None:
        """Keep facts, and vectors of `model_id` by key. One that is there (same text and scope) stays as it
        is. Of more than `most` facts in a scope, the oldest go."""
        if not facts:
            return
        with self._database.write() as connection:
            connection.execute(
                t.agent_facts.insert().prefix_with("OR IGNORE"), [_row(each) for each in facts]
            )
            _put_vectors(connection, model_id, vectors or {})
            for scope in {each.scope for each in facts}:
                _drop_oldest(connection, scope, most)

    def texts(self, scopes: Sequence[str], *, model_id: str = "") -> list[KeptText]:
        """All facts of these scopes, oldest first, with their vectors of `model_id`."""
        c, e = t.agent_facts.c, t.embeddings.c
        same = sa.and_(e.search_hash == c.text_hash, e.model_id == model_id)
        query = (
            sa.select(c.id, c.text_hash, c.text, e.vector).join_from(
                t.agent_facts, t.embeddings, same, isouter=True
            )
            if model_id
            else sa.select(c.id, c.text_hash, c.text, sa.null())
        )
        with self._database.read() as connection:
            rows = connection.execute(query.where(c.scope.in_(scopes)).order_by(c.id)).all()
        return [
            KeptText(number, key, text, None if vector is None else np.frombuffer(vector, "<f4"))
            for number, key, text, vector in rows
        ]

    def facts(self, ids: Sequence[int]) -> list[Fact]:
        """The facts of these ids, in their order; those that went meanwhile are left out."""
        c = t.agent_facts.c
        found = {}
        with self._database.read() as connection:
            for at in range(0, len(ids), _AT_ONCE):
                query = sa.select(t.agent_facts).where(c.id.in_(ids[at : at + _AT_ONCE]))
                found.update({row.id: _fact(row) for row in connection.execute(query)})
        return [found[each] for each in ids if each in found]

    def add_vectors(self, model_id: str, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors by key."""
        with self._database.write() as connection:
            _put_vectors(connection, model_id, vectors)


def _row(fact: Fact) -> dict[str, Any]:
    return {
        "scope": fact.scope,
        "text": fact.text,
        "text_hash": fact_key(fact.text),
        "source": fact.source,
        "run": fact.run,
        "trusted": int(fact.label.trusted),
        "private": int(fact.label.private),
        "at": fact.at,
    }


def _fact(row: sa.Row[Any]) -> Fact:
    label = Label(bool(row.trusted), bool(row.private))
    return Fact(row.text, row.scope, row.source, row.run, label, row.at)


def _put_vectors(connection: sa.Connection, model_id: str, vectors: Mapping[str, Vector]) -> None:
    rows = [
        {"search_hash": key, "model_id": model_id, "vector": np.asarray(vector, "<f4").tobytes()}
        for key, vector in vectors.items()
    ]
    if rows:
        connection.execute(t.embeddings.insert().prefix_with("OR REPLACE"), rows)


def _drop_oldest(connection: sa.Connection, scope: str, most: int) -> None:
    c = t.agent_facts.c
    query = sa.select(c.id, c.text_hash).where(c.scope == scope).order_by(c.id.desc()).offset(most)
    gone = connection.execute(query).all()
    for row in gone:
        connection.execute(t.agent_facts.delete().where(c.id == row.id))
    _drop_vectors(connection, {row.text_hash for row in gone})


def _drop_vectors(connection: sa.Connection, keys: Iterable[str]) -> None:
    """Of texts that no scope has any more."""
    used = sa.select(t.agent_facts.c.id).where(t.agent_facts.c.text_hash == t.embeddings.c.search_hash)
    for key in keys:
        connection.execute(t.embeddings.delete().where(t.embeddings.c.search_hash == key, ~used.exists()))
