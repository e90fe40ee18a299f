"""Ratings of answers: given once or again, only for answers that were given out."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.test_chat_route import ask, events_of

from asbuilt.system import System

FEEDBACK = "/api/v1/feedback"


def rate(client: TestClient, **body: Any) -> Any:
    return client.post(FEEDBACK, json=body)


def test_an_answer_can_be_rated_and_rated_again(client: TestClient, system: System) -> None:
    before = client.get(f"{FEEDBACK}/summary").json()
    answer_id = ask(client, stream=False).json()["id"]
    assert rate(client, answer_id=answer_id, thumb="down").json() == {"answer_id": answer_id, "rating": 1}
    assert rate(client, answer_id=answer_id, rating=5, comment="better").status_code == 200
    after = client.get(f"{FEEDBACK}/summary").json()
    assert after["answers"] == before["answers"] + 1
    assert after["ratings"] == before["ratings"] + 1
    assert system.catalog.answers.ratings()[-1] == 5
    assert 0 <= after["pleased"] <= 1


def test_a_streamed_answer_can_be_rated_as_soon_as_its_id_is_known(client: TestClient) -> None:
    [(name, done)] = events_of(ask(client).text)[-1:]
    assert name == "done"
    assert rate(client, answer_id=done["id"], thumb="up").json()["rating"] == 5


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"answer_id": "chat-0", "rating": 3}, 404, "no answer 'chat-0' was given out"),
        ({"answer_id": "chat-0"}, 422, "either a rating or a thumb"),
        ({"answer_id": "chat-0", "rating": 3, "thumb": "up"}, 422, "either a rating or a thumb"),
        ({"answer_id": "chat-0", "rating": 6}, 422, "less than or equal to 5"),
        ({"answer_id": "chat-0", "rating": 4.5}, 422, "rating"),
        ({"answer_id": "", "rating": 4}, 422, "answer_id"),
        ({"answer_id": "chat-0", "rating": None}, 422, "rating"),
        ({"answer_id": "chat-0", "rating": 4, "thumb": None}, 422, "thumb"),
    ],
)
def test_bad_ratings_are_refused(client: TestClient, body: Any, status: int, detail: str) -> None:
    response = rate(client, **body)
    assert response.status_code == status
    assert detail in response.text
