"""A blueprint on a machine: statuses, memory, notes, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.planning.drawings import CHUNKER, EMBEDDER, EXACT, QDRANT, drawn, model

from asbuilt import registry
from asbuilt.catalog import Catalog, NewVersion
from asbuilt.errors import NotFoundError, UserError
from asbuilt.planning import plan
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand, MemoryPart
from asbuilt.resources.machines import GIB, custom_machine, find_machine
from asbuilt.roles import Tool
from asbuilt.types import ChunkDraft, Document

SHARED = MemoryPart("library", 1000, "test", shared="lib")


class QuietTool:
    """Says nothing about memory."""

    def call(self, arguments: Mapping[str, Any]) -> str:
        return ""


class HeavyTool(QuietTool):
    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:
        return Demand((SHARED, MemoryPart("table", 500, "test")))


class RefusedTool(QuietTool):
    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:
        raise UserError("the table is damaged.", hint="Load it again.")


@pytest.fixture(autouse=True, scope="module")
def parts() -> None:
    for name, cls in (("quiet", QuietTool), ("heavy", HeavyTool), ("refused", RefusedTool)):
        component(f"tool/plan-{name}")(cls)
    assert registry.ROLES["tool"].protocol is Tool


def test_a_component_without_a_demand_is_not_stated_and_never_zero(tmp_path: Path) -> None:
    made = plan(drawn("quiet: {use: tool/plan-quiet, purpose: Be quiet}"), folder=tmp_path)
    assert made.not_stated == ("quiet",)
    assert {row.component for row in made.memory.rows} == {"process"}


def test_what_components_share_counts_once(tmp_path: Path) -> None:
    made = plan(
        drawn("a: {use: tool/plan-heavy, purpose: One}", "b: {use: tool/plan-heavy, purpose: Two}"),
        folder=tmp_path,
    )
    told = [(row.component, row.part.name) for row in made.memory.rows if row.component != "process"]
    assert told == [("a", "library"), ("a", "table"), ("b", "table")]
    assert (
        made.memory.total_bytes
        == plan(drawn("c: {purpose: None}"), folder=tmp_path).memory.total_bytes + 2000
    )


def test_a_refusal_names_its_component(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^t: the table is damaged\. Load it again\.$"):
        plan(drawn("t: {use: tool/plan-refused, purpose: Fail}"), folder=tmp_path)


def test_statuses_come_from_evidence(tmp_path: Path) -> None:
    made = plan(drawn("later: {purpose: Wait, status: complete}", EMBEDDER), folder=tmp_path)
    assert {each.name: (each.status, each.typed_status.value) for each in made.components} == {
        "later": ("planned", "complete"),
        "embedder": ("importable", "planned"),
    }


def test_a_published_model_is_planned_before_it_is_there(tmp_path: Path) -> None:
    made = plan(
        drawn(model("llama-3.1-70b", precision="q4_k_m", context_tokens=8192, slots=2)), folder=tmp_path
    )
    sizes = {row.part.name: row.part.bytes for row in made.memory.rows}
    assert sizes["weights"] == pytest.approx(42.52e9, rel=0.01)  # the published file
    assert sizes["KV cache"] == 327_680 * 2 * 8192
    assert made.fits
    [forecast] = made.forecasts
    assert forecast.tokens_per_s is not None
    assert 3.5 < forecast.tokens_per_s.expected < 5.5  # published: 4.0 to 4.5 in four bits


def test_wrong_names_are_corrected_aloud(tmp_path: Path) -> None:
    made = plan(drawn(model("llama 3.3 8b")), folder=tmp_path)
    assert any("there is no Llama 3.3 8B" in note for note in made.notes)
    assert any("no precision is stated" in note for note in made.notes)


def test_chunks_come_from_the_catalogue_when_there_are_any(tmp_path: Path) -> None:
    blueprint = drawn(EMBEDDER, EXACT)
    assert plan(blueprint, folder=tmp_path).chunks_from.startswith("assumed")
    catalog = Catalog(file=tmp_path / ".asbuilt" / "catalog.sqlite")
    catalog.open()
    draft = ChunkDraft(text="one", start=0, end=3)
    document = Document(text="one", media_type="text/plain")
    version = NewVersion(
        source="a", document=document, content_hash="", recipe="t", chunks=[draft], contexts=[""]
    )
    catalog.add_versions("default", [version], job_id=catalog.start_job("default"))
    catalog.switch_ready("")
    catalog.close()
    made = plan(blueprint, folder=tmp_path)
    assert (made.chunks, made.chunks_from) == (1, "in the catalogue")
    assert plan(blueprint, folder=tmp_path, chunks=77).chunks == 77


@pytest.mark.parametrize("index", [EXACT, QDRANT])
def test_an_index_grows_with_chunks_and_with_the_embedders_vectors(index: str, tmp_path: Path) -> None:
    def size(chunks: int, dim: int) -> int:
        blueprint = drawn(f"embedder: {{use: embedder/fake, purpose: Embed, config: {{dim: {dim}}}}}", index)
        return plan(blueprint, folder=tmp_path, chunks=chunks).memory.total_bytes

    assert size(0, 384) < size(100_000, 384) < size(200_000, 384)
    assert size(100_000, 1024) - size(100_000, 384) >= 100_000 * 640 * 4


def test_an_index_whose_vectors_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^vectors: the length of the vectors is not known"):
        plan(drawn(QDRANT), folder=tmp_path)


def test_readers_count_where_documents_can_come(tmp_path: Path) -> None:
    made = plan(drawn(CHUNKER, EMBEDDER, EXACT), folder=tmp_path)
    assert "readers" in {row.part.name for row in made.memory.rows}


def test_a_card_and_its_host_are_filled_apart(tmp_path: Path) -> None:
    machine = find_machine("rtx-4090")
    made = plan(drawn(model(precision="q4_k_m"), EMBEDDER, EXACT), folder=tmp_path, machine=machine)
    [gpu] = made.memory.fits
    on_device = sum(row.part.bytes for row in made.memory.rows if row.part.on_device)
    assert gpu.memory == "GPU"
    assert gpu.need_bytes == on_device
    assert made.memory.process_bytes + on_device == made.memory.serving_bytes


def test_layers_left_in_main_memory_leave_the_card(tmp_path: Path) -> None:
    machine = custom_machine(memory_gib=24, host_gib=64, bandwidth_gbs=900)
    whole, half = (
        plan(drawn(model(precision="q8_0", gpu_layers=layers)), folder=tmp_path, machine=machine)
        for layers in (-1, 16)
    )
    assert half.memory.fits[0].need_bytes < 0.6 * whole.memory.fits[0].need_bytes
    assert half.memory.fits[1].need_bytes > 3 * GIB
    assert half.memory.total_bytes == whole.memory.total_bytes
    assert half.forecasts[0].tokens_per_s is None
    assert "two memories" in half.forecasts[0].note


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "lama-9-70b"}, "llm: no published model is known as 'lama-9-70b'. Nearest: "),
        ({"name": "nowhere.gguf"}, "llm: no model 'nowhere.gguf'"),
        ({"name": "bge-m3"}, "llm: BGE-M3 writes no text"),
        ({"precision": "q4_k_x"}, "llm: no precision is called 'q4_k_x'. Did you mean"),
        (
            {"context_tokens": 200_000},
            "llm: context_tokens is 200000, but 'llama-3.1-8b' was trained on 131072",
        ),
        ({"context_tokens": 0}, "llm: context_tokens is 0; it must be at least 1"),
    ],
)
def test_what_cannot_be_is_one_line(config: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises((UserError, NotFoundError)) as refused:
        plan(drawn(model(**config)), folder=tmp_path)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_corrupt_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cut.gguf"
    file.write_bytes(b"GGUF\x03\x00\x00\x00and then nothing")
    with pytest.raises(UserError, match="is not a whole GGUF model file"):
        plan(drawn(model(str(file))), folder=tmp_path)


def test_gpu_layers_need_a_gpu(tmp_path: Path) -> None:
    from asbuilt.resources.machines import Machine

    no_gpu = Machine(name="old", memory_bytes=GIB, usable_bytes=GIB, unified=True, device="CPU")
    with pytest.raises(UserError, match="gpu_layers is 20, but the target has no GPU"):
        plan(drawn(model(gpu_layers=20)), folder=tmp_path, machine=no_gpu)
    assert not any(
        row.part.on_device for row in plan(drawn(model(slots=1)), folder=tmp_path, machine=no_gpu).memory.rows
    )
