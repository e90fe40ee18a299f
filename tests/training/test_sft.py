"""The recipe of supervised fine-tuning, on a model that trains in a second."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("trl")

from safetensors.numpy import load_file  # noqa: E402
from tests.training.tiny_chat import colours, prepared, row, tiny_chat  # noqa: E402

from asbuilt.errors import LimitError, StorageError, UserError  # noqa: E402
from asbuilt.lineage import PreparedData, TrainedModel, TrainingProgress  # noqa: E402
from asbuilt.training import memory  # noqa: E402
from asbuilt.training.data_files import write_data  # noqa: E402
from asbuilt.training.label_loss import loss_on_labels  # noqa: E402
from asbuilt.training.recipes.sft import SftConfig, main  # noqa: E402
from asbuilt.training.row_order import rows_in_order  # noqa: E402
from asbuilt.training.run_folder import RunFolder, metrics_of  # noqa: E402

pytestmark = pytest.mark.slow
DATA = prepared(colours(16), colours(4, first=50))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_chat(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def config(base: Path, tmp_path: Path) -> SftConfig:
    """Two epochs of four steps; a checkpoint every two."""
    return SftConfig(
        data="",
        folder=str(tmp_path / "run"),
        base=str(base),
        rank=4,
        learning_rate=0.02,
        epochs=2,
        batch=4,
        check_every=2,
        patience=None,
        precision="fp32",
    )


class InterruptionError(Exception):
    pass


def stop_after(step: int) -> Any:
    def tell(progress: TrainingProgress) -> None:
        if progress.step > step:
            raise InterruptionError

    return tell


def losses(folder: str | Path, name: str = "loss") -> dict[int, float]:
    return {line["step"]: line[name] for line in metrics_of(Path(folder)) if name in line}


def weights(trained: TrainedModel) -> dict[str, Any]:
    return {k: v for file in trained.folder.glob("*.safetensors") for k, v in load_file(file).items()}


def test_the_loss_falls_and_the_folder_has_all_that_it_should(config: SftConfig) -> None:
    told: list[TrainingProgress] = []
    trained = main(config, data=DATA, progress=told.append)
    folder = Path(config.folder)
    by_step = losses(folder)
    assert [each.step for each in told] == list(by_step) == list(range(1, 9))
    assert by_step[8] < by_step[1] - 0.5
    assert sorted(file.name for file in folder.iterdir()) == [
        "lock",
        "loss.svg",
        "metrics.jsonl",
        "model",
        "settings.json",
        "trained.json",
    ]
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= {
        file.name for file in trained.folder.iterdir()
    }
    assert (trained.steps, trained.method, trained.recipe) == (8, "lora", "sft")
    assert trained.validation_loss == min(losses(folder, "validation_loss").values())
    assert trained.peak_memory_bytes > 50_000_000
    assert main(config, data=DATA) == trained  # nothing is trained twice


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("interrupted_after", [1, 3, 7])
def test_an_interrupted_training_ends_like_one_that_was_not(
    config: SftConfig, tmp_path: Path, method: Any, interrupted_after: int
) -> None:
    config = replace(config, method=method, learning_rate=0.02 if method == "lora" else 3e-3)
    whole = main(config, data=DATA)
    again = replace(config, folder=str(tmp_path / "again"))
    with pytest.raises(InterruptionError):
        main(again, data=DATA, progress=stop_after(interrupted_after))
    resumed = main(again, data=DATA)
    assert losses(again.folder) == losses(config.folder)
    assert losses(again.folder, "validation_loss") == losses(config.folder, "validation_loss")
    expected, found = weights(whole), weights(resumed)
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert (resumed.steps, resumed.train_loss) == (whole.steps, whole.train_loss)


KILLED = """
import os, signal, sys
from asbuilt.training.recipes import sft
from asbuilt.training.recipes.command import run_recipe
at, where = int(sys.argv.pop()), sys.argv.pop()

def tell(progress):
    if where == "step" and progress.step == at:
        os.kill(os.getpid(), signal.SIGKILL)

if where == "save":
    from asbuilt.training.run_folder import RunFolder
    complete = RunFolder.complete
    def killed(self, step):
        if step == at:
            os.kill(os.getpid(), signal.SIGKILL)
        complete(self, step)
    RunFolder.complete = killed
sys.exit(run_recipe(sft.SftConfig, lambda config, progress: sft.main(config, progress=tell)))
"""


@pytest.mark.parametrize(("where", "step"), [("step", 6), ("save", 4)])
def test_a_killed_training_goes_on(config: SftConfig, tmp_path: Path, where: str, step: int) -> None:
    whole = main(config, data=DATA)
    write_data(DATA, tmp_path / "data")
    again = replace(config, folder=str(tmp_path / "again"), data=str(tmp_path / "data"))
    file = tmp_path / "config.json"
    file.write_text(json.dumps({name: getattr(again, name) for name in SftConfig.__dataclass_fields__}))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(file), where, str(step)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (killed.stdout, killed.stderr) == ("", "")  # no library tells the terminal anything
    resumed = main(again, data=DATA)
    assert losses(again.folder) == losses(config.folder)
    expected, found = weights(whole), weights(resumed)
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_a_checkpoint_without_its_marker_is_not_used(config: SftConfig) -> None:
    run = RunFolder(Path(config.folder), config={})
    for step, whole in ((2, True), (4, True), (10, False)):
        (run.checkpoints / f"checkpoint-{step}").mkdir(parents=True)
        if whole:
            run.complete(step)
    assert run.last_checkpoint() == str(run.checkpoints / "checkpoint-4")
    assert not (run.checkpoints / "checkpoint-10").exists()


def test_a_folder_is_of_one_training(config: SftConfig) -> None:
    with pytest.raises(InterruptionError):
        main(config, data=DATA, progress=stop_after(1))
    with pytest.raises(UserError, match=r"rank 4 there, 8 now.*another folder"):
        main(replace(config, rank=8), data=DATA)
    with pytest.raises(UserError, match="other settings: data"):
        main(config, data=prepared(colours(8)))
    main(replace(config, threads=1), data=DATA)  # goes on


def test_of_two_trainings_at_once_one_is_refused(config: SftConfig) -> None:
    refused: list[str] = []

    def second(_: TrainingProgress) -> None:
        if not refused:
            with pytest.raises(UserError, match="another training is at work") as caught:
                main(config, data=DATA)
            refused.append(str(caught.value))

    trained = main(config, data=DATA, progress=second)
    assert refused
    assert trained.steps == 8


def test_two_threads_one_wins(config: SftConfig) -> None:
    ends: list[object] = []
    together = threading.Barrier(2)

    def work() -> None:
        together.wait()
        try:
            ends.append(main(replace(config, epochs=0.5), data=DATA).steps)
        except UserError as error:
            ends.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert 2 in ends
    assert all(end == 2 or "another training is at work" in str(end) for end in ends)


def test_a_loss_that_is_no_number_ends_it_and_the_checkpoint_stays(
    config: SftConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Trainer

    step = Trainer.training_step

    def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = step(self, *args, **kwargs)
        return loss * float("nan") if self.state.global_step == 4 else loss

    monkeypatch.setattr(Trainer, "training_step", broken)
    with pytest.raises(UserError, match=r"the loss is nan at step 5\. Take a lower learning_rate"):
        main(config, data=DATA)
    last = RunFolder(Path(config.folder), config={}).last_checkpoint()
    assert last is not None
    assert last.endswith("checkpoint-4")
    assert not (Path(config.folder) / "model").exists()


def test_it_ends_when_the_validation_loss_gets_no_better(config: SftConfig) -> None:
    unlike = prepared([row("Say a", "bbbbbbbb", number=i) for i in range(16)], [row("Say a", "zyxwvuts")])
    trained = main(replace(config, epochs=20, patience=2), data=unlike)
    checks = losses(config.folder, "validation_loss")
    best = min(checks, key=lambda step: checks[step])
    assert trained.steps == best + 2 * 2 < 80
    assert trained.validation_loss == checks[best]


def test_full_training_in_bfloat16_changes_every_matrix(config: SftConfig, base: Path) -> None:
    trained = main(
        replace(config, method="full", precision="bf16", learning_rate=3e-3, checkpointing=True), data=DATA
    )
    before, after = load_file(base / "model.safetensors"), weights(trained)
    assert before.keys() == after.keys()
    assert all(not np.array_equal(before[name], after[name]) for name in before)
    by_step = losses(config.folder)
    assert by_step[8] < by_step[1] - 0.5


def test_lora_in_bfloat16_with_checkpointing(config: SftConfig) -> None:
    main(replace(config, precision="bf16", checkpointing=True), data=DATA)
    by_step = losses(config.folder)
    assert by_step[8] < by_step[1] - 0.3


def test_lora_may_be_of_some_layers(config: SftConfig) -> None:
    trained = main(replace(config, layers=(1, 2), epochs=0.5), data=DATA)
    assert {".layers.1." in name for name in weights(trained)} == {True}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": (1, 9)}, r"layers 1 to 9 are not within those of the model, 0 to 2"),
        ({"targets": ("q_proj", "query")}, r"no matrix of this llama model is called 'query'"),
    ],
)
def test_lora_of_what_is_not_there(config: SftConfig, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(replace(config, **change), data=DATA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"micro_batch": 0}, "micro_batch is 0"),
        ({"micro_batch": 3}, "does not divide"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"epochs": 0}, "epochs is 0"),
    ],
)
def test_settings_that_mean_nothing(config: SftConfig, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        replace(config, **change)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (prepared([]), "there is no row to train on"),
        (prepared([row("word " * 60, "Yes.")]), "no token of their reply within max_tokens = 128"),
    ],
)
def test_data_that_nothing_can_be_learnt_from(config: SftConfig, data: PreparedData, message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(replace(config, max_tokens=128), data=data)


def test_one_row_is_enough(config: SftConfig) -> None:
    trained = main(replace(config, epochs=3), data=prepared(colours(1)))
    assert (trained.steps, trained.validation_loss) == (3, None)


def test_what_does_not_fit_is_refused_before_loading(
    config: SftConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_free_bytes", lambda gpu: 1000)
    with pytest.raises(LimitError, match="GiB are free"):
        main(config, data=DATA)


def test_a_full_disk_leaves_the_checkpoint_before(config: SftConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Trainer

    save = Trainer._save_optimizer_and_scheduler

    def full(self: Any, folder: str) -> None:
        if folder.endswith("-6"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(self, folder)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_save_optimizer_and_scheduler", full)
        with pytest.raises(StorageError, match=r"No space left on device.*Make room"):
            main(config, data=DATA)
    resumed = main(config, data=DATA)
    assert resumed.steps == 8
    assert list(losses(config.folder)) == list(range(1, 9))


NO_ROOM = """
import resource, sys
from asbuilt.training.recipes import sft
from asbuilt.training.recipes.command import run_recipe
limit = int(sys.argv.pop())
def tell(progress):
    if progress.step == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(run_recipe(sft.SftConfig, lambda config, progress: sft.main(config, progress=tell)))
"""


@pytest.mark.parametrize("limit", [8_000, 60_000])
def test_files_that_cannot_be_written_are_told_in_one_line(
    config: SftConfig, tmp_path: Path, limit: int
) -> None:
    """The system refuses longer files: first the adapter's (safetensors), then the optimizer's (torch)."""
    write_data(DATA, tmp_path / "data")
    file = tmp_path / "config.json"
    values = {name: getattr(config, name) for name in SftConfig.__dataclass_fields__}
    file.write_text(json.dumps({**values, "data": str(tmp_path / "data")}))
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(file), str(limit)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("the training cannot write to ")
    assert done.stderr.count("\n") == 1
    assert main(replace(config, data=str(tmp_path / "data"))).steps == 8


def test_a_moved_folder_goes_on(config: SftConfig, tmp_path: Path) -> None:
    with pytest.raises(InterruptionError):
        main(config, data=DATA, progress=stop_after(5))
    shutil.move(config.folder, tmp_path / "moved")
    trained = main(replace(config, folder=str(tmp_path / "moved")), data=DATA)
    assert trained.steps == 8
    assert not Path(config.folder).exists()


@pytest.mark.parametrize("micro_batch", [1, 2, 4])
def test_the_loss_is_the_cross_entropy_over_all_labels_of_a_step(
    config: SftConfig, base: Path, micro_batch: int
) -> None:
    """Against one forward pass over all rows and all positions."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from asbuilt.training.rendering import tokenize

    uneven = [row("a" * 7 * i, "b" * (1 + 11 * i), number=i) for i in range(4)]
    main(replace(config, micro_batch=micro_batch, max_steps=1), data=prepared(uneven))
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base)
    total, count = 0.0, 0
    with torch.no_grad():
        for each in uneven:
            tokens = tokenize(each, tokenizer, max_tokens=1024)
            logits = model(torch.tensor([tokens.input_ids])).logits[0, :-1]
            wanted = torch.tensor(tokens.labels[1:])
            total += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
            count += int((wanted != -100).sum())
    assert losses(config.folder)[1] == pytest.approx(total / count, rel=1e-5)


def test_the_order_of_rows_is_of_seed_and_epoch() -> None:
    from datasets import Dataset

    class Plain:
        train_dataset = Dataset.from_dict({"input_ids": [[0] * (i % 7 + 1) for i in range(40)]})
        args = type(
            "", (), {"train_batch_size": 2, "gradient_accumulation_steps": 2, "data_seed": 5, "world_size": 1}
        )
        state = type("", (), {"epoch": 0.0})

    trainer = rows_in_order(Plain)()
    first = list(trainer._get_train_sampler())
    torch.randperm(10)
    assert list(trainer._get_train_sampler()) == first
    trainer.state.epoch = 0.1 * 3 + 0.7 - 1e-12
    second = list(trainer._get_train_sampler())
    assert second != first
    assert sorted(second) == sorted(first) == list(range(40))


def test_label_loss_needs_no_labels_outside_of_replies() -> None:
    seen: list[int] = []

    class Model:
        def __call__(self, *, input_ids: Any, use_cache: bool, logits_to_keep: Any) -> Any:
            seen.extend(logits_to_keep.tolist())
            return type("", (), {"logits": torch.zeros(len(input_ids), len(logits_to_keep), 5)})

    class Plain:
        def __init__(self) -> None:
            self.accelerator = type("", (), {"num_processes": 2})

    ids = torch.zeros(2, 6, dtype=torch.long)
    labels = torch.tensor([[-100, -100, -100, 1, 2, -100], [-100, -100, 3, 4, -100, -100]])
    trainer = loss_on_labels(Plain)()
    loss = trainer.compute_loss(Model(), {"input_ids": ids, "labels": labels}, num_items_in_batch=8)
    assert seen == [1, 2, 3]
    assert float(loss) == pytest.approx(4 * np.log(5) / 8 * 2)
