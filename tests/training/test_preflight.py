"""What is checked is what is trained: the reply and its end, after the prompt as served."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.training.chat_tokenizer import CHATML, WordTokenizer

from asbuilt.errors import UserError
from asbuilt.lineage import DataCard, PreparedData, TrainingRow
from asbuilt.training.preflight import preflight
from asbuilt.training.rendering import NOT_LEARNT, render, rendered_prompt, tokenize
from asbuilt.types import Message

Q, A = Message("user", "When do keys expire?"), Message("assistant", "After 90 days.")
ROW = TrainingRow((Q, A), "s", "file:r.jsonl:1")


def data(*rows: TrainingRow, validation: Sequence[TrainingRow] = ()) -> PreparedData:
    card = DataCard(len(rows), len(rows), len(validation), "", "")
    return PreparedData(rows, tuple(validation), card)


def learnt(tokenizer: WordTokenizer, row: TrainingRow, max_tokens: int = 1000) -> str:
    tokenized = tokenize(row, tokenizer, max_tokens=max_tokens)
    assert len(tokenized.input_ids) == len(tokenized.labels)
    return tokenizer.text(label for label in tokenized.labels if label != NOT_LEARNT)


def test_only_the_last_reply_and_its_end_of_turn_are_learnt() -> None:
    tokenizer = WordTokenizer()
    row = TrainingRow((Message("system", "Be brief."), Q, A, Message("user", "Sure?"), A), "s", "o")
    assert learnt(tokenizer, row) == "After 90 days.<|im_end|>"
    ids = tokenize(row, tokenizer, max_tokens=1000).input_ids
    assert tokenizer.text(ids) == rendered_prompt(row.messages[:-1], tokenizer) + "After 90 days.<|im_end|>"


words = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=3), st.integers(1, 60))
def test_labels_are_the_ids_of_the_reply_and_a_cut_keeps_the_start(
    turns: list[tuple[str, str]], limit: int
) -> None:
    tokenizer = WordTokenizer()
    messages = [m for asked, said in turns for m in (Message("user", asked), Message("assistant", said))]
    row = TrainingRow(tuple(messages), "s", "o")
    whole, cut = (tokenize(row, tokenizer, max_tokens=most) for most in (10_000, limit))
    assert (cut.input_ids, cut.labels) == (whole.input_ids[:limit], whole.labels[:limit])
    first = next(at for at, label in enumerate(whole.labels) if label != NOT_LEARNT)
    assert whole.labels[first:] == whole.input_ids[first:]
    assert set(whole.labels[:first]) == {NOT_LEARNT}
    assert whole.input_ids[-1] == tokenizer.eos_token_id
    assert tokenizer.text(whole.input_ids[first:-1]) == turns[-1][1]


def test_a_sound_set_has_no_fault_and_its_figures_are_counted() -> None:
    found = preflight(data(ROW, validation=[ROW]), WordTokenizer(), max_tokens=100)
    assert (found.faults, found.warnings) == ((), ())
    prompt = len(render(ROW, WordTokenizer()).prompt_ids)
    assert (found.rows, found.ended, found.cut, found.cut_replies) == (2, 2, 0, 0)
    assert found.tokens == 2 * found.longest
    assert found.learnt_tokens == 2 * 6  # After, space, 90, space, days., end
    assert found.longest == prompt + 6
    assert found.learnt_share == found.learnt_tokens / found.tokens
    found.refuse_if_faulty()


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        (CHATML.replace("{{ message.content }}<|im_end|>", "{{ message.content }}"), "does not end the turn"),
        (CHATML.replace("<|im_start|>assistant\n{% endif", "<|im_start|>bot\n{% endif"), "another prompt"),
        (CHATML.replace("{{ message.content }}", "{{ message.content | upper }}"), "as it stands"),
        ("{{ raise_exception('roles must alternate') }}", "refuses the row: roles must alternate"),
        (None, "has no chat template"),
    ],
)
def test_a_broken_template_is_a_fault(template: str | None, fault: str) -> None:
    found = preflight(data(ROW), WordTokenizer(template), max_tokens=100)
    assert len(found.faults) == 1
    assert fault in found.faults[0]
    with pytest.raises(UserError, match="cannot be trained on"):
        found.refuse_if_faulty()


def test_a_template_that_is_given_stands_for_the_tokenizers_own() -> None:
    found = preflight(data(ROW), WordTokenizer(None), max_tokens=100, template=CHATML)
    assert found.faults == ()
    assert "<|im_start|>" in tokenizer_text(template=CHATML)


def tokenizer_text(template: str) -> str:
    tokenizer = WordTokenizer(None)
    return tokenizer.text(tokenize(ROW, tokenizer, max_tokens=99, template=template).input_ids)


def test_a_template_that_strips_replies_is_none_to_refuse() -> None:
    template = CHATML.replace("{{ message.content }}", "{{ message.content | trim }}")
    row = TrainingRow((Q, Message("assistant", " Yes. \n")), "s", "o")
    assert learnt(WordTokenizer(template), row) == "Yes.<|im_end|>"


def test_a_control_token_in_a_reply_is_a_fault_but_a_mere_added_token_is_text() -> None:
    row = TrainingRow((Q, Message("assistant", "Yes.<|im_end|>\n<|im_start|>user")), "s", "file:r.jsonl:9")
    [fault] = preflight(data(row), WordTokenizer(), max_tokens=100).faults
    assert "file:r.jsonl:9: the reply holds a control token" in fault
    plain = TrainingRow((Q, Message("assistant", "Call <tool> now.")), "s", "o")
    assert learnt(WordTokenizer(), plain) == "Call <tool> now.<|im_end|>"


def test_empty_replies_and_no_rows_are_faults() -> None:
    blank = TrainingRow((Q, Message("assistant", " \n")), "s", "file:r.jsonl:2")
    [fault] = preflight(data(ROW, blank), WordTokenizer(), max_tokens=100).faults
    assert fault == "1 row (file:r.jsonl:2) with an empty reply."
    [fault] = preflight(data(), WordTokenizer(), max_tokens=100).faults
    assert fault == "there is no row to train on."


def test_what_a_cut_takes_away() -> None:
    tokenizer = WordTokenizer()
    prompt = len(render(ROW, tokenizer).prompt_ids)
    whole = prompt + 6
    assert preflight(data(ROW), tokenizer, max_tokens=whole).cut == 0
    ends = preflight(data(ROW), tokenizer, max_tokens=whole - 1)
    assert (ends.cut, ends.cut_replies, ends.ended, ends.faults) == (1, 0, 0, ())
    assert "1 of 1 rows are cut off" in ends.warnings[0]
    assert preflight(data(ROW), tokenizer, max_tokens=prompt + 1).faults == ()
    [fault] = preflight(data(ROW), tokenizer, max_tokens=prompt).faults
    assert "1 of 1 rows have no token of their reply" in fault


def test_an_engine_that_renders_otherwise_is_a_fault() -> None:
    tokenizer = WordTokenizer()
    same = preflight(
        data(ROW), tokenizer, max_tokens=100, served=lambda asked: rendered_prompt(asked, tokenizer)
    )
    assert same.faults == ()
    other = preflight(
        data(ROW), tokenizer, max_tokens=100, served=lambda asked: rendered_prompt(asked, tokenizer) + " "
    )
    assert other.faults == (
        "the engine renders another prompt than the template for 1 row (file:r.jsonl:1).",
    )


def test_an_end_of_turn_that_is_no_end_of_text_is_a_warning() -> None:
    found = preflight(data(ROW), WordTokenizer(eos="<|endoftext|>"), max_tokens=100)
    assert found.faults == ()
    assert "turns end with [1], which is not the tokenizer's end of text (2)" in found.warnings[0]


def test_few_learnt_tokens_are_a_warning() -> None:
    row = TrainingRow((Message("user", "word " * 1000), A), "s", "o")
    [warning] = preflight(data(row), WordTokenizer(), max_tokens=10_000).warnings
    assert warning.startswith("only 0.3% of the tokens are learnt")
