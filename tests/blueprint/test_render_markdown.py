"""Markdown that reads back, with a Markdown parser, as exactly the text it was made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from asbuilt.blueprint import (
    ComponentSpec,
    ComponentStatus,
    DataSpec,
    EvaluationMetric,
    EvaluationPlan,
    LoadSpec,
    PortSpec,
)
from asbuilt.blueprint.render.markdown import (
    code,
    component_markdown,
    escaped,
    evaluation_markdown,
    heading,
    prose,
    table,
)

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = st.text("ab1 |\\`*_[]()<>#&;!~$:/@-+.=\"'\n", max_size=12) | st.text(
    st.characters(exclude_characters="\0"),  # CommonMark replaces it
    max_size=12,
)


def text_of(token: Token) -> str:
    """What a reader sees; any markup that is no plain text or code shows up by its name."""
    shown = {"text": "", "code_inline": "", "softbreak": "\n", "hardbreak": "\n"}
    return "".join(
        child.content + shown[child.type] if child.type in shown else f"<{child.type}>"
        for child in token.children or ()
    )


def cells(markdown: str) -> list[str]:
    return [text_of(token) for token in PARSER.parse(markdown) if token.type == "inline"]


def one_line(text: str) -> str:
    return " ".join(text.split())


@given(st.lists(NASTY, min_size=2, max_size=2))
def test_a_cell_holds_its_text(texts: list[str]) -> None:
    markdown = table(("one", "two"), [[escaped(text) for text in texts]])
    assert cells(markdown) == ["one", "two", *map(one_line, texts)]


@given(NASTY.filter(str.strip))
def test_code_in_a_cell_is_as_it_was(text: str) -> None:
    line = one_line(text)
    if "\\|" in line or "\\" in line:  # a table knows no other way to write a pipe
        return
    assert cells(table(("type",), [[code(text, in_table=True)]])) == ["type", line]


@given(NASTY)
def test_paragraphs_are_text(text: str) -> None:
    paragraphs = [token for token in PARSER.parse(prose(text)) if token.type == "inline"]
    assert all(token.level == 1 for token in paragraphs)
    seen = "\n".join(text_of(token) for token in paragraphs).split()
    assert seen == text.split()
    assert {token.type for token in PARSER.parse(prose(text))} <= {
        "paragraph_open", "paragraph_close", "inline",
    }  # fmt: skip


@given(NASTY.filter(str.strip))
def test_a_heading_is_its_text(text: str) -> None:
    assert [token.tag for token in PARSER.parse(heading(2, text)) if token.type == "heading_open"] == ["h2"]
    assert cells(heading(2, text)) == [one_line(text)]


def test_a_built_component() -> None:
    component = ComponentSpec(
        "retriever",
        "Find passages",
        (PortSpec("query", "str | None", "a | b"),),
        notes="First.\n\n# Second",
        status=ComponentStatus.IN_PROGRESS,
        use="retriever/hybrid",
        needs={"embedder": "words", "tools": (), "reranker": None},
        config={"top_k": 5},
        title="RAG *Retriever*",
    )
    assert (
        component.to_markdown()
        == component_markdown(component)
        == r"""### RAG \*Retriever\*

Find passages

- **Name**: `retriever`
- **Played by**: `retriever/hybrid`
- **Status**: built; by hand: in_progress
- **Estimated hours**: not estimated
- **Needs**: embedder = words, tools = none, reranker = none
- **Config**: `{"top_k": 5}`

**Inputs**

| name | type | description |
|---|---|---|
| query | `str \| None` | a \| b |

**Notes**

First.

\# Second"""
    )


def test_an_evaluation_plan() -> None:
    plan = EvaluationPlan(
        "CLI assistant",
        (
            EvaluationMetric("retrieval", target=">= 90 %", measure="recall@5", data="known"),
            EvaluationMetric("satisfaction", "Users' ratings", ">= 4 of 5", frequency="weekly"),
        ),
        (DataSpec("known", "data/known.jsonl"), DataSpec("ratings", description="thumbs")),
        ("1. terms only", "# the model"),
        (LoadSpec("steady", "known", rate_per_s=10),),
    )
    assert (
        plan.to_markdown()
        == evaluation_markdown(plan)
        == r"""# Evaluation plan: CLI assistant

## Metrics

| metric | target | measure | data | how often | description |
|---|---|---|---|---|---|
| retrieval | >= 90 % | `recall@5` | known | | |
| satisfaction | >= 4 of 5 | *planned* | | weekly | Users' ratings |

## Data sets

| name | file | description |
|---|---|---|
| known | `data/known.jsonl` | |
| ratings | *planned* | thumbs |

## Loads

| name | route | requests/s | arrivals | for (s) | warm-up (s) | time-out (s) | data |
|---|---|---|---|---|---|---|---|
| steady | chat | 10 | poisson | 60 | 5 | 30 | known |

## Baselines

- 1\. terms only
- \# the model"""
    )
    assert EvaluationPlan().to_markdown() == "# Evaluation plan\n\n## Metrics\n\nNo metric is planned yet."
