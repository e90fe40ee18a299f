from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from starlette.testclient import TestClient
from tests.server.conftest import BASE_URL
from tests.server.test_metrics import TARGETS, scrape, with_targets

from asbuilt.blueprint import Blueprint
from asbuilt.server import create_app
from asbuilt.server.alerts import alert_rules
from asbuilt.system import System

Rule = dict[str, Any]
SELECTOR = re.compile(r"([a-z_:][a-z0-9_:]*)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')
ONLY_PROMETHEUS_KNOWS = {"up"}


def rules_of(blueprint: Blueprint) -> list[Rule]:
    groups = YAML(typ="safe", pure=True).load(alert_rules(blueprint))["groups"]
    assert len({group["name"] for group in groups}) == len(groups)
    return [rule for group in groups for rule in group["rules"]]


def burning(blueprint: Blueprint, objective: str) -> list[Rule]:
    return [
        rule
        for rule in rules_of(blueprint)
        if rule.get("alert") == "AsbuiltTargetMissed" and rule["labels"]["objective"] == objective
    ]


def thresholds(rule: Rule) -> list[float]:
    return [float(number) for number in re.findall(r"> ([0-9.e-]+)", rule["expr"])]


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    """Label sets by name of series, of a service that nobody has asked anything yet."""
    with (
        System(with_targets(TARGETS), folder=tmp_path_factory.mktemp("exposed")) as system,
        TestClient(create_app(system), base_url=BASE_URL) as client,
    ):
        series = scrape(client.get("/metrics").text)
    return {name: [dict(labels) for labels in sets] for name, sets in series.items()}


def test_every_series_and_edge_that_a_rule_reads_exists(exposed: dict[str, list[dict[str, str]]]) -> None:
    rules = rules_of(with_targets(TARGETS))
    recorded = {(rule["record"], rule["labels"]["objective"]) for rule in rules if "record" in rule}
    read = set()
    for rule in rules:
        for name, matchers in SELECTOR.findall(rule["expr"]):
            wanted = MATCHER.findall(matchers)
            assert ("job", "=", "queue-assistant") in wanted
            wanted = [each for each in wanted if each[0] != "job"]
            read.add(name)
            if name in ONLY_PROMETHEUS_KNOWS:
                continue
            if name.startswith("asbuilt:"):
                assert (name, {key: text for key, _, text in wanted}["objective"]) in recorded
                continue
            found = [
                labels
                for labels in exposed[name]
                if all(
                    re.fullmatch(text if how == "=~" else re.escape(text), labels[key])
                    for key, how, text in wanted
                )
            ]
            assert found, (name, matchers)
    assert {
        "asbuilt_request_duration_seconds_bucket",
        "asbuilt_request_duration_seconds_count",
        "asbuilt_first_token_seconds_bucket",
        "asbuilt_first_token_seconds_count",
        "asbuilt_responses_total",
        "asbuilt_problems",
        "asbuilt_index_behind_changes",
        "process_resident_memory_bytes",
        "up",
    } < read


def test_every_statement_is_one_that_prometheus_takes() -> None:
    for rule in rules_of(with_targets(TARGETS)):
        allowed = {"record", "expr", "labels"} if "record" in rule else None
        assert set(rule) <= (allowed or {"alert", "expr", "for", "labels", "annotations"})
        assert rule["expr"].count("(") == rule["expr"].count(")")
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert rule["annotations"]["summary"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_them(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(alert_rules(with_targets(TARGETS)))
    subprocess.run(["promtool", "check", "rules", str(file)], check=True, capture_output=True)


def test_the_same_targets_give_the_same_text() -> None:
    assert alert_rules(with_targets(TARGETS)) == alert_rules(with_targets(TARGETS))


def test_a_p95_burns_at_the_rates_of_the_workbook() -> None:
    pages_and_ticket = burning(with_targets(TARGETS), "latency")
    assert [(rule["labels"]["severity"], rule["labels"]["window"]) for rule in pages_and_ticket] == [
        ("page", "1h"),
        ("page", "6h"),
        ("ticket", "3d"),
    ]
    assert [thresholds(rule) for rule in pages_and_ticket] == [[0.72, 0.72], [0.3, 0.3], [0.05, 0.05]]
    for rule, long, short, volume in zip(
        pages_and_ticket, ("1h", "6h", "3d"), ("5m", "30m", "6h"), (7, 17, 100), strict=True
    ):
        names = [name for name, _ in SELECTOR.findall(rule["expr"])]
        assert names == [f"asbuilt:bad_requests:share_{long}", f"asbuilt:bad_requests:share_{short}",
                         f"asbuilt:requests:increase_{long}"]  # fmt: skip
        assert rule["expr"].endswith(f">= {volume}")


@given(percent=st.integers(10_000, 99_999).map(lambda number: number / 1000))
def test_every_percentile_can_be_missed_by_enough_requests(percent: float) -> None:
    blueprint = with_targets({"latency": (f"chat.latency.p{percent:g}", "< 1 s")})
    for rule in burning(blueprint, "latency"):
        [share, again] = thresholds(rule)
        assert share == again
        assert 1 - percent / 100 - 1e-6 <= share < 1
        volume = int(rule["expr"].rpartition(">= ")[2])
        assert volume * share >= 4.999


def test_a_budget_of_nothing_still_has_a_rate() -> None:
    assert [thresholds(rule)[0] for rule in burning(with_targets(TARGETS), "search-errors")] == [1e-4] * 3


def test_only_what_a_service_can_see_of_itself_becomes_a_rule() -> None:
    objectives = {rule["labels"].get("objective") for rule in rules_of(with_targets(TARGETS))} - {None}
    assert objectives == set(TARGETS) - {"goodput"}


def test_without_targets_the_service_is_watched_all_the_same() -> None:
    assert [rule["alert"] for rule in rules_of(with_targets({}))] == [
        "AsbuiltDown",
        "AsbuiltProblem",
        "AsbuiltIndexBehind",
    ]


def test_memory_is_held_to_its_target_in_bytes() -> None:
    [rule] = [rule for rule in rules_of(with_targets(TARGETS)) if rule.get("alert") == "AsbuiltMemory"]
    assert rule["expr"] == f'process_resident_memory_bytes{{job="queue-assistant"}} > {8 * 2**30}'


def test_a_prefix_is_quoted_for_its_expression() -> None:
    rules = rules_of(with_targets(TARGETS, prefix="/api/v1.1"))
    [share] = [
        r for r in rules if r.get("record", "").endswith("share_5m") and r["labels"]["objective"] == "latency"
    ]
    assert r'route=~"/api/v1\\.1/chat|/v1/chat/completions"' in share["expr"]
