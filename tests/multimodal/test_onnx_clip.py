from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.multimodal.clip_models import write_clip, write_graph, write_settings, write_siglip

from asbuilt.errors import BugError, NotFoundError, UserError
from asbuilt.multimodal.clip_folder import family_of, graph_files, picture_steps, text_steps
from asbuilt.multimodal.onnx_clip import OnnxClipEncoder
from asbuilt.pages import PageLayout
from asbuilt.testing.vision_encoder_contract import VisionEncoderContract, painted

PAGE = PageLayout(1, 595, 842)
RED = painted((255, 0, 0))


class TestClip(VisionEncoderContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], Any]:
        write_clip(tmp_path)
        return lambda: OnnxClipEncoder(path=tmp_path, threads=1)


class TestSiglip(VisionEncoderContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], Any]:
        write_siglip(tmp_path)
        return lambda: OnnxClipEncoder(path=tmp_path, threads=1)


class TestHalfPrecision(VisionEncoderContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], Any]:
        write_siglip(tmp_path, half=True)
        return lambda: OnnxClipEncoder(path=tmp_path, threads=1)


class TestFixedShapes(VisionEncoderContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], Any]:
        write_clip(tmp_path, tokens=77, edge=16)
        return lambda: OnnxClipEncoder(path=tmp_path, threads=1)


def opened(folder: Path, **config: Any) -> OnnxClipEncoder:
    encoder = OnnxClipEncoder(path=folder, threads=1, **config)
    encoder.open()
    return encoder


def stated(folder: Path, **changes: Any) -> Path:
    """preprocessor_config.json with other values; None takes one away."""
    file = folder / "preprocessor_config.json"
    steps = json.loads(file.read_text()) | changes
    write_settings(
        folder, preprocessor_config={key: value for key, value in steps.items() if value is not None}
    )
    return folder


# ---------------------------------------------------------------- where files are


def test_graphs_are_found_in_the_folder_and_in_its_onnx(tmp_path: Path) -> None:
    with pytest.raises(
        NotFoundError, match=r"neither vision_model\.onnx with text_model\.onnx nor model\.onnx"
    ):
        graph_files(tmp_path)
    write_graph(tmp_path / "onnx" / "model.onnx")
    assert graph_files(tmp_path) == (tmp_path / "onnx" / "model.onnx",) * 2
    write_graph(tmp_path / "onnx" / "vision_model_quantized.onnx")
    with pytest.raises(NotFoundError, match=r"vision_model_quantized\.onnx with text_model_quantized\.onnx"):
        graph_files(tmp_path, variant="quantized")
    write_graph(tmp_path / "model.onnx")
    assert graph_files(tmp_path) == (tmp_path / "model.onnx",) * 2
    write_graph(tmp_path / "onnx" / "text_model_quantized.onnx")
    assert graph_files(tmp_path, variant="quantized")[1].name == "text_model_quantized.onnx"


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer.json"])
def test_a_file_that_is_missing_or_broken_is_named(tmp_path: Path, name: str) -> None:
    file = write_clip(tmp_path) / name
    for content in ("{", "[]"):
        file.write_text(content)
        with pytest.raises(UserError, match=name) as caught:
            opened(tmp_path)
        assert "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(NotFoundError, match=f"{name} does not exist"):
        opened(tmp_path)


def test_a_graph_that_is_none_is_named(tmp_path: Path) -> None:
    (write_clip(tmp_path) / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match=r"model\.onnx cannot be loaded"):
        opened(tmp_path)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    write_settings(write_clip(tmp_path), config={"model_type": "bert"})
    with pytest.raises(UserError, match="model_type 'bert'; it must be a CLIP or SigLIP model"):
        opened(tmp_path)
    for kind, family in (("clip", "clip"), ("siglip2", "siglip")):
        write_settings(tmp_path, config={"model_type": kind})
        assert family_of(tmp_path) == family


# ---------------------------------------------------------------- graphs


def test_unknown_inputs_are_named(tmp_path: Path) -> None:
    write_clip(tmp_path, extra="spatial_shapes")
    with pytest.raises(UserError, match="inputs pixel_values, input_ids, attention_mask, spatial_shapes"):
        opened(tmp_path)


def test_unknown_outputs_are_named(tmp_path: Path) -> None:
    write_clip(tmp_path, outputs=("last_hidden_state", "text_embeds"))
    with pytest.raises(UserError, match="outputs last_hidden_state, text_embeds; it must have image_embeds"):
        opened(tmp_path)


def test_a_clip_that_was_exported_without_its_projections_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path)
    write_graph(tmp_path / "vision_model.onnx", sides="vision", outputs=("pooler_output",))
    write_graph(tmp_path / "text_model.onnx", sides="text", outputs=("text_embeds",))
    with pytest.raises(UserError, match=r"must have image_embeds\. Export the model with its projections"):
        opened(tmp_path)


def test_one_graph_must_say_which_of_its_outputs_is_the_picture(tmp_path: Path) -> None:
    write_siglip(tmp_path)
    (tmp_path / "onnx" / "text_model.onnx").unlink()
    write_graph(tmp_path / "model.onnx", outputs=("pooler_output", "text_embeds"))
    with pytest.raises(UserError, match=r"outputs pooler_output, text_embeds; it must have image_embeds\."):
        opened(tmp_path)


def test_a_vector_without_a_length_is_refused(tmp_path: Path) -> None:
    encoder = opened(stated(write_clip(tmp_path), do_normalize=False))
    with pytest.raises(UserError, match=r"the model's image_embeds has the length 0\.0"):
        encoder.encode(np.zeros((20, 20, 3), np.uint8), PAGE)


def test_two_graphs_are_taken_before_one(tmp_path: Path) -> None:
    write_clip(tmp_path, extra="unknown")
    write_graph(tmp_path / "vision_model.onnx", sides="vision", outputs=("image_embeds",))
    write_graph(tmp_path / "text_model.onnx", sides="text", outputs=("text_embeds",))
    assert opened(tmp_path).encode(RED, PAGE) is not None


def test_vectors_of_two_lengths_are_refused(tmp_path: Path) -> None:
    write_clip(tmp_path, wide=True)
    with pytest.raises(UserError, match="3 numbers for pictures and 5 for words"):
        opened(tmp_path)


def test_a_graph_of_another_size_than_its_settings_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path, edge=32)
    with pytest.raises(UserError, match="does not take what its settings state") as caught:
        opened(tmp_path)
    assert "\n" not in str(caught.value)


def test_it_must_be_open(tmp_path: Path) -> None:
    encoder = OnnxClipEncoder(path=tmp_path)  # cheap: nothing is read
    with pytest.raises(BugError):
        encoder.encode(RED, PAGE)
    with pytest.raises(BugError):
        encoder.encode_query("red")


def test_the_recipe_changes_with_weights_and_settings(tmp_path: Path) -> None:
    recipes = {OnnxClipEncoder(path=write_clip(tmp_path)).recipe}
    stated(tmp_path, resample=2)
    recipes.add(OnnxClipEncoder(path=tmp_path).recipe)
    (tmp_path / "model.onnx_data").write_bytes(b"weights")
    recipes.add(OnnxClipEncoder(path=tmp_path).recipe)
    assert len(recipes) == 3


def test_demand_counts_each_file_once(tmp_path: Path) -> None:
    write_clip(tmp_path)
    (tmp_path / "model.onnx_data").write_bytes(bytes(1_000_000))
    config = {"path": tmp_path, "variant": "", "threads": None}
    [weights] = [part for part in OnnxClipEncoder.demand(config, None).parts if part.name == "weights"]  # type: ignore[arg-type]
    assert 1_000_000 < weights.bytes < 1_200_000


# ---------------------------------------------------------------- pictures


def test_the_middle_of_a_page_is_cut_out(tmp_path: Path) -> None:
    steps = picture_steps(write_clip(tmp_path))
    page = np.zeros((64, 32, 3), np.uint8)
    page[16:48] = 255  # the middle square, and a little more than can be seen of it
    assert steps.apply(page).shape == (1, 3, 16, 16)
    assert steps.apply(page)[0, :, 2:14].min() == pytest.approx(1)
    page[:] = (255, 0, 51)
    np.testing.assert_allclose(steps.apply(page)[0, :, 8, 8], [1, -1, -0.6], atol=1e-6)


def test_all_of_a_page_is_squeezed_where_nothing_is_cut(tmp_path: Path) -> None:
    steps = picture_steps(write_siglip(tmp_path))
    page = np.zeros((64, 32, 3), np.uint8)
    page[:32] = 255
    seen = steps.apply(page)
    assert seen.shape == (1, 3, 16, 12)
    assert seen[0, 0, 0, 0] == pytest.approx(1)
    assert seen[0, 0, -1, 0] == pytest.approx(-1)


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({"size": 16}, (16, 16)),
        ({"size": 20, "do_center_crop": False}, (20, 20)),
        ({"size": {"shortest_edge": 20}, "do_center_crop": False}, (40, 20)),
        ({"size": {"height": 10, "width": 30}, "do_center_crop": False}, (10, 30)),
        ({"crop_size": 24}, (24, 24)),  # larger than the picture, whose edge is 16
        ({"do_resize": False, "do_center_crop": False}, (64, 32)),
        ({"do_center_crop": None, "crop_size": None}, (32, 16)),
    ],
)
def test_sizes(tmp_path: Path, changes: dict[str, Any], shape: tuple[int, int]) -> None:
    steps = picture_steps(stated(write_clip(tmp_path), **changes))
    assert steps.apply(np.zeros((64, 32, 3), np.uint8)).shape == (1, 3, *shape)


def test_pixels_are_resampled_as_it_is_stated(tmp_path: Path) -> None:
    write_clip(tmp_path)
    stripes = np.zeros((160, 160, 3), np.uint8)
    stripes[::2] = 255
    nearest, box = (picture_steps(stated(tmp_path, resample=number)).apply(stripes) for number in (0, 4))
    assert np.unique(nearest).size == 1
    np.testing.assert_allclose(box, 0, atol=0.01)
    assert abs(nearest[0, 0, 0, 0]) == pytest.approx(1)
    assert picture_steps(stated(tmp_path, resample=None)) == picture_steps(stated(tmp_path, resample=3))


def test_a_long_strip_stays_small(tmp_path: Path) -> None:
    steps = picture_steps(stated(write_clip(tmp_path), do_center_crop=False))
    assert steps.apply(np.zeros((1, 20_000, 3), np.uint8)).shape == (1, 3, 16, 512)


def test_levels_are_left_alone_where_it_is_stated(tmp_path: Path) -> None:
    steps = picture_steps(stated(write_clip(tmp_path), do_rescale=False, do_normalize=False))
    assert steps.apply(np.full((20, 20, 3), 200, np.uint8)).max() == 200


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"size": {"longest_edge": 16}}, r"size \{'longest_edge': 16\}; it must have shortest_edge"),
        ({"size": None}, "size None"),
        ({"size": {"shortest_edge": 0}}, "size"),
        ({"crop_size": {"height": "16"}}, "crop_size"),
        ({"image_mean": [0.5]}, r"image_mean \[0.5\]; it must be 3 numbers"),
        ({"image_std": [0.5, 0, 0.5]}, "none may be 0"),
        ({"resample": 17}, "resample"),
        ({"rescale_factor": "much"}, "rescale_factor"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        picture_steps(stated(write_clip(tmp_path), **changes))


# ---------------------------------------------------------------- words


def test_clip_reads_a_text_at_its_own_length_and_at_most_77_tokens(tmp_path: Path) -> None:
    steps = text_steps(write_clip(tmp_path), "clip")
    ids, mask = steps.apply("Red blue")
    assert ids.tolist() == [[2, 3, 1]]
    assert mask.tolist() == [[1, 1, 1]]
    long, _ = steps.apply("red " * 200)
    assert long.shape == (1, 77)
    assert long[0, -1] == 1


def test_siglip_pads_to_64_in_lower_case_without_punctuation(tmp_path: Path) -> None:
    steps = text_steps(write_siglip(tmp_path), "siglip")
    ids, mask = steps.apply("RED! ,  blue")
    assert ids.tolist() == [[2, 3, 1, *[5] * 61]]
    assert mask.sum() == 3
    assert steps.apply("red " * 200)[0].shape == (1, 64)


def test_siglip_2_keeps_punctuation(tmp_path: Path) -> None:
    write_siglip(tmp_path)
    write_settings(tmp_path, tokenizer_config={"pad_token": "<pad>", "tokenizer_class": "GemmaTokenizer"})
    assert text_steps(tmp_path, "siglip").apply("RED!")[0][0, :2].tolist() == [4, 1]


def test_a_graph_of_a_fixed_length_gets_it(tmp_path: Path) -> None:
    ids, mask = text_steps(write_clip(tmp_path), "clip", length=8).apply("red")
    assert ids.tolist() == [[2, 1, 5, 5, 5, 5, 5, 5]]
    assert mask.sum() == 2


def test_where_the_padding_is_stated(tmp_path: Path) -> None:
    write_siglip(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(UserError, match="does not say what its texts are padded with"):
        text_steps(tmp_path, "siglip")
    text = {"pad_token_id": 1, "max_position_embeddings": 4}
    write_settings(tmp_path, config={"model_type": "siglip", "text_config": text})
    assert text_steps(tmp_path, "siglip").apply("red")[0].tolist() == [[2, 1, 1, 1]]
    write_settings(tmp_path, special_tokens_map={"pad_token": "<pad>"})
    assert text_steps(tmp_path, "siglip").apply("red")[0].tolist() == [[2, 1, 5, 5]]
    text["max_position_embeddings"] = 0
    write_settings(tmp_path, config={"model_type": "siglip", "text_config": text})
    with pytest.raises(UserError, match="max_position_embeddings 0"):
        text_steps(tmp_path, "siglip")
