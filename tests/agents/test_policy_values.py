"""Which values a text names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.agents.policy_values import Leaf, is_address, leaves, links, names

NAMED: list[tuple[str, Leaf]] = [
    ("send it to bob@example.com.", "bob@example.com"),
    ("send it to 'bob@example.com'", "bob@example.com"),
    ("Bob <BOB@Example.COM>", "bob@example.com"),
    ("write to bob@example.com.They wait", "bob@example.com"),
    ("see www.example.com/alice!", "www.example.com/alice"),
    ("our site www.example.com.They sent it", "www.example.com"),
    ("see https://Example.com/", "https://example.com"),
    ("see example.com", "https://example.com"),
    ("see (http://example.com/a?b=c)", "http://example.com/a?b=c"),
    ("post it to 'general', please", "general"),
    ("Bob's inbox", "Bob"),
    ("ask o'brien@example.com", "o'brien@example.com"),
    ("open /data/a.txt.", "/data/a.txt"),
    ("New \n York", "New York"),
    ("pay 12.00 now", 12.0),
    ("pay $12", 12),
    ("pay 98.70", 98.7),
]

NOT_NAMED: list[tuple[str, Leaf]] = [
    ("send it to notbob@example.com", "bob@example.com"),
    ("bob@example.com.evil.org", "bob@example.com"),
    ("bob@example.com@evil.org", "bob@example.com"),
    ("eve@bob@example.com", "bob@example.com"),
    ("o'brien@example.com", "brien@example.com"),
    ("https://host.org/?to=bob@example.com", "bob@example.com"),
    ("see www.example.com/alice", "www.example.com"),
    ("see www.example.com", "www.example.com/alice"),
    ("see https://example.com@evil.org/", "https://example.com"),
    ("see https://example.com.evil.org/", "https://example.com"),
    ("see https://example.com", "http://example.com"),
    ("see https://example.com/A", "https://example.com/a"),
    ("see https://example.com:8443", "https://example.com"),
    ("write to me@example.com", "example.com"),
    ("general-internal", "general"),
    ("generals", "general"),
    ("general", "General"),
    ("/data/a.txt.bak", "/data/a.txt"),
    ("/srv/data/a.txt", "/data/a.txt"),
    ("/data/a.txt/b", "/data/a.txt"),
    ("#general", "general"),
    ("on June 13", "13"),
    ("anything", ""),
    ("anything", " "),
    ("pay 112", 12),
    ("pay 1,200", 200),
    ("pay 12.50", 12),
    ("nan", float("nan")),
    ("inf", float("inf")),
]


@pytest.mark.parametrize(("text", "value"), NAMED)
def test_a_value_that_stands_in_a_text_is_named(text: str, value: Leaf) -> None:
    assert names(text, value)


@pytest.mark.parametrize(("text", "value"), NOT_NAMED)
def test_a_part_of_something_longer_is_not(text: str, value: Leaf) -> None:
    assert not names(text, value)


def test_what_cannot_be_seen_does_not_hide_an_address() -> None:
    assert links("go to ev\u200bil.example\u200b.org") == ["evil.example.org"]
    assert links("go to \uff45vil\uff0eexample\uff0eorg") == ["evil.example.org"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no address here, at all. None!", []),
        ("Mail a.b@c.org, or https://x.org/y).", ["https://x.org/y", "a.b@c.org"]),
        ("look at evil.org/a", ["evil.org/a"]),
        ("look at wwww.org", ["wwww.org"]),
        ("ask bob@www.example.org", ["bob@www.example.org"]),
        ("ftp://x.org", ["ftp://x.org"]),
        ("user@host.org.", ["user@host.org"]),
    ],
)
def test_links_of_a_text(text: str, found: list[str]) -> None:
    assert links(text) == found


def test_leaves_have_the_path_of_their_list_and_keys_are_no_values() -> None:
    given_ = {"to": ["a", {"mail": "b"}], "n": 2, "yes": True, "none": None, "deep": {"x": [[1.5]]}}
    assert list(leaves(given_)) == [("to", "a"), ("to.mail", "b"), ("n", 2), ("deep.x", 1.5)]


addresses = st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.(org|com)", fullmatch=True)


@given(value=addresses, before=st.text(max_size=20), after=st.text(max_size=20))
def test_an_address_between_blanks_is_found_in_any_text(value: str, before: str, after: str) -> None:
    assert names(f"{before} {value} {after}", value.upper())


@given(value=addresses, more=st.from_regex(r"[a-z0-9_.+-]{0,5}[a-z0-9]", fullmatch=True))
def test_an_address_is_not_named_by_one_that_ends_or_begins_with_it(value: str, more: str) -> None:
    assert not names(f"{more}{value}", value)
    assert not names(f"{value}{more}", value)
    assert not names(f"{value}.{more}", value)
    assert links(f"{value}{more}")


@given(text=st.text(max_size=60), value=st.text(max_size=12) | st.floats() | st.integers())
def test_any_text_and_value_have_an_answer(text: str, value: Leaf) -> None:
    assert names(text, value) in (True, False)
    assert all(each for each in links(text))
    assert is_address(str(value)) in (True, False)


@given(host=st.from_regex(r"[a-z]{2,8}\.(org|com)", fullmatch=True), scheme=st.sampled_from(["", "https://"]))
def test_every_way_to_write_a_host_is_a_link(host: str, scheme: str) -> None:
    assert links(f"please visit {scheme}{host} now") == [f"{scheme}{host}"]


@pytest.mark.parametrize("part", ["a", "a.", "a@", "a-", "+", "www.", "http://", "a'", "a.A", "a.b@c.d "])
def test_a_long_text_takes_time_in_proportion(part: str) -> None:
    """Quadratic searches took minutes for this text."""
    text = part * (50_000 // len(part))
    before = time.perf_counter()
    links(text)
    for value in ("bob@example.com", "https://example.com", "general", text):
        names(text, value)
    assert time.perf_counter() - before < 5
