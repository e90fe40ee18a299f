"""The shape of a model: everything that its memory and its speed follow from.

A shape is made of parts (attention, feed-forward, experts, ...), and each part lists its matrices.
Parameter counts, bytes in any precision, adapter sizes and work per token are sums over that one
list, so they cannot disagree with each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from asbuilt.errors import UserError
from asbuilt.resources.towers import AudioEncoder, VisionTower

__all__ = [
    "FAMILIES",
    "Attention",
    "Experts",
    "Family",
    "Group",
    "LatentAttention",
    "Linear",
    "ModelShape",
    "Recurrent",
    "refuse_family",
]

Family = Literal[
    "bert", "deepseek2", "gemma2", "gemma3", "gpt-oss", "llama", "mistral", "mixtral", "phi3",
    "qwen2", "qwen3", "qwen3moe", "qwen3next", "whisper", "xlm-roberta",
]  # fmt: skip
FAMILIES: tuple[str, ...] = get_args(Family)
"""The architectures whose arithmetic is known; any other is refused."""

Group = Literal[
    "embedding", "head", "attention", "feed_forward", "experts", "router", "recurrent", "vectors",
    "vision", "audio",
]  # fmt: skip
"""Where a parameter stands. "vectors" are norms, biases and other tensors of one dimension."""


def refuse_family(name: str) -> UserError:
    """The error for an architecture that is not known: refused, because a guess would look like a fact."""
    return UserError(
        f"the memory of architecture {name!r} is not known.",
        hint=f"Known: {', '.join(FAMILIES)}. Use one of these, or give an endpoint instead of a model file.",
    )


@dataclass(frozen=True, slots=True)
class Linear:
    """`count` matrices of `inputs` x `outputs`, of which one token passes through `active`."""

    name: str
    group: Group
    inputs: int
    outputs: int
    count: int
    active: int

    @property
    def params(self) -> int:
        return self.inputs * self.outputs * self.count

    @property
    def active_params(self) -> int:
        return self.inputs * self.outputs * self.active


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Grouped-query attention; with `kv_heads` equal to `heads` it is multi-head.

    `head_dim` is the published one: hidden / heads is wrong for Qwen3, Gemma 3 and gpt-oss.
    `biases` names the projections that have one, of "qkvo". `qk_norm`: a norm of `head_dim` each for
    queries and keys. `sinks`: one learned logit a head. `output_gate`: queries carry a gate of their size.
    """

    heads: int
    kv_heads: int
    head_dim: int
    biases: str = ""
    qk_norm: bool = False
    sinks: bool = False
    output_gate: bool = False

    @property
    def query_elements(self) -> int:
        return self.heads * self.head_dim

    @property
    def cache_elements(self) -> tuple[int, int]:
        """Elements of K and of V that one token leaves in one layer."""
        return self.kv_heads * self.head_dim, self.kv_heads * self.head_dim

    @property
    def score_dims(self) -> int:
        """Multiply-adds per token, layer and token looked at: scores, then their weighted sum."""
        return 2 * self.heads * self.head_dim

    def linears(self, hidden: int, layers: int) -> Iterator[Linear]:
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        gated = 2 if self.output_gate else 1
        yield Linear("q_proj", "attention", hidden, gated * queries, layers, layers)
        yield Linear("k_proj", "attention", hidden, keys, layers, layers)
        yield Linear("v_proj", "attention", hidden, keys, layers, layers)
        yield Linear("o_proj", "attention", queries, hidden, layers, layers)

    def vectors(self, hidden: int) -> int:
        """Parameters of one layer that are no matrix."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        size = {"q": queries, "k": keys, "v": keys, "o": hidden}
        biases = sum(size[letter] for letter in self.biases)
        return biases + 2 * self.head_dim * self.qk_norm + self.heads * self.sinks


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek): the cache holds one latent and one rotary key a token.

    `q_rank` 0: queries are projected directly.
    """

    heads: int
    q_rank: int
    kv_rank: int
    rope_dim: int
    nope_dim: int
    value_dim: int

    @property
    def query_elements(self) -> int:
        return self.heads * (self.nope_dim + self.rope_dim)

    @property
    def cache_elements(self) -> tuple[int, int]:
        return self.kv_rank + self.rope_dim, 0

    @property
    def score_dims(self) -> int:
        # Decoding works on the latent itself: every head reads kv_rank + rope_dim, then sums kv_rank.
        return self.heads * (2 * self.kv_rank + self.rope_dim)

    def linears(self, hidden: int, layers: int) -> Iterator[Linear]:
        queries = self.heads * (self.nope_dim + self.rope_dim)
        keys_values = self.heads * (self.nope_dim + self.value_dim)
        if self.q_rank:
            yield Linear("q_a_proj", "attention", hidden, self.q_rank, layers, layers)
            yield Linear("q_b_proj", "attention", self.q_rank, queries, layers, layers)
        else:
            yield Linear("q_proj", "attention", hidden, queries, layers, layers)
        latent = self.kv_rank + self.rope_dim
        yield Linear("kv_a_proj_with_mqa", "attention", hidden, latent, layers, layers)
        yield Linear("kv_b_proj", "attention", self.kv_rank, keys_values, layers, layers)
        yield Linear("o_proj", "attention", self.heads * self.value_dim, hidden, layers, layers)

    def vectors(self, hidden: int) -> int:
        return self.q_rank + self.kv_rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """A mixture of experts: `active` of `total` gated networks of `width` see a token.

    `shared_width` is the width of what every token passes besides; `dense_layers` have an ordinary
    feed-forward network instead. `biases`: experts and router have them (gpt-oss). `router_bias`: the
    router alone has one (DeepSeek-V3). `shared_gate`: a vector weighs the shared expert (Qwen3-Next).
    """

    total: int
    active: int
    width: int
    shared_width: int = 0
    dense_layers: int = 0
    biases: bool = False
    router_bias: bool = False
    shared_gate: bool = False

    def linears(self, hidden: int, layers: int) -> Iterator[Linear]:
        count, active = layers * self.total, layers * self.active
        yield Linear("experts.gate_up_proj", "experts", hidden, 2 * self.width, count, active)
        yield Linear("experts.down_proj", "experts", self.width, hidden, count, active)
        yield Linear("router", "router", hidden, self.total, layers, layers)
        if self.shared_width:
            for name in ("gate_proj", "up_proj"):
                yield Linear(name, "feed_forward", hidden, self.shared_width, layers, layers)
            yield Linear("down_proj", "feed_forward", self.shared_width, hidden, layers, layers)

    def vectors(self, hidden: int) -> int:
        router = self.total * (self.biases or self.router_bias)
        return self.biases * self.total * (2 * self.width + hidden) + router + hidden * self.shared_gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrent:
    """Layers with a state of fixed size instead of a cache: the gated delta nets of Qwen3-Next.

    `inner` is value heads times their width, `state` the width of a key head, `groups` the key heads,
    `heads` the value heads.
    """

    layers: int
    conv_kernel: int
    inner: int
    state: int
    groups: int
    heads: int

    @property
    def conv_width(self) -> int:
        return self.inner + 2 * self.groups * self.state

    @property
    def state_elements(self) -> int:
        """Elements (float32 in llama.cpp) that one sequence keeps in one layer, whatever its length."""
        return (self.conv_kernel - 1) * self.conv_width + self.state * self.inner

    @property
    def step_elements(self) -> int:
        """Elements that one token needs at once besides its hidden states: before and after the
        convolution, and the gate."""
        return 2 * self.conv_width + self.inner

    def linears(self, hidden: int) -> Iterator[Linear]:
        n = self.layers
        yield Linear("in_proj_qkvz", "recurrent", hidden, self.conv_width + self.inner, n, n)
        yield Linear("in_proj_ba", "recurrent", hidden, 2 * self.heads, n, n)
        yield Linear("conv1d", "recurrent", self.conv_kernel, self.conv_width, n, n)
        yield Linear("out_proj", "recurrent", self.inner, hidden, n, n)

    def vectors(self) -> int:
        """Of one layer: decay and time step of each head, and the norm of one head's values."""
        return 2 * self.heads + self.inner // self.heads


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """One model.

    `feed_forward` is the width of the dense network (0 when every layer has experts); `gated`: it has
    three matrices, not two. `window` is the reach of the `local_layers`, the other layers look at
    everything. `norms` counts the norms of `hidden` in a layer. `positions` are learned position
    embeddings. `linear_biases`: the dense network and the norms have biases. `max_context` is in tokens.
    """

    family: Family
    layers: int
    hidden: int
    vocab: int
    attention: Attention | LatentAttention
    feed_forward: int
    max_context: int
    tied: bool = False
    gated: bool = True
    norms: int = 2
    linear_biases: bool = False
    positions: int = 0
    token_types: int = 0
    pooler: bool = False
    experts: Experts | None = None
    window: int = 0
    local_layers: int = 0
    recurrent: Recurrent | None = None
    vision: VisionTower | None = None
    audio: AudioEncoder | None = None

    @property
    def encoder_only(self) -> bool:
        """It reads a text whole and writes none: no cache."""
        return self.family in ("bert", "xlm-roberta")

    @property
    def recurrent_layers(self) -> int:
        return self.recurrent.layers if self.recurrent else 0

    @property
    def attention_layers(self) -> int:
        return self.layers - self.recurrent_layers

    @property
    def global_layers(self) -> int:
        """Layers whose cache grows with every token."""
        return self.attention_layers - self.local_layers

    @property
    def expert_layers(self) -> int:
        return self.layers - self.experts.dense_layers if self.experts else 0

    def linears(self) -> tuple[Linear, ...]:
        """Every matrix of the language model, input embedding and towers left out."""
        return tuple(self._linears())

    def _linears(self) -> Iterator[Linear]:
        yield from self.attention.linears(self.hidden, self.attention_layers)
        if self.recurrent:
            yield from self.recurrent.linears(self.hidden)
        if self.experts:
            yield from self.experts.linears(self.hidden, self.expert_layers)
        dense = self.layers - self.expert_layers
        if dense:
            names = ("gate_proj", "up_proj") if self.gated else ("up_proj",)
            for name in names:
                yield Linear(name, "feed_forward", self.hidden, self.feed_forward, dense, dense)
            yield Linear("down_proj", "feed_forward", self.feed_forward, self.hidden, dense, dense)
        if self.pooler:
            yield Linear("pooler", "head", self.hidden, self.hidden, 1, 1)
        if self.audio:
            yield from (
                Linear(f"cross_{name}", "attention", self.hidden, self.hidden, self.layers, self.layers)
                for name in ("q_proj", "k_proj", "v_proj", "o_proj")
            )
        if not self.tied and not self.encoder_only:
            yield Linear("lm_head", "head", self.hidden, self.vocab, 1, 1)

    @property
    def params_by_group(self) -> Mapping[Group, int]:
        """Parameters of each group; groups without any are left out."""
        rows = self.vocab + self.positions + self.token_types
        counts: dict[Group, int] = {"embedding": rows * self.hidden}
        for linear in self.linears():
            counts[linear.group] = counts.get(linear.group, 0) + linear.params
        counts["vectors"] = self._vectors()
        if self.vision:
            counts["vision"] = self.vision.params
        if self.audio:
            counts["audio"] = self.audio.params
        return counts

    @property
    def params(self) -> int:
        """All parameters, as a checkpoint holds them: a tied head is counted once."""
        return sum(self.params_by_group.values())

    @property
    def active_params(self) -> int:
        """Parameters that one new token is multiplied with: without the input embedding, which is looked
        up, and with the output head, tied or not."""
        head = self.vocab * self.hidden if self.tied and not self.encoder_only else 0
        return sum(linear.active_params for linear in self.linears()) + head + self._active_vectors()

    def adapter_params(self, rank: int, targets: tuple[str, ...] | None = None) -> int:
        """Parameters of a low-rank adapter: rank x (inputs + outputs) for every matrix it stands beside.

        `targets` are names of `linears()`; None means every projection except experts, router and head.
        Source: Hu et al., LoRA, arXiv 2106.09685, section 4.1. Raises UserError for an unknown target.
        """
        if rank < 1:
            raise UserError(f"rank {rank!r} of an adapter is less than 1.", hint="Common are 8, 16 and 64.")
        linears = self.linears()
        known = {linear.name for linear in linears}
        if unknown := set(targets or ()) - known:
            raise UserError(
                f"no matrix of this {self.family} model is called {min(unknown)!r}.",
                hint=f"Targets: {', '.join(sorted(known))}.",
            )
        chosen = [
            linear
            for linear in linears
            if (linear.name in targets if targets else linear.group in ("attention", "feed_forward"))
        ]
        return rank * sum(linear.count * (linear.inputs + linear.outputs) for linear in chosen)

    def _norm(self) -> int:
        return self.hidden * (2 if self.linear_biases else 1)

    def _layer_vectors(self) -> int:
        dense = self.layers - self.expert_layers
        vectors = self.attention_layers * self.attention.vectors(self.hidden)
        vectors += self.layers * self.norms * self._norm()
        vectors += dense * (self.feed_forward + self.hidden) * self.linear_biases
        if self.recurrent:
            vectors += self.recurrent_layers * self.recurrent.vectors()
        if self.audio:  # cross attention: biases of q, v and o
            vectors += self.layers * 3 * self.hidden
        return vectors

    def _vectors(self) -> int:
        # An encoder has its norm after the embedding, a decoder before its head.
        vectors = self._layer_vectors() + self._norm() + self.hidden * self.pooler
        if self.experts:
            vectors += self.expert_layers * self.experts.vectors(self.hidden)
        return vectors

    def _active_vectors(self) -> int:
        vectors = self._layer_vectors() + self._norm()
        if self.experts and self.experts.biases:
            per_expert = 2 * self.experts.width + self.hidden
            vectors += self.expert_layers * (self.experts.active * per_expert + self.experts.total)
        return vectors
