"""A llama of two layers with random weights and a tokenizer of bytes, as a folder that transformers reads."""

from __future__ import annotations

from pathlib import Path

from tests.training.chat_tokenizer import CHATML

from asbuilt.lineage import DataCard, PreparedData, TrainingRow, rows_digest
from asbuilt.types import Message

CONTROL = ("<|im_start|>", "<|im_end|>", "<|pad|>")


def tiny_chat(folder: Path, *, template: str | None = CHATML) -> Path:
    """Every byte is a token."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate((*CONTROL, *letters))}
    bytewise = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytewise,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = template
    torch.manual_seed(3)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=2,
            tie_word_embeddings=False,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def row(question: str, reply: str, *, worse: str | None = None, number: int = 0) -> TrainingRow:
    messages = (Message("user", question), Message("assistant", reply))
    return TrainingRow(messages, source=f"s{number}", origin=f"file:rows.jsonl:{number}", worse=worse)


def prepared(rows: list[TrainingRow], validation: list[TrainingRow] | None = None) -> PreparedData:
    held = validation or []
    card = DataCard(
        collected=len(rows) + len(held),
        train=len(rows),
        validation=len(held),
        train_digest=rows_digest(rows),
        validation_digest=rows_digest(held),
    )
    return PreparedData(tuple(rows), tuple(held), card)


def colours(number: int, *, first: int = 0) -> list[TrainingRow]:
    """Rows of different lengths with one thing to learn."""
    names = ("red", "green", "dark blue")
    return [
        row(f"Colour of item {i}{'?' * (i % 5)}", f"It is {names[i % 3]}.", worse="No idea.", number=i)
        for i in range(first, first + number)
    ]
