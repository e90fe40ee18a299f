"""The recipe of training on preferences, on a model that trains in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("trl")

from tests.training.tiny_chat import colours, prepared, tiny_chat  # noqa: E402

from asbuilt.errors import UserError  # noqa: E402
from asbuilt.lineage import TrainingProgress, TrainingRow  # noqa: E402
from asbuilt.registry import resolve  # noqa: E402
from asbuilt.training.recipes.dpo import DpoConfig, main  # noqa: E402
from asbuilt.training.rendering import render  # noqa: E402
from asbuilt.training.run_folder import metrics_of  # noqa: E402

pytestmark = pytest.mark.slow
DATA = prepared(colours(8), colours(2, first=50))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_chat(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def config(base: Path, tmp_path: Path) -> DpoConfig:
    return DpoConfig(
        data="",
        folder=str(tmp_path / "run"),
        base=str(base),
        rank=4,
        learning_rate=0.01,
        epochs=3,
        batch=4,
        micro_batch=2,
        check_every=2,
        patience=None,
        precision="fp32",
    )


def margin(model: Any, tokenizer: Any, row: TrainingRow) -> float:
    """Log-probability of the better reply less that of the worse, computed plainly."""
    worse = replace(row.messages[-1], content=row.worse or "")
    found = []
    for each in (row, replace(row, messages=(*row.messages[:-1], worse))):
        rendered = render(each, tokenizer)
        ids = torch.tensor([[*rendered.prompt_ids, *rendered.reply_ids]])
        with torch.no_grad():
            said = model(ids).logits[0, :-1].log_softmax(-1)
        of_tokens = said.gather(1, ids[0, 1:, None])[:, 0]
        found.append(float(of_tokens[-len(rendered.reply_ids) :].sum()))
    return found[0] - found[1]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT 0.21 asks for it
def test_the_better_reply_gains_on_the_worse_one(config: DpoConfig, base: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trained = main(config, data=DATA)
    assert (trained.recipe, trained.method, trained.steps) == ("dpo", "lora", 6)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base)
    rows = (*DATA.train, *DATA.validation)
    before = [margin(model, tokenizer, row) for row in rows]
    model = PeftModel.from_pretrained(model, trained.folder)
    after = [margin(model, tokenizer, row) for row in rows]
    assert all(late > early + 1 for early, late in zip(before, after, strict=True))
    first = metrics_of(Path(config.folder))[0]
    assert first["loss"] == pytest.approx(0.6931, abs=1e-3)  # ln 2: the model is still its reference


def test_an_interrupted_training_ends_like_one_that_was_not(config: DpoConfig, tmp_path: Path) -> None:
    def stop(progress: TrainingProgress) -> None:
        if progress.step > 3:
            raise KeyError

    whole = main(config, data=DATA)
    again = replace(config, folder=str(tmp_path / "again"))
    with pytest.raises(KeyError):
        main(again, data=DATA, progress=stop)
    assert main(again, data=DATA).train_loss == whole.train_loss


def test_rows_without_a_worse_reply_teach_no_preference(config: DpoConfig) -> None:
    rows = [replace(row, worse=None) for row in DATA.train]
    with pytest.raises(UserError, match="no row to train on has a worse reply"):
        main(config, data=prepared(rows))


def test_a_worse_reply_that_is_empty_is_told(config: DpoConfig) -> None:
    rows = [replace(DATA.train[0], worse=" ")]
    with pytest.raises(UserError, match=r"1 row .* with an empty reply"):
        main(config, data=prepared(rows))


def test_the_trainer_that_a_blueprint_names(config: DpoConfig, tmp_path: Path) -> None:
    trainer = resolve("trainer/dpo")(base=config.base, rank=4, max_steps=1, precision="fp32")
    with pytest.raises(UserError, match=r"trainer/dpo has no setting 'betta'. Did you mean 'beta'"):
        trainer.with_settings({"betta": 1})
    trained = trainer.with_settings({"beta": 0.2}).train(DATA, tmp_path / "out")
    assert trained.settings["beta"] == 0.2
