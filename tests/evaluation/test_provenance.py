"""What a run says of the models that it was done with."""

from __future__ import annotations

from pathlib import Path

from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import SystemSpec
from asbuilt.evaluation.provenance import describe
from asbuilt.model_registry import ModelRegistry
from asbuilt.system import System


def test_a_generator_from_a_registry_is_described_by_what_is_in_production(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    llm = ComponentSpec("llm", "Write", use="generator/registry", config={"registry": "models"})
    blueprint = Blueprint(system=SystemSpec(name="s", purpose="Writes"), components=(llm,))

    def described() -> object:
        with System(blueprint, folder=tmp_path) as system:
            return describe(system, {}, asked={})["models"]["llm"]

    assert described() == {"use": "generator/registry", "production": None}
    a, b = (
        registry.register({"model.gguf": data}, name="m", kind="merged", base="b", base_digest="").version
        for data in (b"1", b"2")
    )
    registry.promote(a)
    assert described() == {"use": "generator/registry", "production": a}
    registry.start_canary(b, share=0.5)
    assert described() == {
        "use": "generator/registry",
        "production": a,
        "canary": {"version": b, "share": 0.5},
    }
