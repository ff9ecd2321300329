"""The platform on the real broker: bad records are refused and alarmed, a kill loses and doubles nothing."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.kafka import KafkaAccess, Message
from infra.postgres import connect
from infra.tls import issue_signer
from operators.sign import SigningKey
from schemas.codec import pack, unpack_as
from schemas.errors import ServiceUnavailable
from schemas.records import OperatorBody, OperatorRecord, VideoHead
from schemas.topics import ALARMS, OPERATOR_VIDEO
from streams.addresses import AddressBook
from streams.clock import now_ms
from streams.operating.alarms import newest
from streams.operating.client import OperatorClient
from streams.operating.service import OperatorService, OperatorSetup
from streams.readiness import Doorkeeper
from streams.verify import verify_video
from tests.support.operating import by_ca, certified_key, taking
from tests.support.operator_video import rewritten, signed, video
from tests.support.services import unique

WAIT_SECONDS = 60.0


@pytest.fixture(scope="module")
def key(ca) -> SigningKey:
    return certified_key(ca)


@pytest.fixture
def group(broker) -> str:
    """A group of the operator's that begins where the topic ends now."""
    name = f"operator.{unique('test')}"
    with broker.access("operator").consumer(name) as consumer:
        for partition in consumer.partitions(OPERATOR_VIDEO):
            _, high = consumer.bounds(OPERATOR_VIDEO, partition)
            if high:
                consumer.commit(Message(OPERATOR_VIDEO, partition, high - 1, b"", b"", 0))
    return name


@pytest.fixture
def setup(broker, operator_postgres, operator_database, group, tmp_path) -> OperatorSetup:
    return OperatorSetup(broker.access("operator"), operator_postgres.app(), tmp_path / "video", group=group)


@pytest.fixture
def running(setup) -> Iterator[OperatorService]:
    """The platform in this process, its sink in a thread."""
    with taking(setup) as service:
        yield service


def _send(access: KafkaAccess, camera: str, *values: bytes | OperatorRecord) -> None:
    with access.producer() as producer:
        for value in values:
            data = value if isinstance(value, bytes) else pack("operator", value)
            producer.send(OPERATOR_VIDEO, camera.encode(), data)


def _wait(what, seconds: float = WAIT_SECONDS):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail("it didn't happen in time")


def test_bad_records_are_refused_and_alarmed_and_the_rest_goes_on(broker, ca, key, running, operator_database):
    camera = unique("cam")
    made = video(4, key=key, camera=camera)
    start, one, two, three, four, end = made.records
    changed = replace(two, media=two.media[:-1] + bytes([two.media[-1] ^ 1]))
    own_key = SigningKey(bytes(32))
    stranger = certified_key(ca, "camera-x")
    torn = bytes([two.signed.signature[0] ^ 1]) + two.signed.signature[1:]
    unsigned = replace(two, signed=replace(two.signed, signature=torn))
    loose = rewritten(two, key=key, previous_digest=bytes(32))
    foreign = signed(OperatorBody(head=VideoHead(camera, "../x", 0, bytes(32), 0)), b"", key)
    _send(
        broker.access("pipeline"), camera, start, one, b"\xff garbage", changed, rewritten(two, key=own_key), unsigned,
        rewritten(two, key=stranger), loose, foreign, pack("evidence", two.signed), two, three,
        rewritten(three, key=key, method="other"), four, end,
    )
    with OperatorClient(running.server.url, broker.identity("forensic")) as client:
        found = _wait(lambda: [v for v in client.videos(camera) if v["ended"]])[0]
        assert (found["chunks"], found["fault"], found["conflicts"]) == (4, "", 1)
        whole = [client.start(made.video_id), *(client.chunk(made.video_id, seq) for seq in range(4)),
                 client.records(made.video_id)[-1]]
        assert verify_video(whole, by_ca(ca)).frames == 20
        assert client.media(made.video_id) == b"".join(record.media for record in made.records)
    with operator_database.connection() as connection:
        reasons = sorted(row[0] for row in connection.execute("SELECT reason FROM refusals").fetchall())
    assert reasons == sorted(["MalformedRecord", "DigestMismatch", "BadSignature", "BadSignature", "BadSignature",
                              "ChainBroken", "MalformedRecord", "UnknownRecord"])
    with broker.access("operator").consumer("operator.alarms") as consumer:
        mine = [message.value for message in consumer.read_all(ALARMS) if message.key == camera.encode()]
    kinds = [unpack_as("alarm", value).kind for value in mine]
    assert kinds.count("record-refused") == 8 and kinds.count("replayed-version") == 1
    kept = _wait(lambda: [k for k in newest(operator_database, 200) if k.alarm.camera_id == camera][8:])
    assert len(kept) == 1  # all nine are kept for the page, each once


def test_offsets_are_committed_once_stored(broker, key, setup):
    camera = unique("cam")
    made = video(2, key=key, camera=camera)
    _send(broker.access("pipeline"), camera, *made.records)
    for _ in range(2):
        stop = threading.Event()
        forensic = broker.identity("forensic")
        with OperatorService(setup) as service, OperatorClient(service.server.url, forensic) as client:
            thread = threading.Thread(target=service.run, args=(stop,))
            thread.start()
            _wait(lambda made=made, client=client: client.videos(camera) and client.video(made.video_id)["ended"])
            stop.set()
            thread.join()
    with broker.access("operator").consumer(setup.group, [OPERATOR_VIDEO]) as consumer:
        assert consumer.poll(3.0) is None


def test_database_gone_is_waited_for_and_nothing_is_lost(broker, key, running, operator_postgres):
    camera = unique("cam")
    made = video(3, key=key, camera=camera)
    with OperatorClient(running.server.url, broker.identity("forensic")) as client:
        _send(broker.access("pipeline"), camera, *made.records[:2])
        _wait(lambda: client.videos(camera))
        operator_postgres.stop()
        _send(broker.access("pipeline"), camera, *made.records[2:])
        time.sleep(1.0)
        operator_postgres.start()
        _wait(lambda: _answers(client, made.video_id))
        assert client.media(made.video_id) == b"".join(record.media for record in made.records)


def _answers(client: OperatorClient, video_id: str) -> bool:
    try:
        return bool(client.video(video_id)["ended"])
    except ServiceUnavailable:
        return False


def test_pipelines_question_is_answered_while_records_can_be_stored(broker, ca, key, setup):
    book = AddressBook({}, by_ca(ca), now_ms)
    signer = issue_signer(ca, "operator")
    stop = threading.Event()
    with OperatorService(replace(setup, signer=signer)) as service:
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()
        with Doorkeeper(broker.access("pipeline"), key, book):
            _wait(book.ready)
        assert service.failing() == ""
        stop.set()
        thread.join()


def test_sink_killed_three_times_loses_and_doubles_nothing(
    broker, ca, key, setup, operator_postgres, operator_database
):
    cameras = [unique("cam") for _ in range(4)]
    made = [video(40, key=key, camera=camera, heads=range(0, 40, 7)) for camera in cameras]
    given = json.dumps({
        "bootstrap": broker.bootstrap, "tls": str(ca), "conninfo": setup.database.conninfo,
        "password": str(setup.database.password_file), "folder": str(setup.folder), "group": setup.group,
        "batch_records": 3,
    })
    rows = itertools.zip_longest(*(one.records for one in made))
    with broker.access("pipeline").producer() as producer:
        for row in rows:
            for camera, record in zip(cameras, row, strict=True):
                if record is not None:
                    producer.send(OPERATOR_VIDEO, camera.encode(), pack("operator", record))

    def stored() -> int:
        with connect(operator_postgres.owner()) as connection:
            return int(connection.execute("SELECT count(*) FROM chunks").fetchone()[0])

    chance = random.Random(7)
    for kill in range(4):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.support.operating_child", given], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with child:
            before, goal = stored(), chance.randint(15, 30)
            if kill < 3:
                _wait(lambda before=before, goal=goal: stored() >= before + goal)
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
                assert stored() < 160
                continue
            assert child.stdout is not None
            port = int(child.stdout.readline())
            with OperatorClient(f"https://localhost:{port}", broker.identity("forensic")) as client:
                _wait(lambda: sum(v["ended"] for v in client.videos()) == 4)
                for one in made:
                    assert (setup.folder / f"{one.video_id}.mp4").read_bytes() == b"".join(
                        record.media for record in one.records
                    )
                    records = [client.start(one.video_id)]
                    records += [client.chunk(one.video_id, seq) for seq in range(40)]
                    records += [client.records(one.video_id)[-1]]
                    assert verify_video(records, by_ca(ca)).next_seq == 40
                    assert verify_video(client.records(one.video_id), by_ca(ca), media=False).covered == 40
            child.terminate()
            assert child.wait(20) == 0
    with operator_database.connection() as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM conflicts), (SELECT count(*) FROM refusals), (SELECT count(*) FROM chunks)"
        ).fetchone()
    assert counts == (0, 0, 160)
