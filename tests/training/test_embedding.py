"""The recipe for sentence embedders, its export and its proof, on an encoder that trains in a second."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("datasets")

from safetensors.numpy import load_file, save_file  # noqa: E402
from tests.training.tiny_bert import tiny_bert  # noqa: E402
from tests.training.tiny_chat import prepared  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from asbuilt.errors import LimitError, UserError  # noqa: E402
from asbuilt.lineage import TrainedModel, TrainingProgress, TrainingRow  # noqa: E402
from asbuilt.retrieval.onnx_folder import OnnxFolderEmbedder  # noqa: E402
from asbuilt.training import memory  # noqa: E402
from asbuilt.training.embedder_base import embedder_folder  # noqa: E402
from asbuilt.training.embedder_export import export_embedder, prove_embedder  # noqa: E402
from asbuilt.training.embedder_memory import embedder_training_bytes, refuse_what_cannot_fit  # noqa: E402
from asbuilt.training.recipes import embedding  # noqa: E402
from asbuilt.training.recipes.embedding import EmbeddingConfig, main  # noqa: E402
from asbuilt.training.run_folder import metrics_of  # noqa: E402
from asbuilt.types import Message  # noqa: E402

pytestmark = pytest.mark.slow

HIDDEN = {
    "kettle": "river",
    "lantern": "stone",
    "umbrella": "cloud",
    "bicycle": "maple",
    "carpet": "copper",
    "piano": "velvet",
    "wardrobe": "thunder",
    "teapot": "pepper",
    "ladder": "winter",
    "mirror": "violin",
    "curtain": "orchid",
    "blanket": "harbour",
}
THINGS, WORDS = list(HIDDEN), list(HIDDEN.values())


def row(at: int, *, worse: bool = True) -> TrainingRow:
    """A thing is found by a word that has nothing to do with it."""
    other = WORDS[(at + 1) % len(WORDS)]
    said = (
        Message("user", f"Where is the {THINGS[at]}?"),
        Message("assistant", f"It is behind the {WORDS[at]}."),
    )
    return TrainingRow(said, THINGS[at], f"file:x:{at}", f"It is behind the {other}." if worse else None)


DATA = prepared([row(at) for at in range(12)], [row(at) for at in range(4)])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_bert(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def config(base: Path, tmp_path: Path) -> EmbeddingConfig:
    """Ten epochs of three steps; a checkpoint every four."""
    return EmbeddingConfig(
        data="",
        folder=str(tmp_path / "run"),
        base=str(base),
        learning_rate=0.003,
        epochs=10,
        batch=4,
        max_tokens=16,
        base_share=0,
        check_every=4,
        patience=None,
    )


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("trained")
    settings: dict[str, Any] = {
        "learning_rate": 0.003,
        "epochs": 20,
        "batch": 4,
        "max_tokens": 16,
        "base_share": 0,
    }
    given = EmbeddingConfig(
        data="", folder=str(folder), base=str(base), check_every=10, patience=None, **settings
    )
    return main(given, data=DATA)


def losses(folder: str | Path) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in metrics_of(Path(folder)) if "loss" in line}


def texts() -> list[str]:
    return [message.content for each in DATA.train for message in each.messages]


def vectors(folder: Path) -> Any:
    embedder = OnnxFolderEmbedder(folder_path=folder)
    embedder.open()
    return embedder.embed(texts())


def test_a_question_comes_nearest_to_its_passage(trained: TrainedModel, tmp_path: Path) -> None:
    exported = export_embedder(trained, tmp_path, precision="f32")
    found = vectors(exported.file.parent)
    questions, passages = found[0::2], found[1::2]
    assert (questions @ passages.T).argmax(axis=1).tolist() == list(range(12))
    told = losses(trained.folder.parent)
    assert told[1] > 1.5  # that of a guess among four passages and four worse ones is log 8
    assert told[60] < 0.1


def test_an_interrupted_training_gives_the_same_losses(config: EmbeddingConfig, tmp_path: Path) -> None:
    class InterruptionError(Exception):
        pass

    def stop(progress: TrainingProgress) -> None:
        if progress.step == 10:
            raise InterruptionError

    whole = main(replace(config, folder=str(tmp_path / "whole")), data=DATA)
    with pytest.raises(InterruptionError):
        main(config, data=DATA, progress=stop)
    resumed = main(config, data=DATA)
    assert losses(resumed.folder.parent) == losses(whole.folder.parent)
    ours, theirs = (load_file(each.folder / "model.safetensors") for each in (resumed, whole))
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_progress_counts_the_tokens_that_were_read(config: EmbeddingConfig, base: Path) -> None:
    seen: list[TrainingProgress] = []
    main(replace(config, batch=12, max_steps=2), data=DATA, progress=seen.append)
    assert [each.step for each in seen] == [1, 2]
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    read = [*texts(), *(each.worse or "" for each in DATA.train)]
    count = sum(len(each.ids) for each in tokenizer.encode_batch(read))
    tokens = [line["tokens"] for line in metrics_of(Path(config.folder)) if "tokens" in line]
    assert tokens == [count, 2 * count]


def test_a_passage_that_answers_two_questions_is_pushed_from_neither() -> None:
    tokens = {"query_ids": [1, 2], "passage_ids": [3, 4], "worse_ids": []}
    rows = [tokens, {**tokens, "query_ids": [1, 5]}, {**tokens, "passage_ids": [6], "worse_ids": [3, 4]}]

    class Padding:
        def pad(self, given: dict[str, Any], **_: Any) -> dict[str, Any]:
            return given

    same = embedding._step(rows, Padding())["same"]
    assert same.tolist() == [[False, True, False, True], [True, False, False, True], [False] * 4]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_export_gives_the_vectors_that_were_trained(pooling: str, tmp_path: Path) -> None:
    base = tiny_bert(tmp_path / "base", pooling=pooling, hidden_size=48, num_hidden_layers=3)
    config = EmbeddingConfig(data="", folder=str(tmp_path / "run"), base=str(base), batch=4, max_steps=2)
    trained = main(config, data=DATA)
    proof = prove_embedder(trained, export_embedder(trained, tmp_path / "f32", precision="f32"), texts())
    assert proof.passed
    assert proof.same == proof.texts == 24
    assert proof.least > 0.99999
    proof = prove_embedder(trained, export_embedder(trained, tmp_path / "int8", precision="int8"), texts())
    assert 0.96 <= proof.least < 0.99999


def test_other_weights_are_not_proven(trained: TrainedModel, tmp_path: Path) -> None:
    exported = export_embedder(trained, tmp_path / "export", precision="f32")
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in trained.folder.iterdir():
        if file.is_file():
            (changed / file.name).write_bytes(file.read_bytes())
    weights = load_file(changed / "model.safetensors")
    name = "encoder.layer.1.output.dense.weight"
    save_file({**weights, name: -weights[name]}, changed / "model.safetensors")
    proof = prove_embedder(replace(trained, folder=changed), exported, texts())
    assert not proof.passed
    assert "vectors reach a cosine of 0.9999 with the trained one's" in proof.faults[0]


def test_prefixes_are_those_of_training_in_serving(config: EmbeddingConfig, tmp_path: Path) -> None:
    prefixes: dict[str, Any] = {"query_prefix": "query: ", "passage_prefix": "passage: "}
    trained = main(replace(config, max_steps=1, **prefixes), data=DATA)
    folder = export_embedder(trained, tmp_path / "export", precision="f32").file.parent
    bare = OnnxFolderEmbedder(folder_path=folder, query_prefix="", passage_prefix="")
    stated = OnnxFolderEmbedder(folder_path=folder)
    for each in (bare, stated):
        each.open()
    assert np.array_equal(stated.embed(["a"], kind="query"), bare.embed(["query: a"]))
    assert np.array_equal(stated.embed(["a"]), bare.embed(["passage: a"]))
    long = ["word " * 40]
    assert np.array_equal(bare.embed(long), bare.embed(["word " * 14]))  # cut at 16 tokens, as in training


def test_the_weights_are_between_those_of_training_and_base(
    config: EmbeddingConfig, base: Path, tmp_path: Path
) -> None:
    def of(share: float) -> dict[str, Any]:
        given = replace(config, max_steps=3, base_share=share, folder=str(tmp_path / f"{share}"))
        return dict(load_file(main(given, data=DATA).folder / "model.safetensors"))

    trained, between, began = of(0), of(0.25), load_file(base / "model.safetensors")
    name = "encoder.layer.0.output.dense.weight"
    assert not np.allclose(trained[name], began[name], atol=1e-4)
    assert np.allclose(between[name], 0.75 * trained[name] + 0.25 * began[name], atol=1e-6)


class TestRefused:
    def test_a_conversation(self, config: EmbeddingConfig) -> None:
        said = (Message("system", "Be kind."), *row(0).messages)
        data = prepared([replace(row(0), messages=said), row(1)], [])
        with pytest.raises(UserError, match=r"file:x:0 is a conversation of 3 messages; an embedder learns"):
            main(config, data=data)

    def test_one_row(self, config: EmbeddingConfig) -> None:
        with pytest.raises(UserError, match="one row has nothing to be compared with"):
            main(config, data=prepared([row(0)], []))

    def test_fewer_rows_than_a_step_sees_are_one_step(self, config: EmbeddingConfig) -> None:
        trained = main(replace(config, batch=64, epochs=3), data=prepared([row(at) for at in range(5)], []))
        assert trained.steps == 3
        assert math.isfinite(trained.train_loss)

    def test_what_does_not_fit(self, config: EmbeddingConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "_free_bytes", lambda _: 10**8)
        with pytest.raises(
            LimitError, match=r"of up to \d+ tokens and \d+ texts of up to \d+ tokens at once.*smaller batch"
        ):
            main(config, data=DATA)
        assert not (Path(config.folder) / "checkpoints").exists()

    def test_what_does_not_fit_twice(self, config: EmbeddingConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        base = embedder_folder(config.base)
        once = embedder_training_bytes(base, texts=((4, 20), (4, 40)))
        monkeypatch.setattr(memory, "_free_bytes", lambda _: once * 3 // 2)
        refuse_what_cannot_fit(base, texts=((4, 20), (4, 40)), gpu=False)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
        refuse_what_cannot_fit(base, texts=((4, 20), (4, 40)), gpu=True)  # each has a GPU of its own
        with pytest.raises(LimitError, match="2 processes, each with 4 texts of up to 20 tokens and 4 texts"):
            refuse_what_cannot_fit(base, texts=((4, 20), (4, 40)), gpu=False)

    def test_another_kind_of_encoder(self, config: EmbeddingConfig, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "config.json").write_text('{"model_type": "mpnet"}')
        with pytest.raises(UserError, match="an encoder of type 'mpnet', and only those of type 'bert'"):
            main(replace(config, base=str(tmp_path / "other")), data=DATA)

    def test_no_model(self, config: EmbeddingConfig) -> None:
        with pytest.raises(UserError, match=r"no embedder 'some/name' to train.*hf download some/name"):
            main(replace(config, base="some/name"), data=DATA)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"batch": 1}, "batch is 1; it must be at least 2"),
            ({"max_tokens": 7}, "max_tokens is 7; it must be at least 8"),
            ({"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
            ({"patience": 0}, "patience is 0; it must be at least 1"),
            ({"base_share": 1.0}, "base_share is 1.0; it must be at least 0 and below 1"),
        ],
    )
    def test_settings(self, settings: dict[str, Any], message: str, config: EmbeddingConfig) -> None:
        with pytest.raises(UserError, match=message):
            replace(config, **settings)
