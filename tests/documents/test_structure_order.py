"""Reading order, kinds of blocks, figures and captions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asbuilt.documents.structure import arrange
from asbuilt.pages import Box, PageLayout, PageMarks, Word
from asbuilt.testing.sketch import sketch_marks

LEFT, TOP, ADVANCE, LEADING = 36.0, 36.0, 6.0, 14.0


def blocks(page: PageLayout) -> list[tuple[str, str]]:
    """Kind and first three words of each block."""
    return [
        (
            block.kind,
            " ".join(word.text for word in page.words[block.first : min(block.end, block.first + 3)]),
        )
        for block in page.blocks
    ]


def box(row: int, column: int, end_row: int, end_column: int) -> Box:
    """The place of some characters of a drawing."""
    return Box(
        LEFT + ADVANCE * column,
        TOP + LEADING * row,
        LEFT + ADVANCE * end_column,
        TOP + LEADING * end_row - 4,
    )


def sized(marks: PageMarks, sizes: dict[str, float], *, bold: tuple[str, ...] = ()) -> PageMarks:
    """The same with words that have another size of type, which grows up from their baseline, or bold."""

    def word(each: Word) -> Word:
        size = sizes.get(each.text, 10.0)
        top = each.box.bottom - size
        return replace(each, box=each.box._replace(top=top), font_size=size, bold=each.text in bold)

    return replace(marks, words=tuple(map(word, marks.words)))


def test_a_title_over_two_columns_is_first_and_what_spans_them_parts_them() -> None:
    page = arrange(
        sketch_marks(
            """
           alpha title of the page that spans both

alpha one sit amet dolor co       delta one adipisicing elit
alpha two eiusmod tempor in       delta two dolore magna aliq
alpha three minim veniam qu       delta three exercitation ul
alpha four ut aliquip ex ea       delta four consequat duis a

gamma a line that goes from the left column to the right one

omega one sit amet dolor co       sigma one adipisicing elit
omega two eiusmod tempor in       sigma two dolore magna aliq
omega three minim veniam qu       sigma three exercitation ul
"""
        )
    )
    firsts = [line.split()[0] for line in page.text.split("\n") if line]
    assert firsts == ["alpha"] * 5 + ["delta"] * 4 + ["gamma"] + ["omega"] * 3 + ["sigma"] * 3


def test_three_columns() -> None:
    rows = [
        f"a{n} dolor sit amet et     b{n} elit sed do eiusmo     c{n} magna aliqua ut ad" for n in range(6)
    ]
    page = arrange(sketch_marks("\n".join(rows)))
    firsts = [line.split()[0] for line in page.text.split("\n") if line]
    assert firsts == [f"{column}{n}" for column in "abc" for n in range(6)]


def test_a_column_that_is_longer_than_its_neighbour_is_read_to_its_end() -> None:
    page = arrange(
        sketch_marks(
            """
a1 dolor sit amet co ad     b1 elit sed do eiusmod
a2 dolor sit amet co ad     b2 elit sed do eiusmod
a3 dolor sit amet co ad     b3 elit sed do eiusmod
a4 dolor sit amet co ad
a5 dolor sit
"""
        )
    )
    assert [line[:2] for line in page.text.split("\n") if line] == [
        "a1",
        "a2",
        "a3",
        "a4",
        "a5",
        "b1",
        "b2",
        "b3",
    ]


def test_labels_are_read_with_their_values_and_addresses_one_after_the_other() -> None:
    page = arrange(
        sketch_marks(
            """
Seller Ltd                 Invoice No:   NW-20391
12 Main Street             Date:         2025-03-14
London E1 6AN              Customer:     Jane Miller
"""
        )
    )
    assert page.text == (
        "Seller Ltd\n12 Main Street\nLondon E1 6AN\n\n"
        "Invoice No: NW-20391\nDate: 2025-03-14\nCustomer: Jane Miller"
    )


def test_labels_without_colons_are_told_by_values_one_of_them_a_code() -> None:
    page = arrange(
        sketch_marks(
            """
Number                     A/85226
Supplier                   Meridian Supplies
Buyer                      Harrow Trading
Effective date             11/17/2025
Contract value             $14,866.43
""",
            reader="rapidocr",
        )
    )
    assert [line.replace(" |", "") for line in page.text.split("\n") if line] == [
        "Number A/85226",
        "Supplier Meridian Supplies",
        "Buyer Harrow Trading",
        "Effective date 11/17/2025",
        "Contract value $14,866.43",
    ]


def test_lines_of_a_receipt_are_read_across() -> None:
    page = arrange(
        sketch_marks(
            """
CORNER MARKET

MILK 2L                3.49
BREAD                  2.99

TOTAL                  6.48
"""
        )
    )
    assert [line.replace(" |", "") for line in page.text.split("\n") if line] == [
        "CORNER MARKET",
        "MILK 2L 3.49",
        "BREAD 2.99",
        "TOTAL 6.48",
    ]


@pytest.mark.parametrize("shift", [-3.0, 3.0])
def test_superscripts_are_words_of_their_line(shift: float) -> None:
    marks = sketch_marks("area in m2 of the house\nand of the garden")
    small = [
        replace(word, font_size=6.0, box=Box(word.box.left, 38.0 + shift, word.box.left + 4, 44.0 + shift))
        if word.text == "m2"
        else word
        for word in marks.words
    ]
    assert arrange(replace(marks, words=tuple(small))).text == "area in m2 of the house\nand of the garden"


def test_a_residual_skew_does_not_mix_lines() -> None:
    lines = [f"line{n} " + "word " * 14 for n in range(12)]
    marks = sketch_marks("\n".join(lines))
    turned = tuple(
        replace(
            word,
            box=Box(*(edge + (0.004 * word.box.left if n % 2 else 0.0) for n, edge in enumerate(word.box))),
        )
        for word in marks.words
    )
    page = arrange(replace(marks, words=turned))
    assert [line.split()[0] for line in page.text.split("\n")] == [f"line{n}" for n in range(12)]


def test_headings_have_levels_by_size() -> None:
    picture = """
Chapter

Section

Plain text of the first paragraph that goes on
for some lines and ends here.

Part

Plain text of another paragraph that goes on for
some lines and ends here as well.
"""
    page = arrange(sized(sketch_marks(picture), {"Chapter": 18.0, "Section": 14.0}, bold=("Part",)))
    assert [(block.kind, block.level) for block in page.blocks] == [
        ("heading", 1),
        ("heading", 2),
        ("paragraph", 0),
        ("heading", 3),
        ("paragraph", 0),
    ]


def test_indented_first_lines_part_paragraphs() -> None:
    page = arrange(
        sketch_marks(
            """
Plain text of the first paragraph that goes on for
some lines and ends here.
  Another paragraph that goes on for some lines of
the page, and then it ends there.
"""
        )
    )
    assert [kind for kind, _ in blocks(page)] == ["paragraph", "paragraph"]


def test_bullets_stand_with_their_text_and_make_a_list() -> None:
    page = arrange(
        sketch_marks(
            """
These are the points that we want to make:

•    First point of the list which goes on
     over a second line of the page
•    Second point
•    Third point
"""
        )
    )
    assert blocks(page)[1][0] == "list"
    assert page.text.split("\n\n")[1] == (
        "• First point of the list which goes on\nover a second line of the page\n"
        "• Second point\n• Third point"
    )


def test_a_caption_is_paired_with_its_figure_and_words_in_a_picture_are_the_figures() -> None:
    marks = sketch_marks(
        """
Plain text of a paragraph above the figure that
goes on for two lines.



   East     West


Figure 3: Regions and what they are.

Plain text of a paragraph below the figure that
goes on for two lines.
"""
    )
    page = arrange(replace(marks, pictures=(box(3, 0, 8, 40),)))
    assert blocks(page) == [
        ("paragraph", "Plain text of"),
        ("figure", "East West"),
        ("caption", "Figure 3: Regions"),
        ("paragraph", "Plain text of"),
    ]
    (figure,) = page.figures
    assert figure.caption == 2
    assert page.blocks[1].item == 0


def test_a_picture_that_text_is_printed_on_is_no_figure() -> None:
    marks = sketch_marks("\n".join("plain text on a ground of colour" for _ in range(12)))
    page = arrange(replace(marks, pictures=(Box(0, 0, 595, 842), box(0, 0, 12, 40))))
    assert page.figures == ()


def test_page_numbers_and_small_lines_at_the_edges_are_running_lines() -> None:
    body = "\n".join(["plain text of the page that goes on"] * 40)
    marks = sketch_marks(
        f"Chapter Three          17\n\n\n{body}\n\n\n\n\n\n\n\n\n\n\n                 - 17 -"
    )
    raised = tuple(
        replace(word, box=word.box._replace(top=word.box.top - 12, bottom=word.box.bottom - 12))
        if word.box.top < 40
        else word
        for word in marks.words
    )
    page = arrange(replace(marks, words=raised))
    assert [kind for kind, _ in blocks(page)] == ["header", "paragraph", "footer"]
