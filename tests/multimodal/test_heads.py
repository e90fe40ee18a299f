from __future__ import annotations

import numpy as np
import pytest

from asbuilt.errors import UserError
from asbuilt.modalities import (
    UNKNOWN,
    Fused,
    FusedScores,
    InputFile,
    JoinedVectors,
    RoutedPage,
    Task,
    TaskKind,
)
from asbuilt.multimodal.classify import ClassifyHead
from asbuilt.multimodal.passages import parts_of
from asbuilt.multimodal.quote import QuoteHead
from asbuilt.multimodal.retrieve import RetrieveHead
from asbuilt.pages import PageLayout
from asbuilt.roles import TaskHead
from asbuilt.testing.sketch import sketch_page, sketch_table

INVOICE = sketch_page("Invoice number:  4711\n\nPlease pay within 30 days.\nThank you.")
PRICES = sketch_table(
    [["Article", "Unit price", "Stock"], ["Oak shelf", "120.00", "12"], ["Desk lamp", "35.50", "40"]]
)


def fused_of(*pages: PageLayout, scores: tuple[float, ...] = ()) -> Fused:
    routed = tuple(
        RoutedPage(f"file-{number}", page, parts_of(page)) for number, page in enumerate(pages, start=1)
    )
    best = np.array(scores or [1.0] * len(pages))
    shares = {"text.words": np.where(best > 0, 0.25, 0), "table.words": np.where(best > 0, 0.75, 0)}
    matches = tuple(tuple((part, 0.5) for part in page.parts) for page in routed)
    return Fused(pages=routed, scores=FusedScores(best, shares), matches=matches)


def asked(query: str, kind: TaskKind = "answer", *, top_k: int = 10) -> Task:
    return Task(kind, (InputFile("file-1", lambda: b""),), query=query, top_k=top_k)


@pytest.mark.parametrize("head", [RetrieveHead(), ClassifyHead(), QuoteHead()])
def test_each_plays_the_role(head: TaskHead) -> None:
    assert isinstance(head, TaskHead)


# ---------------------------------------------------------------- retrieve


def test_pages_are_ranked_with_the_share_and_the_place_of_each_modality() -> None:
    fused = fused_of(INVOICE, PRICES, INVOICE, scores=(0.2, 0.9, 0.0))
    output = RetrieveHead().run(asked("lamp", "retrieve"), fused)
    assert [(page.rank, page.source, page.score) for page in output.ranked] == [
        (1, "file-2", 0.9),
        (2, "file-1", 0.2),
    ]  # what nothing speaks for is left out
    first = output.ranked[0]
    assert list(first.shares.items()) == [("table", 0.75), ("text", 0.25)]
    assert [place.modality for place in first.places] == ["table"]
    assert first.places[0].box == PRICES.tables[0].box.rounded()
    assert len(RetrieveHead().run(asked("lamp", "retrieve", top_k=1), fused).ranked) == 1


def test_an_empty_query_is_refused() -> None:
    for head in (RetrieveHead(), QuoteHead()):
        with pytest.raises(UserError, match="there is no"):
            head.run(asked("  "), fused_of(INVOICE))


# ---------------------------------------------------------------- quote


@pytest.mark.parametrize(
    ("question", "answer", "modality"),
    [
        ("What is the invoice number?", "Invoice number: 4711", "text"),
        ("Within how many days do I pay?", "Please pay within 30 days.", "text"),
        ("What is the unit price of the desk lamp?", "35.50", "table"),
        ("What is the stock of the oak shelf?", "12", "table"),
    ],
)
def test_an_answer_is_a_line_or_a_cell_with_its_place(question: str, answer: str, modality: str) -> None:
    output = QuoteHead().run(asked(question), fused_of(INVOICE, PRICES))
    assert output.answer is not None
    assert not output.answer.refused
    [place] = output.answer.places
    assert (output.answer.text, place.text, place.modality) == (answer, answer, modality)
    page = {"file-1": INVOICE, "file-2": PRICES}[place.source]
    inside = [word.text for word in page.words if word.box.overlap(place.box) > 0.5 * word.box.area]
    assert " ".join(inside) == answer


def test_a_label_takes_the_value_on_the_next_line_with_it() -> None:
    page = sketch_page("Delivery date\n\n12 May 2026\n\nOther things")
    output = QuoteHead().run(asked("What is the delivery date?"), fused_of(page))
    assert output.answer is not None
    assert output.answer.text == "Delivery date 12 May 2026"


def test_what_no_line_says_is_refused() -> None:
    output = QuoteHead().run(asked("What is the capital of France?"), fused_of(INVOICE, PRICES))
    assert output.answer is not None
    assert output.answer.refused
    assert output.answer.places == ()


# ---------------------------------------------------------------- classify


def classified(
    documents: list[list[float]], examples: list[list[float]], labels: str
) -> list[tuple[str, float]]:
    spans = {"text.meaning": (0, 1), "picture.look": (1, 2)}
    fused = Fused(
        names=tuple(f"d{number}" for number in range(len(documents))),
        documents=JoinedVectors(np.array(documents), spans),
        labels=tuple(labels),
        examples=JoinedVectors(np.array(examples), spans),
    )
    output = ClassifyHead().run(asked("", "classify"), fused)
    return [(each.label, each.probability) for each in output.classified]


def test_the_nearest_mean_is_the_class_and_the_middle_is_uncertain() -> None:
    examples: list[list[float]] = [[0, 0], [0.2, 0], [4, 0], [4.2, 0]]
    near, between = classified([[0.1, 0.1], [2.1, 0]], examples, "aabb")
    assert near[0] == "a"
    assert near[1] > 0.99
    assert between[1] == pytest.approx(0.5)


def test_what_is_like_no_example_is_unknown_and_says_why() -> None:
    spans = {"text.meaning": (0, 2)}
    fused = Fused(
        names=("far",),
        documents=JoinedVectors(np.array([[0.0, 30.0]]), spans),
        labels=("a", "a", "b", "b"),
        examples=JoinedVectors(np.array([[0, 0], [0.2, 0], [4, 0], [4.2, 0]]), spans),
    )
    [found] = ClassifyHead().run(asked("", "classify"), fused).classified
    assert found.label == UNKNOWN
    assert "times as far from" in found.reason


def test_one_example_a_class_is_enough() -> None:
    assert [label for label, _ in classified([[0.5, 0], [3.5, 0]], [[0, 0], [4, 0]], "ab")] == ["a", "b"]


def test_the_share_goes_to_the_channel_that_tells_the_classes_apart() -> None:
    spans = {"text.meaning": (0, 1), "picture.look": (1, 2)}
    fused = Fused(
        names=("d",),
        documents=JoinedVectors(np.array([[1.0, 0.0]]), spans),
        labels=("a", "b"),
        examples=JoinedVectors(np.array([[1.0, 0.0], [1.0, 2.0]]), spans),
    )
    [found] = ClassifyHead().run(asked("", "classify"), fused).classified
    assert found.shares == {"text.meaning": 0.0, "picture.look": 1.0}


def test_one_class_is_no_choice() -> None:
    with pytest.raises(UserError, match=r"there are examples of 1 class\(es\); it must be at least 2"):
        classified([[0, 0]], [[0, 0]], "a")
