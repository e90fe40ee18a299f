"""The encoders beside a language model: pictures (CLIP, SigLIP) and sound (Whisper)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AudioEncoder", "VisionTower"]


def _encoder_layer(hidden: int, feed_forward: int, *, key_bias: bool = True) -> int:
    """Parameters of one pre-norm encoder layer with biases everywhere (Whisper's keys have none)."""
    attention = 4 * hidden * hidden + (4 if key_bias else 3) * hidden
    network = 2 * hidden * feed_forward + feed_forward + hidden
    return attention + network + 4 * hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionTower:
    """A vision transformer and its projector.

    `image` and `patch` are edges in pixels. `class_token`, `pre_norm` and `patch_bias` tell CLIP (yes,
    yes, no) from SigLIP (no, no, yes). `projector_params` is everything between the tower and the
    language model. `image_tokens` is the most that one picture takes of the context.
    """

    layers: int
    hidden: int
    feed_forward: int
    image: int
    patch: int
    projector_params: int
    image_tokens: int
    class_token: bool = False
    pre_norm: bool = False
    patch_bias: bool = True

    @property
    def params(self) -> int:
        positions = (self.image // self.patch) ** 2 + self.class_token
        embedding = 3 * self.patch**2 * self.hidden + self.hidden * (self.patch_bias + self.class_token)
        norms = 2 * self.hidden * (1 + self.pre_norm)
        layers = self.layers * _encoder_layer(self.hidden, self.feed_forward)
        return layers + embedding + positions * self.hidden + norms + self.projector_params


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioEncoder:
    """Whisper's encoder: two convolutions of width 3, then layers. `positions` frames a window."""

    layers: int
    hidden: int
    feed_forward: int
    mel_bins: int
    positions: int

    @property
    def params(self) -> int:
        convolutions = 3 * self.hidden * (self.mel_bins + self.hidden) + 2 * self.hidden
        layers = self.layers * _encoder_layer(self.hidden, self.feed_forward, key_bias=False)
        return layers + convolutions + self.positions * self.hidden + 2 * self.hidden
