"""Rendering with the starter model's own tokenizer and chat template."""

from __future__ import annotations

import pytest

from asbuilt.errors import MissingError
from asbuilt.generation.models import STARTER
from asbuilt.lineage import DataCard, PreparedData, TrainingRow
from asbuilt.training.preflight import preflight
from asbuilt.training.rendering import NOT_LEARNT, tokenize
from asbuilt.types import Message

pytestmark = pytest.mark.slow


def test_the_starters_template_teaches_the_reply_and_its_end() -> None:
    transformers = pytest.importorskip("transformers")
    from asbuilt.training.gguf_base import training_folder

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(training_folder(STARTER))
    except MissingError as error:
        pytest.skip(str(error))
    row = TrainingRow(
        (
            Message("system", "Be brief."),
            Message("user", "How do I copy a file?"),
            Message("assistant", "aws s3 cp a.txt s3://b/ [1]"),
        ),
        "s",
        "file:r:1",
    )
    tokenized = tokenize(row, tokenizer, max_tokens=512)
    learnt = [label for label in tokenized.labels if label != NOT_LEARNT]
    assert tokenizer.decode(learnt) == "aws s3 cp a.txt s3://b/ [1]<|im_end|>"
    assert tokenizer.decode(tokenized.input_ids) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHow do I copy a file?<|im_end|>\n"
        "<|im_start|>assistant\naws s3 cp a.txt s3://b/ [1]<|im_end|>"
    )
    found = preflight(PreparedData((row,), (), DataCard(1, 1, 0, "", "")), tokenizer, max_tokens=512)
    assert (found.faults, found.warnings, found.ended) == ((), (), 1)
