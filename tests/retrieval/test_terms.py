from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import UserError
from asbuilt.retrieval.terms import TermAnalyzer, tokenize


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Purging the queues", ["purg", "queue"]),
        ("purge-queue", ["purgequeue", "purg", "queue"]),
        ("--queue-url", ["queueurl", "queue", "url"]),
        ("queue_url", ["queueurl", "queue", "url"]),
        ("QueueUrl", ["queueurl", "queue", "url"]),
        ("s3api", ["s3api", "s3", "api"]),
        ("ec2 t2.micro", ["ec2", "t2micro", "t2", "micro"]),
        ("DescribeInstances", ["describeinstances", "describ", "instanc"]),
        ("HTTPServer URLs", ["httpserver", "http", "server", "url"]),
        ("aws:SourceIp", ["awssourceip", "aw", "sourc", "ip"]),
        ("10.0.0.0/16", ["10.0.0.0/16", "10", "16"]),
        ("version 1.2", ["version", "1.2"]),
        ("SHA-256 sha256", ["sha256", "sha", "256", "sha256"]),
        ("user's don't", ["user", "don"]),
        ("end. Start", ["end", "start"]),
        ("...", []),
        ("", []),
        ("how do I", []),
        ("ﬁle ＡＢＣ", ["file", "abc"]),
        ("Café NAÏVE Straße", ["café", "naïve", "strass"]),
        ("очереди", ["очереди"]),
        ("東京都のAmazon", ["東京", "京都", "都の", "amazon"]),
        ("水", ["水"]),
    ],
)
def test_terms_of(text: str, terms: list[str]) -> None:
    assert tokenize(text) == terms


def test_a_compound_and_its_spellings_find_each_other() -> None:
    for spelling in ("purge queue", "purge-queue", "PurgeQueue", "purge_queue", "sqs:PurgeQueue"):
        assert {"purg", "queue"} <= set(tokenize(spelling))


def test_other_languages_have_their_own_stems_and_keep_their_small_words() -> None:
    assert tokenize("die Warteschlangen", language="german") == ["die", "warteschlang"]
    assert tokenize("die Warteschlangen", language="none") == ["die", "warteschlangen"]


def test_an_unknown_language_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"'klingon'.*english"):
        TermAnalyzer(language="klingon")


def test_the_recipe_tells_languages_apart() -> None:
    assert TermAnalyzer().recipe != TermAnalyzer(language="none").recipe


def test_long_runs_do_not_become_long_terms() -> None:
    assert tokenize("x" * 1000) == ["x" * 64]
    assert all(len(term) <= 64 for term in tokenize("/".join(["part"] * 1000)))


@given(st.text())
def test_terms_hold_no_white_space_and_are_not_empty(text: str) -> None:
    for term in tokenize(text):
        assert term == "".join(term.split())
        assert term


@given(st.text(alphabet=st.characters(codec="ascii")), st.text(alphabet=st.characters(codec="ascii")))
def test_texts_apart_give_their_terms_apart(left: str, right: str) -> None:
    assert tokenize(f"{left}\n{right}") == tokenize(left) + tokenize(right)


@given(st.text())
def test_case_of_plain_words_does_not_matter(text: str) -> None:
    words = [word for word in text.split() if word.isalpha() and word.isascii()]
    assert tokenize(" ".join(words).lower()) == tokenize(" ".join(words).upper())


def test_threads_share_an_analyzer() -> None:
    texts = [
        " ".join(f"running{number} describing instances" for number in range(i, i + 50)) for i in range(200)
    ]
    expected = [Counter(TermAnalyzer().terms(text)) for text in texts]
    analyzer = TermAnalyzer()
    with ThreadPoolExecutor(8) as pool:
        assert [Counter(terms) for terms in pool.map(analyzer.terms, texts)] == expected
