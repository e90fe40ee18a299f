from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image
from tests.generation.loopback_endpoint import Endpoint, Exchange, endpoint

from asbuilt.errors import BugError, EndpointError, MissingError, UserError
from asbuilt.multimodal import described
from asbuilt.multimodal.described import DescribedEncoder
from asbuilt.pages import PageLayout
from asbuilt.resources.demand import Assumptions
from asbuilt.testing.fake_embedder import FakeEmbedder
from asbuilt.testing.vision_encoder_contract import VisionEncoderContract, painted
from asbuilt.types import Matrix

PAGE = PageLayout(1, 595, 842)
RED, BLUE = painted((200, 30, 30)), painted((30, 30, 200))


def answer(exchange: Exchange, text: str | None) -> None:
    message = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    exchange.refuse(200, json.dumps(message))


def sees_colours(exchange: Exchange) -> None:
    """Describes the picture that it was sent by its colour."""
    *_, part = exchange.body["messages"][0]["content"]
    head, _, data = part["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    red, _, blue = np.asarray(Image.open(BytesIO(base64.b64decode(data))), np.float64).mean((0, 1))
    answer(exchange, f"A {'red' if red > blue else 'blue'} page.\n")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(described, "_FIRST_PAUSE_S", 0.001)
    with endpoint(sees_colours) as running:
        yield running


def made(server: Endpoint, **config: Any) -> DescribedEncoder:
    return DescribedEncoder(embedder=FakeEmbedder(), base_url=server.url, model="a-vlm", **config)


@pytest.fixture
def encoder(server: Endpoint) -> Iterator[DescribedEncoder]:
    opened = made(server, max_tokens=99)
    opened.open()
    yield opened
    opened.close()


class TestContract(VisionEncoderContract):
    @pytest.fixture
    def make(self, server: Endpoint) -> Callable[[], Any]:
        return lambda: made(server)


def test_what_the_model_wrote_is_kept_and_embedded(server: Endpoint, encoder: DescribedEncoder) -> None:
    sight = encoder.encode(RED, PAGE)
    assert sight is not None
    assert sight.text == "A red page."
    np.testing.assert_array_equal(sight.vector, FakeEmbedder().embed(["A red page."])[0])
    [(path, headers, body)] = server.requests
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("a-vlm", 99, 0.0)
    assert [part["type"] for part in body["messages"][0]["content"]] == ["text", "image_url"]


def test_a_query_is_embedded_as_one(server: Endpoint) -> None:
    class TwoKinds(FakeEmbedder):
        def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
            return super().embed([f"{kind}: {text}" for text in texts])

    encoder = DescribedEncoder(embedder=TwoKinds(), base_url=server.url, model="m")
    vector = encoder.encode_query("red")
    assert vector is not None
    np.testing.assert_array_equal(vector, FakeEmbedder().embed(["query: red"])[0])


def test_a_page_is_described_once(server: Endpoint, encoder: DescribedEncoder) -> None:
    for picture in (RED, BLUE, RED, RED.copy()):
        encoder.encode(picture, PAGE)
    assert len(server.requests) == 2
    encoder.encode(np.zeros((2, 6, 3), np.uint8), PAGE)
    encoder.encode(np.zeros((6, 2, 3), np.uint8), PAGE)  # the same bytes, another page
    assert len(server.requests) == 4


def test_only_so_many_are_remembered(
    server: Endpoint, encoder: DescribedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(described, "_REMEMBERED", 1)
    for picture in (RED, RED, BLUE, BLUE, RED):
        encoder.encode(picture, PAGE)
    assert len(server.requests) == 3


def test_repetition_is_dropped(server: Endpoint, encoder: DescribedEncoder) -> None:
    looped = "A chart of sales. " + "The bar is blue and high. " * 30 + "The"
    server.replies[:] = [lambda exchange: answer(exchange, looped)]
    sight = encoder.encode(RED, PAGE)
    assert sight is not None
    assert sight.text == "A chart of sales. The bar is blue and high."


def test_a_page_about_which_nothing_is_written_cannot_be_seen(
    server: Endpoint, encoder: DescribedEncoder
) -> None:
    server.replies[:] = [lambda exchange: answer(exchange, " \n")]
    assert encoder.encode(RED, PAGE) is None


def test_the_key_comes_from_the_environment(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = made(server, api_key_env="TEST_VISION_KEY")
    with pytest.raises(MissingError, match="TEST_VISION_KEY is not set"):
        encoder.open()
    monkeypatch.setenv("TEST_VISION_KEY", "sesame")
    encoder.open()
    encoder.encode(RED, PAGE)
    encoder.close()
    assert server.requests[0][1]["Authorization"] == "Bearer sesame"
    assert "sesame" not in encoder.recipe


def refusing(status: int, body: str = "{}") -> Callable[[Exchange], None]:
    return lambda exchange: exchange.refuse(status, body)


def test_a_busy_endpoint_is_asked_again(server: Endpoint, encoder: DescribedEncoder) -> None:
    server.replies[:] = [refusing(503), refusing(429)]
    assert encoder.encode(RED, PAGE) is not None
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "body", "kind", "fault", "asked"),
    [
        (
            500,
            "image input is not\nsupported.",
            EndpointError,
            r"status 500: image input is not supported\)",
            3,
        ),
        (401, "no", EndpointError, "status 401: no", 1),
        (400, "too large", UserError, r"refused the picture of a page \(status 400: too large\)", 1),
        (200, "<html>", EndpointError, "answered in no form of a chat: <html>", 1),
        (200, "{}", EndpointError, "answered in no form of a chat", 1),
        (200, '{"choices": []}', EndpointError, "answered in no form of a chat", 1),
        (200, '{"choices": [{"message": {"content": null}}]}', EndpointError, "answered without text", 1),
    ],
)
def test_a_failing_endpoint_is_one_clear_line(
    server: Endpoint,
    encoder: DescribedEncoder,
    status: int,
    body: str,
    kind: type[Exception],
    fault: str,
    asked: int,
) -> None:
    server.default = refusing(status, body)
    with pytest.raises(kind, match=fault) as caught:
        encoder.encode(RED, PAGE)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == asked
    server.default = sees_colours
    assert encoder.encode(RED, PAGE) is not None  # a failure is not remembered


def test_an_endpoint_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(described, "_FIRST_PAUSE_S", 0.001)
    encoder = DescribedEncoder(embedder=FakeEmbedder(), base_url="http://127.0.0.1:9/v1", model="m")
    encoder.open()
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9/v1/chat/completions failed"):
        encoder.encode(RED, PAGE)
    encoder.close()


def test_an_endpoint_that_is_silent_is_asked_once(server: Endpoint) -> None:
    encoder = made(server, timeout_s=0.05)
    encoder.open()

    def silent(exchange: Exchange) -> None:
        server.disconnected.wait(0.3)

    server.replies[:] = [silent]
    with pytest.raises(EndpointError, match=r"no description within 0\.05 s"):
        encoder.encode(RED, PAGE)
    assert len(server.requests) == 1
    encoder.close()


def test_it_must_be_open(server: Endpoint) -> None:
    with pytest.raises(BugError):
        made(server).encode(RED, PAGE)


@pytest.mark.parametrize(
    "config",
    [
        {"base_url": "127.0.0.1:8080"},
        {"base_url": "http://"},
        {"base_url": "http://a\x00b"},
        {"max_tokens": 0},
        {"timeout_s": 0},
        {"timeout_s": -1.0},
    ],
)
def test_settings_that_cannot_be(config: dict[str, Any]) -> None:
    stated = {"base_url": "http://127.0.0.1:9/v1", **config}
    with pytest.raises(UserError, match=next(iter(config))):
        DescribedEncoder(embedder=FakeEmbedder(), model="m", **stated)


def test_its_recipe_names_model_and_embedder(server: Endpoint) -> None:
    recipes = {made(server).recipe, made(server, max_tokens=5).recipe}
    assert len(recipes) == 2
    assert all("a-vlm" in recipe and "fake/64" in recipe for recipe in recipes)


def test_it_takes_no_memory_here() -> None:
    demand = DescribedEncoder.demand({"model": "m", "base_url": "http://x/v1"}, Assumptions(chunks=0))
    assert demand.parts == ()
    assert demand.notes == ("'m' runs at http://x/v1; its memory is not part of this plan",)
