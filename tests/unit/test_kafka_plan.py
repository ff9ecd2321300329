from __future__ import annotations

import pytest

from infra.kafka_admin import Change, TopicState, edge_rights, plan, rights, topic_config
from schemas.errors import UsageError
from schemas.topics import ALARMS, OPERATOR_EVENTS, OPERATOR_VIDEO, RAW, READY, TopicSpec, topics

SPECS = topics(["city-faces"])


def test_plan_names_what_differs() -> None:
    spec = TopicSpec("a.b.v1", "", "", "frames", 600_000, ("camera-*", "x"), ("y",))
    wanted = topic_config(spec)
    assert [change.action for change in plan([spec], {})] == ["create"]
    assert [change.action for change in plan([spec], {"a.b.v1": TopicState(2, wanted)})] == ["keep"]
    assert plan([spec], {"a.b.v1": TopicState(3, wanted)})[0].action == "conflict"
    other = {**wanted, "retention.ms": "1"}
    expected = Change("a.b.v1", "configure", 2, {"retention.ms": "600000"}, "retention.ms: 1 -> 600000")
    assert plan([spec], {"a.b.v1": TopicState(2, other)}) == (expected,)


@pytest.mark.parametrize(
    ("partitions", "replicas", "action"),
    [(2, 1, "conflict"), (5, 1, "conflict"), (5, 2, "conflict"), (5, 3, "keep"), (5, 4, "keep"), (6, 3, "conflict")],
)
def test_plan_other_counts_are_a_conflict_and_more_replicas_none(partitions: int, replicas: int, action: str) -> None:
    spec = TopicSpec("a.b.v1", "", "", "frames", 600_000, (), ())
    there = {"a.b.v1": TopicState(partitions, topic_config(spec), replicas)}
    change = plan([spec], there, frame_partitions=5, replicas=3)[0]
    assert change.action == action
    if action == "conflict":
        assert f"has partitions: {partitions}, replicas: {replicas};" in change.detail


def test_plan_partitions_count_for_frame_topics_alone() -> None:
    found = {change.topic: change.partitions for change in plan(SPECS, {}, frame_partitions=7)}
    assert (found[RAW], found[ALARMS]) == (7, 1)


def test_rights_of_the_table_hold_no_prefix_principal() -> None:
    found = rights(SPECS)
    assert not [right for right in found if "*" in right.principal]
    assert {right.name for right in found if right.principal == "operator" and right.resource == "TOPIC"} == {
        OPERATOR_VIDEO, OPERATOR_EVENTS, READY, ALARMS,
    }
    assert {(r.operation, r.name) for r in edge_rights("camera-1", SPECS)} == {("WRITE", RAW)}


@pytest.mark.parametrize("principal", ["pipeline", "camera-", "operator", "cameras-1"])
def test_edge_rights_of_others_are_refused(principal: str) -> None:
    with pytest.raises(UsageError):
        edge_rights(principal, SPECS)
