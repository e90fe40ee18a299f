"""A sentence encoder that trains in a second, with the starter embedder's tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from asbuilt.retrieval.starter_models import minilm_folder


def tiny_bert(folder: Path, *, pooling: str = "mean", **config: Any) -> Path:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(3)
    stated = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "vocab_size": 30522,
        "max_position_embeddings": 64,
    }
    BertModel(BertConfig(**{**stated, **config}), add_pooling_layer=False).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(minilm_folder() / name, folder / name)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_cls_token": pooling == "cls"})
    )
    return folder
