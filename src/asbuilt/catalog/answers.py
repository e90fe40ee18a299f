"""Answers that the service gave out, and what users think of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from asbuilt.catalog import tables as t
from asbuilt.catalog.database import Database
from asbuilt.errors import NotFoundError
from asbuilt.types import Message

__all__ = ["PLEASED", "AnswerLog", "FeedbackSummary", "RatedAnswer"]

PLEASED = 4


@dataclass(frozen=True, slots=True)
class FeedbackSummary:
    """`mean` is None while nobody has rated; `pleased` is the share of ratings of 4 and 5."""

    answers: int
    ratings: int
    mean: float | None
    pleased: float | None


@dataclass(frozen=True, slots=True)
class RatedAnswer:
    """An answer that was given to `messages`, of role and content only, and its rating from 1 to 5.
    `chunk_ids` are the passages that the model saw, in the order of their numbers in the answer."""

    id: str
    messages: tuple[Message, ...]
    text: str
    rating: int
    chunk_ids: tuple[int, ...] = ()


class AnswerLog:
    """Part of a catalogue; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, answer_id: str, messages: Sequence[Message], text: str, chunk_ids: Sequence[int]) -> None:
        """Remember an answer as it was given out, so that it can be rated."""
        said = [{"role": each.role, "content": each.content} for each in messages]
        row = {
            "id": answer_id,
            "messages": said,
            "text": text,
            "chunk_ids": list(chunk_ids),
            "given_at": time.time(),
        }
        with self._database.write() as connection:
            connection.execute(t.answers.insert().values(row))

    def rate(self, answer_id: str, rating: int, comment: str = "") -> None:
        """Rate an answer from 1 to 5, in place of an earlier rating. Raises NotFoundError."""
        with self._database.write() as connection:
            known = sa.select(t.answers.c.id).where(t.answers.c.id == answer_id)
            if connection.execute(known).scalar_one_or_none() is None:
                raise NotFoundError(
                    f"no answer {answer_id!r} was given out.", hint="Its id stands in the reply of /chat."
                )
            connection.execute(t.ratings.delete().where(t.ratings.c.answer_id == answer_id))
            row = {"answer_id": answer_id, "rating": rating, "comment": comment, "rated_at": time.time()}
            connection.execute(t.ratings.insert().values(row))

    def ratings(self) -> list[int]:
        """Every rating, in the order in which they were given."""
        with self._database.read() as connection:
            query = sa.select(t.ratings.c.rating).order_by(t.ratings.c.rated_at)
            return list(connection.execute(query).scalars())

    def rated(self) -> list[RatedAnswer]:
        """Every answer that was rated, in the order in which they were given."""
        query = (
            sa.select(t.answers, t.ratings.c.rating)
            .join(t.ratings, t.ratings.c.answer_id == t.answers.c.id)
            .order_by(t.answers.c.given_at, t.answers.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            RatedAnswer(
                row.id,
                tuple(Message(each["role"], each["content"]) for each in row.messages),
                row.text,
                row.rating,
                tuple(row.chunk_ids),
            )
            for row in rows
        ]

    def summary(self) -> FeedbackSummary:
        """How many, and how good."""
        ratings = self.ratings()
        with self._database.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(t.answers)).scalar_one()
        if not ratings:
            return FeedbackSummary(count, 0, None, None)
        pleased = sum(rating >= PLEASED for rating in ratings) / len(ratings)
        return FeedbackSummary(count, len(ratings), sum(ratings) / len(ratings), pleased)
