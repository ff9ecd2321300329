"""How many are in view, as the pipeline says it over the broker: kept, each chunk once, and asked for by the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from infra.kafka import Message
from infra.postgres import Database
from schemas.movement import Movement, to_json
from schemas.topics import DAY_MS, OPERATOR_EVENTS
from streams.clock import now_ms
from streams.operating.movement import STEP_MS, MovementKeeper, in_view
from streams.operating.service import OperatorService, OperatorSetup
from tests.support.operating import taking
from tests.support.services import Broker, Postgres, unique
from tests.support.worker import wait_for

BEGIN = 1_700_000_000_000
FEW = Movement("gate", "gate-1", 0, BEGIN, 1000, (2, 2, 2, 9), {"face": (2, 2, 1, 5), "plate": (0, 0, 1, 4)}, (3,), ())


@pytest.fixture(scope="module")
def database(postgres_operator: Postgres) -> Iterator[Database]:
    with postgres_operator.database() as made:
        yield made


@pytest.fixture
def keep(broker: Broker, database: Database) -> Iterator[Any]:
    """Takes values as records from an offset on, in one transaction."""
    keeper = MovementKeeper(broker.access("operator"), database, "operator")

    def take(*values: Movement | bytes, offset: int = 0) -> None:
        with database.connection() as db:
            for place, value in enumerate(values, offset):
                data = value if isinstance(value, bytes) else to_json(value)
                keeper.keep(db, Message(OPERATOR_EVENTS, 0, place, b"gate", data, now_ms()))

    with database.connection() as db:
        db.execute("DELETE FROM movement")
        db.execute("DELETE FROM counted")
    yield take


def test_chunks_add_up_and_frames_masked_whole_do_not_count(database, keep) -> None:
    keep(FEW, replace(FEW, chunk_seq=1, capture_ms=BEGIN + 5000), replace(FEW, chunk_seq=2, capture_ms=BEGIN + STEP_MS))
    first, second = in_view(database, "gate", BEGIN, BEGIN + 60_000, STEP_MS)
    assert (first.frames, second.frames) == (6, 3)
    assert first.people == second.people == pytest.approx(5 / 3) and first.plates == pytest.approx(1 / 3)
    assert (first.most_people, first.most_plates) == (2, 1)
    (both,) = in_view(database, "gate", BEGIN, BEGIN + 60_000, 60_000)
    assert (both.frames, both.step_ms, both.people) == (9, 60_000, pytest.approx(5 / 3))
    assert in_view(database, "yard", BEGIN, BEGIN + 60_000, STEP_MS) == []
    assert in_view(database, "gate", BEGIN + 60_000, BEGIN + 120_000, STEP_MS) == []


def test_a_chunk_that_comes_again_counts_once_and_nonsense_is_passed_over(database, keep) -> None:
    keep(FEW, FEW, b"\xff nonsense", replace(FEW, video_id="gate-2"))
    keep(FEW, offset=4)
    (found,) = in_view(database, "gate", BEGIN, BEGIN + 60_000, STEP_MS)
    assert found.frames == 6


def test_where_all_was_masked_whole_nobody_is_said_to_be_there(database, keep) -> None:
    keep(replace(FEW, unseen=(0, 1, 2, 3)))
    (found,) = in_view(database, "gate", BEGIN, BEGIN + 60_000, STEP_MS)
    assert (found.frames, found.people, found.most_people) == (0, 0, 0)


def test_what_is_old_is_dropped(database, keep) -> None:
    keep(*(replace(FEW, chunk_seq=day, capture_ms=BEGIN + day * DAY_MS) for day in (0, 1)))
    with database.connection() as db:
        db.execute("UPDATE movement SET received_ms = %s WHERE from_ms = %s", (now_ms() - 31 * DAY_MS, BEGIN))
    keep(replace(FEW, chunk_seq=2), offset=1000)
    keep(replace(FEW, chunk_seq=3, capture_ms=BEGIN + 2 * DAY_MS), offset=2000)
    kept = in_view(database, "gate", BEGIN, BEGIN + 40 * DAY_MS, DAY_MS)
    assert [step.from_ms for step in kept] == [BEGIN, BEGIN + DAY_MS, BEGIN + 2 * DAY_MS]
    with database.connection() as db:
        db.execute("UPDATE movement SET received_ms = %s WHERE from_ms = %s", (now_ms() - 31 * DAY_MS, BEGIN))
        db.execute("UPDATE movement SET received_ms = %s WHERE from_ms > %s", (now_ms() - 29 * DAY_MS, BEGIN))
    keep(b"anything", replace(FEW, chunk_seq=4, capture_ms=BEGIN + 2 * DAY_MS), offset=2999)
    kept = in_view(database, "gate", BEGIN, BEGIN + 40 * DAY_MS, DAY_MS)
    assert [step.from_ms for step in kept] == [BEGIN + DAY_MS, BEGIN + 2 * DAY_MS]


@pytest.fixture
def running(broker, postgres_operator: Postgres, tmp_path) -> Iterator[OperatorService]:
    access, _ = postgres_operator.fresh()
    setup = OperatorSetup(broker.access("operator"), access, tmp_path, group=unique("operator.test"))
    with taking(setup) as service:
        yield service


def test_counts_reach_the_api_of_the_operating_platform(broker, running) -> None:
    camera = unique("cam")
    with broker.access("pipeline").producer() as producer:
        for seq in range(3):
            sent = replace(FEW, camera_id=camera, video_id=f"{camera}-1", chunk_seq=seq, capture_ms=BEGIN + seq * 1000)
            producer.send(OPERATOR_EVENTS, camera.encode(), to_json(sent))
    viewer = broker.identity("viewer-1")
    with httpx.Client(base_url=running.server.url, verify=viewer.client_context()) as client:

        def counts(**asked: Any) -> Any:
            return client.get("/counts", params={"camera": camera, "from_ms": BEGIN, "to_ms": BEGIN + 60_000, **asked})

        wait_for(lambda: [step["frames"] for step in counts().json()] == [9], "the three chunks counted")
        assert counts().json()[0] | {"people": 0} == {
            "from_ms": BEGIN, "step_ms": STEP_MS, "frames": 9, "people": 0, "plates": pytest.approx(1 / 3),
            "most_people": 2, "most_plates": 1,
        }
        assert counts(steps=1).json()[0]["step_ms"] == 60_000
        assert counts(to_ms=0).json() == [] and counts(camera="a\0b").json() == []
        assert counts(from_ms=-1).status_code == counts(steps=0).status_code == 422
