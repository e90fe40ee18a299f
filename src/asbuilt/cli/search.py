"""`asbuilt search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asbuilt.cli.output import BlueprintOption, JsonOption, note, parse_filters, print_json

if TYPE_CHECKING:
    from asbuilt.knowledge import SearchState
    from asbuilt.retrieval.hybrid import Explanation
    from asbuilt.types import Hit

__all__ = ["search"]


def search(
    query: Annotated[str, typer.Argument(help="What you look for.", metavar="QUERY")],
    top_k: Annotated[int, typer.Option("-k", "--top-k", min=1, max=1000, help="How many passages.")] = 5,
    collection: Annotated[str | None, typer.Option(help="Only this collection.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only passages whose metadata match.", metavar="KEY=VALUE")
    ] = None,
    explain: Annotated[bool, typer.Option(help="Show ranks and scores of each side, and times.")] = False,
    blueprint: BlueprintOption = Path("blueprint.yaml"),
    json: JsonOption = False,
) -> None:
    """Search the knowledge base."""
    from asbuilt.system import System

    filters: dict[str, Any] = dict(parse_filters(where or []))
    if collection is not None:
        filters["collection"] = collection
    with System.load(blueprint) as system:
        explanation = system.explain(query, top_k=top_k, filters=filters)
        state = system.knowledge.state()
    if json:
        print_json([_as_json(hit, explain=explain) for hit in explanation.hits])
    else:
        for rank, hit in enumerate(explanation.hits, start=1):
            _show(rank, hit, explain=explain)
        if explain:
            _show_times(explanation)
        if not explanation.hits:
            note("Nothing relevant found.")
    _tell_progress(state)


def _as_json(hit: Hit, *, explain: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from asbuilt.retrieval.hybrid import metadata_of

    result: dict[str, Any] = {
        "content": hit.chunk.text,
        "score": hit.score,
        "metadata": metadata_of(hit.chunk),
    }
    if explain:
        result["sides"] = {side: asdict(score) for side, score in hit.sides.items()}
    return result


def _show(rank: int, hit: Hit, *, explain: bool) -> None:
    chunk = hit.chunk
    page = f" page {chunk.page}" if chunk.page else ""
    typer.echo(f"{rank}. {chunk.source}{page} [{chunk.start}:{chunk.end}] score {hit.score:.3f}")
    if chunk.headings:
        typer.echo(f"   {' > '.join(chunk.headings)}")
    if explain:
        for side, score in hit.sides.items():
            typer.echo(f"   {side}: rank {score.rank}, score {score.score:.4f}")
    lines = [line for line in chunk.text.strip().splitlines() if line.strip()]
    for line in lines[:4]:
        typer.echo(f"   | {line[:160]}")
    typer.echo("")


def _show_times(explanation: Explanation) -> None:
    stages = ", ".join(f"{stage} {ms:.1f} ms" for stage, ms in explanation.times_ms.items())
    typer.echo(f"times: {stages}")
    typer.echo(f"fusion: {explanation.fusion}")


def _tell_progress(state: SearchState) -> None:
    if state.embedded < state.chunks:
        note(
            f"Embeddings: {state.embedded} of {state.chunks} chunks; the rest is found by terms only. "
            "Run `asbuilt ingest` to go on."
        )
