"""Rows from answers that people rated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from asbuilt.blueprint.state import catalog_file
from asbuilt.catalog import Catalog
from asbuilt.errors import LimitError, UserError
from asbuilt.lineage import TrainingRow
from asbuilt.training.collect_feedback import FeedbackCollector
from asbuilt.training.preprocess import StandardPreprocessor
from asbuilt.training.rows import FaultyRow
from asbuilt.types import Event, Hit, Message

ASKED = (Message("user", "When do keys expire?"),)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    yield catalog
    catalog.close()


def give(
    catalog: Catalog, name: str, text: str, rating: int | None, messages: Sequence[Message] = ASKED
) -> None:
    catalog.answers.add(name, messages, text, [])
    if rating is not None:
        catalog.answers.rate(name, rating)


def test_liked_answers_are_rows_and_the_worst_disliked_one_is_worse(catalog: Catalog) -> None:
    give(catalog, "a1", "Never.", 2)
    give(catalog, "a2", "After 90 days.", 5)
    give(catalog, "a3", "No idea.", 1)
    give(catalog, "a4", "After 90 days, I think.", 3)
    give(catalog, "a5", "Unrated.", None)
    give(catalog, "a6", "At 10 pm.", 4, [Message("user", "When do doors close?")])
    first, second = FeedbackCollector(catalog=catalog).collect()
    assert first == TrainingRow(
        (*ASKED, Message("assistant", "After 90 days.")), first.source, "feedback:a2", "No idea."
    )
    assert (second.origin, second.worse) == ("feedback:a6", None)
    assert first.source != second.source
    assert len(list(FeedbackCollector(catalog=catalog, liked=3).collect())) == 3
    [only] = FeedbackCollector(catalog=catalog, liked=5, disliked=1).collect()
    assert only.worse == "No idea."


def test_the_answers_of_another_blueprint_s_service_are_taken(catalog: Catalog, tmp_path: Path) -> None:
    served = Catalog(file=catalog_file(tmp_path / "assistant"))
    collector = FeedbackCollector(catalog=catalog, blueprint=tmp_path / "assistant" / "blueprint.yaml")
    with pytest.raises(
        UserError, match=r"no answers of .*assistant.blueprint\.yaml are kept: .*Serve it first"
    ):
        list(collector.collect())
    served.open()
    try:
        give(served, "b1", "After 90 days.", 5)
        give(catalog, "a1", "Never.", 5)
        assert [row.origin for row in collector.collect()] == ["feedback:b1"]
    finally:
        served.close()


def test_the_same_text_is_not_worse_than_itself(catalog: Catalog) -> None:
    give(catalog, "a1", "After 90 days.", 1)
    give(catalog, "a2", "After 90 days.", 5)
    [row] = FeedbackCollector(catalog=catalog).collect()
    assert row.worse is None


def test_turns_of_one_conversation_are_of_one_source(catalog: Catalog) -> None:
    give(catalog, "a1", "After 90 days.", 5)
    give(
        catalog,
        "a2",
        "Yes, always.",
        5,
        [
            Message("user", "when do keys expire"),
            Message("assistant", "After 90 days."),
            Message("user", "Sure?"),
        ],
    )
    one, two = FeedbackCollector(catalog=catalog).collect()
    assert one.source == two.source
    data = StandardPreprocessor(validation_share=0).prepare((one, two), held_out=())
    assert data.card.sources == {"feedback": 2}


class Rendering:
    """An assistant that finds something unless it is asked for nothing."""

    def __init__(self) -> None:
        self.markers: list[str] = []

    async def answer(
        self, messages: object, *, options: object = None, filters: object = None
    ) -> Iterator[Event]:
        raise NotImplementedError

    def prompt_for(self, messages: Sequence[Message], *, marker: str) -> tuple[list[Message], list[Hit]]:
        self.markers.append(marker)
        if messages[-1].content == "nothing":
            return [], []
        if messages[-1].content == "too long":
            raise LimitError("the question takes all.")
        return [Message("system", "S"), Message("user", f"{marker} {messages[-1].content}")], []


def test_with_an_assistant_the_prompt_is_what_it_would_give(catalog: Catalog) -> None:
    give(catalog, "a1", "After 90 days.", 5)
    give(catalog, "a2", "A", 5, [Message("user", "nothing")])
    give(catalog, "a3", "A", 5, [Message("user", "too long")])
    rendering = Rendering()
    collector = FeedbackCollector(catalog=catalog, assistant=rendering)  # type: ignore[arg-type]
    rows = list(collector.collect())
    assert rows[0].messages[-2] == Message("user", f"{rendering.markers[0]} When do keys expire?")
    assert rows[0].messages[-1] == Message("assistant", "After 90 days.")
    assert [each.fault for each in rows if isinstance(each, FaultyRow)] == [
        "nothing is retrieved for it",
        "the question takes all.",
    ]
    assert list(collector.collect()) == rows
    assert len(set(rendering.markers)) == 3


def test_what_cannot_render_and_ratings_out_of_order_are_refused(catalog: Catalog) -> None:
    with pytest.raises(UserError, match="object cannot say"):
        list(FeedbackCollector(catalog=catalog, assistant=object()).collect())  # type: ignore[arg-type]
    with pytest.raises(UserError, match="disliked: 4 and liked: 4"):
        FeedbackCollector(catalog=catalog, disliked=4)
