from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import BASE_URL, blueprint

from asbuilt.errors import UserError
from asbuilt.server import create_app
from asbuilt.server.security import Access, access_for, is_loopback
from asbuilt.system import System

HEALTH = "/api/v1/health"


def status(client: TestClient, **headers: str) -> int:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(HEALTH, headers=names).status_code


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8321", "localhost", "LOCALHOST:9000", "localhost.", "[::1]:8321", "127.8.9.1"],
)
def test_names_of_this_machine_are_answered(client: TestClient, host: str) -> None:
    assert status(client, host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8321",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.4:8321",
        "0.0.0.0:8321",
        "[::]:8321",
        "2130706433",
        "0x7f000001",
        "localhost@evil.example",
        "evil.example#localhost",
        "",
        "[::1",
    ],
)
def test_other_names_are_misdirected(client: TestClient, host: str) -> None:
    response = client.get(HEALTH, headers={"host": host})
    assert (response.status_code == 421) is (host != "[::1")
    if response.status_code == 421:
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:8321", 200),
        ("HTTP://127.0.0.1:8321", 200),
        ("http://127.0.0.1:3000", 403),
        ("http://localhost:8321", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
        ("http://127.0.0.1:8321.evil.example", 403),
        ("http://127.0.0.1:8321@evil.example", 403),
    ],
)
def test_only_our_own_pages_may_ask(client: TestClient, origin: str, expected: int) -> None:
    assert status(client, host="127.0.0.1:8321", origin=origin) == expected


@pytest.mark.parametrize(
    ("site", "expected"), [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)]
)
def test_browsers_say_where_a_request_comes_from(client: TestClient, site: str, expected: int) -> None:
    assert status(client, sec_fetch_site=site) == expected


def test_the_guard_stands_before_every_path(client: TestClient) -> None:
    for path in ("/", "/api/v1/openapi.json", "/v1/models", "/api/v1/chat"):
        for method in ("GET", "POST", "OPTIONS"):
            assert client.request(method, path, headers={"host": "evil.example"}).status_code == 421
            assert client.request(method, path, headers={"origin": "https://evil.example"}).status_code == 403


def test_no_answer_lets_another_origin_read_it(client: TestClient) -> None:
    response = client.options(HEALTH, headers={"access-control-request-method": "POST"})
    assert not any(name.startswith("access-control") for name in response.headers)


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Bearer good-key", 200),
        ("bearer  good-key ", 200),
        ("Bearer bad-key", 401),
        ("Bearer ", 401),
        ("Bearer", 401),
        ("Basic good-key", 401),
        ("good-key", 401),
        ("", 401),
        ("Bearer good-key\xff", 401),
    ],
)
def test_a_key_opens(system: System, header: str, expected: int) -> None:
    system.catalog.add_api_key("somebody", "good-key")
    with System(blueprint(require_keys=True), folder=system.folder) as locked:
        client = TestClient(create_app(locked), base_url=BASE_URL)
        response = client.get("/v1/models", headers=[(b"authorization", header.encode("latin-1"))])
    assert response.status_code == expected
    if expected == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["error"]["code"] == "invalid_api_key"


def test_a_key_that_is_removed_opens_no_more(system: System) -> None:
    system.catalog.add_api_key("leaver", "their-key")
    with System(blueprint(require_keys=True), folder=system.folder) as locked:
        client = TestClient(create_app(locked), base_url=BASE_URL)
        headers = {"authorization": "Bearer their-key"}
        assert client.get("/v1/models", headers=headers).status_code == 200
        system.catalog.remove_api_key("leaver")
        assert client.get("/v1/models", headers=headers).status_code == 401


def test_keys_do_not_replace_the_host_check(system: System) -> None:
    system.catalog.add_api_key("somebody", "good-key")
    with System(blueprint(require_keys=True), folder=system.folder) as locked:
        client = TestClient(create_app(locked), base_url=BASE_URL)
        headers = {"authorization": "Bearer good-key", "host": "evil.example"}
        assert client.get("/v1/models", headers=headers).status_code == 421


# ---------------------------------------------------------------- where it may bind


@pytest.mark.parametrize(
    ("host", "require_keys", "insecure", "expected"),
    [
        ("127.0.0.1", False, False, Access(local_host=True, key=False)),
        ("::1", False, True, Access(local_host=True, key=False)),
        ("localhost", True, False, Access(local_host=True, key=True)),
        ("0.0.0.0", False, False, Access(local_host=False, key=True)),
        ("::", False, False, Access(local_host=False, key=True)),
        ("192.168.1.4", True, True, Access(local_host=False, key=True)),
        ("0.0.0.0", False, True, Access(local_host=False, key=False)),
    ],
)
def test_where_it_is_bound_decides_what_it_asks_for(
    host: str, require_keys: bool, insecure: bool, expected: Access
) -> None:
    def rules(has_keys: bool) -> Access:
        return access_for(host, require_keys=require_keys, insecure=insecure, has_keys=lambda: has_keys)

    assert rules(True) == expected
    if expected.key:
        with pytest.raises(UserError, match="asbuilt keys add"):
            rules(False)
    else:
        assert rules(False) == expected


def test_beyond_loopback_any_name_is_answered_but_no_foreign_page(system: System) -> None:
    client = TestClient(create_app(system, host="0.0.0.0", insecure=True), base_url="http://box.lan:8321")
    assert status(client) == 200
    assert status(client, origin="http://box.lan:8321") == 200
    assert status(client, origin="https://evil.example") == 403


@pytest.mark.parametrize("host", ["::1", "127.0.0.1", "127.255.255.254", "Localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.localdomain", "::ffff:10.0.0.1"]
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
