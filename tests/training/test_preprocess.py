"""What may be trained on, and what is left out, with reasons."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asbuilt.errors import UserError
from asbuilt.lineage import HeldOut, PreparedData, TrainingRow, rows_digest
from asbuilt.training.data_files import write_data
from asbuilt.training.leakage import Leakage, asked
from asbuilt.training.near import jaccard, normalised, shingles
from asbuilt.training.preprocess import StandardPreprocessor
from asbuilt.training.rows import FaultyRow
from asbuilt.training.secret_patterns import secret_kind
from asbuilt.types import Message, Role


def row(
    question: str, reply: str, *, source: str = "", worse: str | None = None, origin: str = "file:r:1"
) -> TrainingRow:
    return TrainingRow((Message("user", question), Message("assistant", reply)), source, origin, worse)


def numbered(count: int, *, per_source: int = 1) -> list[TrainingRow]:
    drawn = random.Random(0)
    return [
        row(
            " ".join(f"w{drawn.randrange(9999)}" for _ in range(9)),
            f"Reply {at}.",
            source=f"s{at // per_source}",
            origin=f"file:r:{at}",
        )
        for at in range(count)
    ]


def prepare(rows: Sequence[TrainingRow], *, held_out: Sequence[HeldOut] = (), **config: Any) -> PreparedData:
    config.setdefault("validation_share", 0.0)
    return StandardPreprocessor(**config).prepare(iter([*rows, *numbered(1)]), held_out=held_out)


def reasons(*rows: TrainingRow, **config: Any) -> list[tuple[str, str]]:
    return [(each.reason, each.detail) for each in prepare(rows, **config).rejected]


# ---------------------------------------------------------------- shape


def talk(*turns: tuple[Role, str]) -> TrainingRow:
    return TrainingRow(tuple(Message(role, text) for role, text in turns), "s", "o")


@pytest.mark.parametrize(
    ("faulty", "detail"),
    [
        (talk(), "the last message is not the assistant's"),
        (talk(("system", "S")), "the last message is not the assistant's"),
        (talk(("user", "Q")), "the last message is not the assistant's"),
        (talk(("assistant", "A")), "user and assistant do not take turns"),
        (talk(("user", "Q"), ("user", "Q"), ("assistant", "A")), "user and assistant do not take turns"),
        (talk(("user", "Q"), ("system", "S"), ("assistant", "A")), "user and assistant do not take turns"),
        (talk(("user", " \n"), ("assistant", "A")), "a message of the user is empty"),
        (talk(("user", "Q"), ("assistant", "")), "a message of the assistant is empty"),
        (talk(("system", ""), ("user", "Q"), ("assistant", "A")), "a message of the system is empty"),
        (row("Q", "A", worse=" "), "the worse reply is empty"),
        (row("Q", "A", worse="A "), "the worse reply is the better one"),
        (FaultyRow((), "s", "o", fault="it is not JSON"), "it is not JSON"),
    ],
)
def test_a_malformed_row_is_left_out_with_its_reason(faulty: TrainingRow, detail: str) -> None:
    assert reasons(faulty) == [("malformed", detail)]


def test_whole_conversations_are_kept() -> None:
    whole = talk(("system", "S"), ("user", "Q"), ("assistant", "A"), ("user", "More?"), ("assistant", "B"))
    assert prepare([whole]).train[0] == whole


def test_the_limit_counts_all_messages() -> None:
    assert reasons(row("q" * 30, "a" * 33), max_chars=63) == []
    assert reasons(row("q" * 30, "a" * 34), max_chars=63) == [("too long", "64 characters; the limit is 63")]


@pytest.mark.parametrize(
    ("question", "reply", "language"),
    [
        ("Wie lösche ich einen Bucket?", "Mit `aws s3 rb s3://eimer`.", "de"),
        ("Bonjour, comment créer une instance de calcul ?", "Utilisez la commande run-instances.", "fr"),
        ("仮想マシンを作成するにはどうすればよいですか", "コンソールを開きます。", "ja"),
    ],
)
def test_rows_in_another_language_are_left_out(question: str, reply: str, language: str) -> None:
    [(reason, detail)] = reasons(row(question, reply), languages=["en"])
    assert reason == "other language"
    assert detail.startswith(f"{language}, ")
    assert reasons(row(question, reply), languages=["en", language]) == []
    assert reasons(row(question, reply)) == []


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("delete it", "ok"),  # too little to be of any language
        ("List all buckets.", "`aws s3 ls`"),
        ("Which command does it?", "```\nfür alle Eimer: lösche sie bitte einzeln und nacheinander\n```"),
    ],
)
def test_what_is_not_surely_foreign_stays(question: str, reply: str) -> None:
    assert reasons(row(question, reply), languages=["en"]) == []


def test_a_language_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UserError, match=r"languages has 'english', .*(Did you mean|There are)"):
        prepare([], languages=["english"])
    with pytest.raises(UserError, match="languages has 'uk-UA'"):
        prepare([row("a", "b")], languages=["uk-UA"])


# ---------------------------------------------------------------- duplicates


def test_duplicates_name_the_first_of_them() -> None:
    first, other = row("Q one", "A", origin="file:r:1"), row("Q two", "A", origin="file:r:2")
    again = row("Q one", "A", source="elsewhere", origin="file:r:1")
    assert reasons(first, other, again) == [("exact duplicate", "of file:r:1")]
    assert reasons(row("Q", "A", worse="x y z"), row("Q", "A", worse="u v w")) == []


def test_near_duplicates_are_told_by_their_true_jaccard_index() -> None:
    said = [f"word{at}" for at in range(40)]
    first = row("Q", " ".join(said), origin="file:r:1")
    one_other = row("Q", " ".join([*said[:-1], "x"]))  # 39 runs each, 38 shared: 0.95
    some_others = row("Q", " ".join([*said[:-5], "a", "b", "c", "d", "e"]))  # 34 of 44: 0.77
    assert (
        jaccard(*(shingles(normalised(f"Q {each.messages[1].content}"), 3) for each in (first, one_other)))
        == 0.95
    )
    assert reasons(first, one_other) == [("near duplicate", "of file:r:1")]
    assert reasons(row("Other?", "None.", origin="file:r:0"), first, one_other) == [
        ("near duplicate", "of file:r:1")
    ]
    assert reasons(first, some_others) == []
    assert reasons(first, some_others, near=0.7) == [("near duplicate", "of file:r:1")]
    assert reasons(first, row("q!", " ".join(said).upper())) == [("near duplicate", "of file:r:1")]


def test_passages_and_instructions_do_not_make_rows_near_duplicates() -> None:
    passage = (
        "<passage 0123abcd>\n[1] a/b\n" + " ".join(f"word{at}" for at in range(90)) + "\n</passage 0123abcd>"
    )

    def with_passage(question: str, reply: str) -> TrainingRow:
        return talk(
            ("system", "You answer. " * 50),
            ("user", f"{passage}\n\nQuestion: {question}"),
            ("assistant", reply),
        )

    assert reasons(with_passage("What is a key?", "A word."), with_passage("Where is it?", "There.")) == []
    assert asked(with_passage("What is a key?", "").messages[1].content) == "What is a key?"


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_jaccard(one: set[int], other: set[int]) -> None:
    a, b = (frozenset(map(str, each)) for each in (one, other))
    assert jaccard(a, b) == (len(a & b) / len(a | b) if a | b else 0.0)


# ---------------------------------------------------------------- secrets

SECRETS = {
    "AWS access key": "AKIA" + "Q3EGRIWLB5XTPZ7V",
    "GitHub token": "ghp_" + "a8Kd03jfLq92mXz7Rt5vBn1Ws4Yc6Ue0PoIk",
    "Slack token": "xoxb-" + "123456789012-abcdefGHIJKLmnop",
    "Google API key": "AIza" + "SyD8f3kLm2Nq9Rt7Vw1Xz5Bc4Df6Gh0Jk2",
    "API key": "sk-" + "proj4f8Kd03jfLq92mXz7Rt5",
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "JSON web token": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "password in an address": "postgres://admin:" + "hunter2hunter2@db/prod",
    "password or key": 'password = "' + 'x9K!vQ2#mZ7@pL4w"',
}


@pytest.mark.parametrize(("kind", "secret"), SECRETS.items())
def test_a_secret_is_told_by_its_kind(kind: str, secret: str) -> None:
    assert secret_kind(f"Use {secret} for it.") == kind
    assert reasons(row("Which key?", f"Use {secret} for it.")) == [("secret", kind)]
    assert reasons(row(f"Is {secret} right?", "Yes.")) == [("secret", kind)]
    assert reasons(row("Which?", "This.", worse=secret)) == [("secret", kind)]


@pytest.mark.parametrize(
    "harmless",
    [
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "password: your-password-here",
        "aws secretsmanager get-secret-value --secret-id MyTestDatabaseSecret",
        "--master-user-password ${DB_PASSWORD_FOR_PRODUCTION}",
        "The token is kept in the keychain.",
        "https://docs.example.com:8443/path@2",
        "arn:aws:secretsmanager:us-west-2:123456789012:secret:greengrass-TwilioAuthToken-ntSlp6",
    ],
)
def test_documented_examples_and_plain_words_are_no_secrets(harmless: str) -> None:
    assert secret_kind(harmless) is None


def test_no_secret_is_made_of_two_texts() -> None:
    assert reasons(row("What is the password", "x9K!vQ2#mZ7@pL4w is what you drew.")) == []


@given(
    st.sampled_from(sorted(SECRETS)),
    st.integers(0, 3),
    st.text("ab \n", max_size=10),
    st.booleans(),
)
@settings(max_examples=40)
def test_no_secret_reaches_any_file(kind: str, place: int, around: str, held: bool) -> None:
    secret = SECRETS[kind]
    text = f"{around} {secret} {around}"
    parts = ["A question?", "A reply.", "A worse one.", "source"]
    parts[place] = text
    made = row(parts[0], parts[1], worse=parts[2], source=parts[3])
    held_out = [HeldOut("d", "1", text)] if held else []
    data = prepare([made, made], held_out=held_out, on_leak="drop")
    assert len(data.rejected) == 2
    with TemporaryDirectory() as folder:
        write_data(data, Path(folder))
        for file in Path(folder).iterdir():
            assert secret not in file.read_text(encoding="utf-8")


# ---------------------------------------------------------------- leaks

CASE = HeldOut("everyday", "e7", "How do I list every bucket of my account?", "aws s3api list-buckets")


@pytest.mark.parametrize(
    ("question", "reply", "how"),
    [
        ("how do i LIST every bucket of my account", "x", "same question"),
        ("Please: how do I list every bucket of my account?", "x", "similar question"),
        (
            "I am new here and have no idea yet. How do I list every bucket of my account? Thanks!",
            "x",
            "question contained",
        ),
        ("How do I list every bucket there is?", "Run aws s3api list-buckets.", "reference"),
        ("How do I list every bucket there is?", "Run aws s3 ls.", None),
        ("What shows my buckets?", "Run aws s3api list-buckets.", None),
        ("How do I list every user of my team?", "x", None),
    ],
)
def test_a_row_that_holds_a_case_leaks(question: str, reply: str, how: str | None) -> None:
    found = reasons(row(question, reply), held_out=[CASE], on_leak="drop")
    assert found == ([("leak", f"everyday:e7, {how}")] if how else [])


def test_the_first_of_several_cases_is_named() -> None:
    cases = [HeldOut("d", number, CASE.question) for number in "21"]
    assert reasons(row(CASE.question, "A"), held_out=cases, on_leak="drop") == [
        ("leak", "d:2, same question")
    ]


def test_what_a_reference_leaks_can_be_chosen() -> None:
    other = row("What shows my buckets?", "Run: `aws s3api list-buckets`")
    similar = row("How do I list every bucket there is?", "aws s3api list-buckets")
    for references, count in (("any", 2), ("similar-question", 1), ("ignore", 0)):
        found = reasons(other, similar, held_out=[CASE], on_leak="drop", references=references)
        assert [detail for _, detail in found] == ["everyday:e7, reference"] * count
    short = HeldOut("d", "1", "Which region?", "us-east-1")
    assert reasons(row("x", "not us east"), held_out=[short], on_leak="drop", references="any") == []


def test_any_question_of_a_conversation_leaks_but_no_passage() -> None:
    twice = talk(
        ("user", CASE.question), ("assistant", "A"), ("user", "Why is that so?"), ("assistant", "Because.")
    )
    assert [reason for reason, _ in reasons(twice, held_out=[CASE], on_leak="drop")] == ["leak"]
    passage = f"<passage 0123abcd>\n[1] a/b\n{CASE.question}\n</passage 0123abcd>"
    read = talk(("user", f"{passage}\n\nQuestion: What else is there?"), ("assistant", "B"))
    assert reasons(read, held_out=[CASE]) == []
    leaking = talk(("user", f"{passage}\n\nQuestion: {CASE.question}"), ("assistant", "B"))
    assert reasons(leaking, held_out=[CASE], on_leak="drop") == [("leak", "everyday:e7, same question")]


def test_a_leak_is_refused_unless_it_may_be_dropped() -> None:
    replies = [each.messages[0].content for each in numbered(5)]
    leaking = [row(CASE.question, reply, origin=f"file:r:{at}") for at, reply in enumerate(replies)]
    with pytest.raises(UserError) as caught:
        prepare(leaking, held_out=[CASE])
    assert str(caught.value) == (
        "5 of 6 rows hold cases of evaluation sets, which could then prove nothing: "
        "file:r:0 holds everyday:e7, same question; file:r:1 holds everyday:e7, same question; "
        "file:r:2 holds everyday:e7, same question; and 2 more. "
        "Remove these rows, or set on_leak: drop to leave them out."
    )


@given(st.data())
def test_the_index_of_questions_misses_none(data: st.DataObject) -> None:
    words = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=9).map(" ".join)
    cases = [
        HeldOut("d", str(at), text)
        for at, text in enumerate(data.draw(st.lists(words, min_size=1, max_size=5)))
    ]
    question, near = data.draw(words), data.draw(st.sampled_from([0.5, 0.8, 1.0]))
    leaks = [
        case.id
        for case in cases
        if case.question == question or jaccard(shingles(case.question, 2), shingles(question, 2)) >= near
    ]
    found = Leakage(cases, near=near, references="ignore").find(row(question, "A"))
    if leaks:
        assert found is not None
    elif found is not None:
        assert found.how == "question contained"


# ---------------------------------------------------------------- split and card


@given(st.integers(0, 50), st.sampled_from([0.1, 0.5]), st.randoms())
@settings(max_examples=20)
def test_rows_of_a_source_stay_together_wherever_they_stand(
    seed: int, share: float, shuffled: random.Random
) -> None:
    rows = numbered(60, per_source=4)
    mixed = list(rows)
    shuffled.shuffle(mixed)
    one, two = (
        StandardPreprocessor(validation_share=share, seed=seed).prepare(each, held_out=())
        for each in (rows, mixed)
    )
    assert not {each.source for each in one.train} & {each.source for each in one.validation}
    assert {each.id for each in one.train} == {each.id for each in two.train}
    assert [each for each in rows if each in set(one.train)] == list(one.train)
    assert [each for each in mixed if each in set(two.validation)] == list(two.validation)


def test_the_share_of_sources_is_about_what_was_asked_and_seeds_differ() -> None:
    rows = numbered(2000)
    splits = [
        StandardPreprocessor(validation_share=0.2, seed=seed).prepare(rows, held_out=()) for seed in (0, 1)
    ]
    for data in splits:
        assert 0.16 < len(data.validation) / 2000 < 0.24
    assert splits[0].validation != splits[1].validation
    assert prepare(rows[1:], validation_share=0.0).validation == ()


def test_the_card_counts_everything() -> None:
    rows = [
        *numbered(20),
        row("Q", "A", origin="feedback:7"),
        row("Q", "A", origin="feedback:8"),
        talk(("user", "Q")),
    ]
    data = StandardPreprocessor(validation_share=0.3, seed=3).prepare(rows, held_out=[CASE, CASE])
    card = data.card
    assert card.collected == 23 == card.train + card.validation + len(data.rejected)
    assert (card.train, card.validation) == (len(data.train), len(data.validation))
    assert card.validation > 0
    assert (card.train_digest, card.validation_digest) == (
        rows_digest(data.train),
        rows_digest(data.validation),
    )
    assert card.sources == {"feedback": 2, "file": 20, "o": 1}
    assert card.rejected == {"exact duplicate": 1, "malformed": 1}
    assert card.held_out == {"everyday": 2}
    assert card.settings["validation_share"] == 0.3
    assert StandardPreprocessor(validation_share=0.3, seed=3).prepare(rows, held_out=[CASE, CASE]) == data


def test_too_little_is_an_error() -> None:
    with pytest.raises(UserError, match=r"^1 rows are left to train on, fewer than 2 \(2 collected"):
        prepare([talk(("user", "Q"))], min_rows=2)
    with pytest.raises(UserError, match="0 rows are left"):
        StandardPreprocessor().prepare([], held_out=())


@pytest.mark.parametrize("wrong", [{"near": 0.0}, {"near_question": 1.1}, {"validation_share": 1.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        StandardPreprocessor(**wrong)  # type: ignore[arg-type]
