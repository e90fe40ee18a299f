from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from asbuilt import registry
from asbuilt.errors import InDoubtError, ToolError, UserError
from asbuilt.roles import Tool
from asbuilt.testing.tool_contract import ToolContract
from asbuilt.tools import FunctionTool, tool
from asbuilt.types import Effect


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    number: int


@dataclass
class Price:
    amount: float
    since: date


def check(command: str, region: str = "eu-west-1", *, strict: bool = False) -> str:
    """Check a command
    offline.

    Nothing is sent anywhere.

    Args:
        command: The whole command line,
            quotes included.
        region (str): Where it would run.

    Returns:
        What is wrong with it.
    """
    return f"{command}|{region}|{strict}"


class TestFunctionTool(ToolContract):
    @pytest.fixture
    def tool(self) -> Tool:
        return FunctionTool(check, name="aws-cli-check", effect="read")

    @pytest.fixture
    def good_arguments(self) -> Mapping[str, Any]:
        return {"command": "aws s3 ls"}


# ---------------------------------------------------------------- what the model is told


def test_the_schema_comes_from_signature_and_docstring() -> None:
    spec = FunctionTool(check).spec
    assert spec.name == "check"
    assert spec.description == "Check a command offline."
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "command": {"type": "string", "description": "The whole command line, quotes included."},
            "region": {"type": "string", "default": "eu-west-1", "description": "Where it would run."},
            "strict": {"type": "boolean", "default": False},
        },
        "required": ["command"],
        "additionalProperties": False,
    }


def test_sphinx_parameter_texts_are_read() -> None:
    def price(service: str, hours: int) -> None:
        """Price of a service.

        :param service: Its id,
            in lower case.
        :param int hours: How long.
        :returns: dollars
        """

    properties = FunctionTool(price).spec.parameters["properties"]
    assert properties["service"]["description"] == "Its id, in lower case."
    assert properties["hours"]["description"] == "How long."


def test_a_function_without_parameters_has_an_empty_schema() -> None:
    def now() -> str:
        """The time."""
        return "12:00"

    made = FunctionTool(now)
    assert made.spec.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert made.call({}) == "12:00"


def test_parameter_names_that_pydantic_reserves_are_allowed() -> None:
    def odd(json: str, schema: int, model_x: bool, _hidden: str = "") -> list[object]:
        """Odd names."""
        return [json, schema, model_x, _hidden]

    arguments = {"json": "a", "schema": 1, "model_x": True, "_hidden": "b"}
    assert FunctionTool(odd).call(arguments) == '["a",1,true,"b"]'


def no_docstring(x: int) -> None: ...


def unannotated(x) -> None:  # type: ignore[no-untyped-def]
    """X."""


def many(*values: int) -> None:
    """X."""


def keywords(**values: int) -> None:
    """X."""


def positional(x: int, /) -> None:
    """X."""


def not_json(x: threading.Thread) -> None:
    """X."""


def unresolved(x: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    """X."""


async def asynchronous(x: int) -> None:
    """X."""


@pytest.mark.parametrize(
    "function",
    [no_docstring, unannotated, many, keywords, positional, not_json, unresolved, asynchronous],
    ids=lambda function: function.__name__,
)
def test_a_function_that_json_cannot_call_is_refused_at_once(function: Any) -> None:
    with pytest.raises(UserError, match=function.__name__):
        FunctionTool(function)


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 65, "naïve"])
def test_names_are_what_every_engine_accepts(name: str) -> None:
    with pytest.raises(UserError, match="must match"):
        FunctionTool(check, name=name)


# ---------------------------------------------------------------- arguments


def test_every_fault_is_listed_with_place_and_what_is_allowed() -> None:
    with pytest.raises(ToolError) as caught:
        FunctionTool(check).call({"comand": "aws", "strict": "yes"})
    text = str(caught.value)
    assert text.startswith("3 faults")
    assert "'command' is required" in text
    assert "'comand' is unknown, did you mean 'command'? (allowed: command, region, strict)" in text
    assert "'strict': input should be a valid boolean, not 'yes'" in text


def test_rich_annotations_are_filled_from_json_and_checked_inside() -> None:
    def book(
        day: date,
        colours: tuple[Colour, ...],
        home: Address,
        kind: Literal["a", "b"],
        nights: Annotated[int, Field(ge=1)] = 1,
    ) -> str:
        """Book."""
        return f"{day:%Y-%m-%d} {[colour.name for colour in colours]} {home.street} {kind} {nights}"

    made = FunctionTool(book)
    home = {"street": "Elm", "number": 3}
    good = {"day": "2026-11-23", "colours": ["red"], "home": home, "kind": "a"}
    assert made.call(good) == "2026-11-23 ['RED'] Elm a 1"
    with pytest.raises(ToolError) as caught:
        made.call({**good, "home": {"street": "Elm"}, "kind": "c", "nights": 0, "colours": ["red", "x"]})
    text = str(caught.value)
    for part in ("'home.number' is required", "'a' or 'b', not 'c'", "'nights'", "'colours.1'"):
        assert part in text


@pytest.mark.parametrize(
    "value", [5.0, "5", None, True, ["5"], {"a": 1}, float("nan"), object()], ids=lambda each: repr(each)[:9]
)
def test_only_the_annotated_type_is_taken(value: object) -> None:
    def double(x: int) -> int:
        """Twice x."""
        return 2 * x

    made = FunctionTool(double)
    assert made.call({"x": 5}) == "10"
    with pytest.raises(ToolError):
        made.call({"x": value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["command", "region", "strict", "x"]) | st.text(), JSON, max_size=5))
def test_no_arguments_raise_anything_but_a_tool_error(arguments: dict[str, Any]) -> None:
    with suppress(ToolError):
        assert FunctionTool(check).call(arguments).startswith(arguments["command"])


# ---------------------------------------------------------------- running


def returns(value: object) -> FunctionTool:
    def give() -> object:
        """Give."""
        return value

    return FunctionTool(give, max_result_chars=100, timeout_s=5)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is\n", "as is\n"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (Price(1.5, date(2026, 11, 23)), '{"amount":1.5,"since":"2026-11-23"}'),
        (Address(street="Elm", number=3), '{"street":"Elm","number":3}'),
        (None, "null"),
        ({"t": threading.Lock}, f'{{"t":"{threading.Lock}"}}'),
        (b"\xff", '"_w=="'),
    ],
)
def test_results_become_text(value: object, text: str) -> None:
    assert returns(value).call({}) == text


def test_a_long_result_says_that_it_was_cut() -> None:
    text = returns("x" * 250).call({})
    assert text == "x" * 100 + "\n[cut: the first 100 of 250 characters]"


def test_a_result_that_contains_itself_is_a_tool_error() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ToolError, match="give failed"):
        returns(loop).call({})


def test_an_exception_becomes_its_type_and_message() -> None:
    def fail(kind: str) -> None:
        """Fail."""
        if kind == "exit":
            sys.exit(2)
        if kind == "tool":
            raise ToolError("say this", hint="and this")
        raise KeyError(kind * 20)

    made = FunctionTool(fail, max_result_chars=60)
    with pytest.raises(ToolError, match=r"^fail failed: SystemExit: 2$"):
        made.call({"kind": "exit"})
    with pytest.raises(ToolError, match=r"^say this and this$"):
        made.call({"kind": "tool"})
    with pytest.raises(ToolError, match=r"^fail failed: KeyError: 'missing") as caught:
        made.call({"kind": "missing"})
    assert "Traceback" not in str(caught.value)
    assert "[cut" in str(caught.value)


def test_a_call_has_a_time_limit_and_hanging_calls_are_bounded() -> None:
    release = threading.Event()

    def hang() -> str:
        """Hang."""
        release.wait()
        return "done"

    made = FunctionTool(hang, timeout_s=0.001)
    started = time.monotonic()
    for _ in range(16):
        with pytest.raises(ToolError, match=r"did not finish within 0\.001 s"):
            made.call({})
    with pytest.raises(ToolError, match="busy"):
        made.call({})
    assert time.monotonic() - started < 5
    release.set()
    for thread in threading.enumerate():
        if thread.name == "tool hang":
            thread.join()
    patient = FunctionTool(hang)
    assert patient.call({}) == "done"


# ---------------------------------------------------------------- the decorator


@tool("contract-check-tool", effect="read")
def registered(command: str) -> str:
    """Check a command."""
    return command.upper()


def test_the_decorator_registers_and_leaves_the_function_alone() -> None:
    assert registered("a") == "A"
    signature = registry.signature("tool/contract-check-tool")
    assert [config.name for config in signature.config] == ["timeout_s", "max_result_chars"]
    assert signature.needs == ()
    assert signature.doc == "Check a command."
    made = registry.resolve("tool/contract-check-tool")(timeout_s=1.0)
    assert isinstance(made, Tool)
    assert made.effect == "read"
    assert made.spec.name == "contract-check-tool"
    assert made.call({"command": "a"}) == "A"


def test_a_tool_changes_things_unless_it_says_otherwise() -> None:
    assert FunctionTool(check).effect == "external"


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(UserError, match="already"):
        tool("contract-check-tool")(check)


# ---------------------------------------------------------------- effects


def pay(amount: int, *, idempotency_key: str) -> str:
    """Pay an amount."""
    return f"{amount} as {idempotency_key}"


def test_the_key_of_a_call_reaches_the_function_and_no_model_sees_it() -> None:
    made = FunctionTool(pay, effect="idempotent")
    assert list(made.spec.parameters["properties"]) == ["amount"]
    assert made.call({"amount": 3}, key="run-1") == "3 as run-1"
    with pytest.raises(ToolError, match="'idempotency_key' is unknown"):
        made.call({"amount": 3, "idempotency_key": "chosen"}, key="run-1")


def test_an_effect_is_one_of_four() -> None:
    with pytest.raises(UserError, match="effect of 'pay' is 'write'"):
        FunctionTool(pay, effect="write")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("effect", "error"), [("read", ToolError), ("idempotent", InDoubtError), ("external", InDoubtError)]
)
def test_what_ran_out_of_time_is_in_doubt_unless_it_only_reads(
    effect: Effect, error: type[ToolError]
) -> None:
    release = threading.Event()

    def wait() -> str:
        """Wait."""
        release.wait(5)
        return "late"

    with pytest.raises(ToolError, match=r"did not finish within 0\.01 s") as caught:
        FunctionTool(wait, effect=effect, timeout_s=0.01).call({})
    release.set()
    assert type(caught.value) is error


def note(text: str, connection: sa.Connection) -> str:
    """Note a text."""
    connection.execute(sa.text("INSERT INTO notes VALUES (:text)"), {"text": text})
    return "noted"


def test_a_transactional_tool_writes_with_the_transaction_that_it_is_given() -> None:
    engine = sa.create_engine("sqlite://")
    made = FunctionTool(note, effect="transactional")
    assert list(made.spec.parameters["properties"]) == ["text"]
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TABLE notes (text)"))
        connection.commit()
        assert made.call_in(connection, {"text": "a"}) == "noted"
        connection.rollback()
        assert made.call_in(connection, {"text": "b"}) == "noted"
        connection.commit()
        assert connection.execute(sa.text("SELECT text FROM notes")).scalars().all() == ["b"]
    engine.dispose()
    with pytest.raises(UserError, match="only where a transaction is at hand"):
        made.call({"text": "c"})


def test_reconcile_tells_done_from_not_done_and_from_unknown() -> None:
    def look(amount: int, idempotency_key: str) -> str | None:
        if amount == 3:
            raise RuntimeError("the bank is closed")
        return f"paid {amount} as {idempotency_key}" if amount == 1 else None

    made = FunctionTool(pay, reconcile=look)
    assert made.reconcile({"amount": 1}, key="k") == "paid 1 as k"
    assert made.reconcile({"amount": 2}, key="k") is None
    with pytest.raises(InDoubtError, match="could not find out: the bank is closed"):
        made.reconcile({"amount": 3}, key="k")
    with pytest.raises(InDoubtError, match="no way to find out"):
        FunctionTool(pay).reconcile({"amount": 1}, key="k")


def test_an_exception_of_what_may_change_something_leaves_it_in_doubt() -> None:
    def send(fail: str) -> str:
        """Send."""
        raise ToolError("not sent") if fail == "before" else ConnectionError("no reply")

    with pytest.raises(ToolError, match="not sent") as certain:
        FunctionTool(send).call({"fail": "before"})
    with pytest.raises(ToolError, match="send failed: ConnectionError: no reply") as unsure:
        FunctionTool(send).call({"fail": "after"})
    assert (type(certain.value), type(unsure.value)) == (ToolError, InDoubtError)
