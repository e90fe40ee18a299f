from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.multimodal.passages import PASSAGE_WORDS, parts_of
from asbuilt.pages import Block, Box, Cell, Figure, PageLayout, Table
from asbuilt.testing.sketch import sketch_page, sketch_table


def texts(page: PageLayout, modality: str = "text") -> list[str]:
    return [part.text for part in parts_of(page) if part.modality == modality]


def page_of(*lengths: int, kinds: str = "") -> PageLayout:
    """Paragraphs of so many words, each on a row; where `kinds` has an "h" there is a heading."""
    number = iter(range(sum(lengths)))
    rows = [" ".join(f"w{next(number)}" for _ in range(length)) for length in lengths]
    page = sketch_page("\n\n".join(rows))
    blocks = [
        replace(block, kind="heading") if kind == "h" else block
        for block, kind in zip(page.blocks, kinds.ljust(len(page.blocks), "p"), strict=True)
    ]
    return replace(page, blocks=tuple(blocks))


def sizes(page: PageLayout) -> list[int]:
    return [len(text.split()) for text in texts(page)]


def test_short_blocks_are_one_passage_and_the_page_is_the_last_part() -> None:
    page = sketch_page("One two\nthree\n\nfour")
    passage, whole = parts_of(page)
    assert passage.text == "One two\nthree\n\nfour"
    assert passage.box == Box(36, 36, 78, 88)
    assert (whole.modality, whole.text) == ("picture", page.text)
    assert whole.box == Box(0, 0, page.width, page.height)


@pytest.mark.parametrize(
    ("lengths", "kinds", "expected"),
    [
        ((40, 40), "", [80]),
        ((40, 50), "", [90]),
        ((40, 51), "", [40, 51]),
        ((30, 30, 30, 30), "", [90, 30]),
        ((5, 20, 5, 20), "hphp", [25, 25]),
        ((5, 5, 20), "hhp", [5, 25]),
        ((200,), "", [90, 90, 20]),
        ((5, 200), "hp", [5, 90, 90, 20]),
        ((10, 200, 10), "", [10, 90, 90, 30]),
    ],
)
def test_where_passages_end(lengths: tuple[int, ...], kinds: str, expected: list[int]) -> None:
    assert sizes(page_of(*lengths, kinds=kinds)) == expected


@given(st.lists(st.tuples(st.integers(1, 230), st.booleans()), min_size=1, max_size=5))
def test_every_word_is_in_one_passage_in_order(blocks: list[tuple[int, bool]]) -> None:
    lengths = [length for length, _ in blocks]
    page = page_of(*lengths, kinds="".join("h" if heading else "p" for _, heading in blocks))
    passages = texts(page)
    assert " ".join(passages).split() == page.text.split()
    assert all(len(text.split()) <= PASSAGE_WORDS for text in passages)


def test_all_words_are_passages_where_a_page_has_no_blocks() -> None:
    page = page_of(100)
    assert sizes(replace(page, blocks=())) == [90, 10]


def test_a_page_without_words_has_parts_only_where_it_has_a_figure() -> None:
    empty = PageLayout(1, 595, 842)
    assert parts_of(empty) == ()
    [whole] = parts_of(replace(empty, figures=(Figure(Box(10, 10, 50, 50)),)))
    assert (whole.modality, whole.text) == ("picture", "")


def test_a_passage_ends_at_a_table() -> None:
    words = page_of(4, 4, 4)
    first, second, third = words.blocks
    table = Table(second.box, 1, 1, (Cell(0, 0, second.first, second.end, second.box),))
    blocks = (first, replace(second, kind="table", item=0), third)
    page = replace(words, blocks=blocks, tables=(table,))
    assert sizes(page) == [4, 4]
    assert texts(page, "table") == ["w4 w5 w6 w7"]


# ---------------------------------------------------------------- tables


def test_a_table_is_a_part_with_its_cells() -> None:
    page = sketch_table([["Item", "Sum"], ["Bolts", "1.20"], ["Nuts", ""]])
    table, whole = parts_of(page)
    assert table.rows == (("Item", "Sum"), ("Bolts", "1.20"), ("Nuts", ""))
    assert table.text == "Item | Sum\nBolts | 1.20\nNuts | "
    assert table.box == page.tables[0].box
    assert whole.modality == "picture"


def test_pieces_of_a_long_table_have_its_header_and_whole_rows() -> None:
    rows = [[f"part {number}", f"{number}.00"] for number in range(60)]
    page = sketch_table([["Item", "Sum"], *rows])
    pieces = [part for part in parts_of(page) if part.modality == "table"]
    assert len(pieces) == 3
    assert {piece.rows[0] for piece in pieces} == {("Item", "Sum")}
    assert [row for piece in pieces for row in piece.rows[1:]] == [tuple(row) for row in rows]
    assert all(len(piece.text.replace("|", "").split()) <= PASSAGE_WORDS for piece in pieces)


def test_a_piece_is_filled() -> None:
    rows = [["Item", "Sum"], *([f"a b {number}", "1.00"] for number in range(23))]
    pieces = [part for part in parts_of(sketch_table(rows)) if part.modality == "table"]
    assert [len(piece.rows) for piece in pieces] == [23, 2]  # 2 words and 22 rows of 4 are 90


def test_a_row_that_is_longer_than_a_piece_stays_whole() -> None:
    long = " ".join(["word"] * 200)
    page = sketch_table([["Item", "Text"], ["a", long], ["b", "short"]])
    assert [part.rows[1:] for part in parts_of(page) if part.modality == "table"] == [
        (("a", long),),
        (("b", "short"),),
    ]


def test_a_piece_ends_where_its_rows_end() -> None:
    page = sketch_table([["Item"], *([f"{number} " + "word " * 60] for number in range(3))])
    boxes = [part.box for part in parts_of(page) if part.modality == "table"]
    cells = [cell.box for cell in page.tables[0].cells[1:]]
    assert [box.bottom for box in boxes] == [cell.bottom for cell in cells]


def test_a_table_with_a_header_alone_and_one_without_any() -> None:
    assert texts(sketch_table([["Item", "Sum"]]), "table") == ["Item | Sum"]
    assert texts(sketch_table([["a", "1"], ["b", "2"]], continues=True), "table") == ["a | 1\nb | 2"]


def test_a_table_without_words_is_no_part() -> None:
    page = sketch_table([["", ""], ["", ""]])
    assert parts_of(page) == ()


def test_a_cell_that_spans_stands_in_its_first_place() -> None:
    words = page_of(1, 2).words
    cells = (
        Cell(0, 0, 0, 1, Box(0, 0, 20, 10), column_span=2, header=True),
        Cell(1, 0, 1, 2, Box(0, 10, 10, 20)),
        Cell(1, 1, 2, 3, Box(10, 10, 20, 20)),
    )
    box = Box(0, 0, 20, 20)
    page = replace(
        page_of(1, 2), blocks=(Block("table", 0, len(words), box, item=0),), tables=(Table(box, 2, 2, cells),)
    )
    [table, _] = parts_of(page)
    assert table.rows == (("w0", ""), ("w1", "w2"))


@given(st.lists(st.integers(0, 130), min_size=1, max_size=12), st.booleans())
def test_every_row_is_in_one_piece(lengths: list[int], continues: bool) -> None:
    rows = [(f"row{number}", " ".join(["x"] * length)) for number, length in enumerate(lengths)]
    page = sketch_table(rows, continues=continues)
    pieces = [part for part in parts_of(page) if part.modality == "table"]
    headers = 0 if continues else 1
    body = [row for piece in pieces for row in piece.rows[headers:]]
    assert body == rows[headers:]
    assert {piece.rows[:headers] for piece in pieces} == {tuple(rows[:headers])}
