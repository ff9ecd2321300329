"""The HTTPS API on a running server: what it answers, to whom, and what it makes of hostile requests."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from infra.https import HttpsClient, HttpsServer
from infra.tls import Identity, issue
from operators.codec import decode_units
from operators.detect.picture import rgb_of
from operators.fragment import parse_fragment
from schemas.errors import AccessDenied, DigestMismatch, MissingChunk
from streams.operating.api import VIEWERS, create_app
from streams.operating.client import OperatorClient
from streams.operating.index import Index
from streams.operating.overview import Overview
from streams.operating.store import Store
from streams.verify import check_record, verify_video
from tests.support.clips import FORMAT
from tests.support.operating import RECEIVED_MS, store_all
from tests.support.operator_video import identify, video
from tests.support.planes import equal

MADE = video(4, heads=[1])
LIVE = video(2, camera="cam-2", end=False)
WHOLE = b"".join(record.media for record in MADE.records)


@pytest.fixture
def store(operator_database, tmp_path):
    opened = Store(operator_database, tmp_path / "video")
    store_all(opened, MADE, LIVE)
    yield opened
    opened.close()


@pytest.fixture
def server(operator_database, store, ca):
    index = Index(operator_database, store.folder)
    app = create_app(index, CollectorRegistry(), Overview(index, operator_database, store.folder))
    with HttpsServer(app, issue(ca, "operator", store="operating-api"), VIEWERS) as running:
        yield running


@pytest.fixture(scope="module")
def forensic(ca) -> Identity:
    return issue(ca, "forensic")


@pytest.fixture
def client(server, forensic):
    with OperatorClient(server.url, forensic) as made:
        yield made


@pytest.fixture
def plain(server, forensic):
    with HttpsClient(server.url, forensic) as made:
        yield made


def test_client_gets_records_that_verify(client):
    records = client.records(MADE.video_id)
    assert verify_video(records, identify, media=False).frames == 20
    assert [r.signed for r in records] == [r.signed for r in MADE.records]
    assert verify_video(client.records(MADE.video_id, 2, 3), identify, media=False, first=2, live=True).next_seq == 4
    whole = [client.start(MADE.video_id), *(client.chunk(MADE.video_id, seq) for seq in range(4)), records[-1]]
    assert verify_video(whole, identify).end is not None


def test_client_gets_the_frame_that_the_chunk_decodes_to(client):
    units, _ = parse_fragment(client.chunk(MADE.video_id, 1).media, FORMAT)
    pictures = decode_units(units, "h264", FORMAT.width, FORMAT.height)
    assert equal(client.frame(MADE.video_id, 7), pictures[2])
    shown = cv2.imdecode(np.frombuffer(client.png(MADE.video_id, 7), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None and np.array_equal(shown[:, :, ::-1], rgb_of(pictures[2], FORMAT, 96, 64))


def test_lists_name_videos_and_places(client, plain):
    assert plain.get("/cameras").json() == [
        {"camera_id": "cam-1", "videos": 1, "live": False}, {"camera_id": "cam-2", "videos": 1, "live": True},
    ]
    assert {v["video_id"] for v in client.videos()} == {MADE.video_id, LIVE.video_id}
    assert [v["video_id"] for v in client.videos("cam-2")] == [LIVE.video_id]
    assert plain.get("/videos", params={"before_ms": 5}).json() == []
    found = client.video(MADE.video_id)
    assert found["ended"] and found["fault"] == "" and found["bytes"] == len(WHOLE)
    assert [place["at"] + place["bytes"] for place in found["places"]][-1] == len(WHOLE)


def test_cameras_are_summed_up_anew_after_ten_times_as_long_as_it_took(store, operator_database):
    now = 100.0

    def clock() -> float:
        nonlocal now
        now += 0.5
        return now

    overview = Overview(Index(operator_database, store.folder), operator_database, store.folder, clock)
    assert [camera.camera_id for camera in overview.cameras()] == ["cam-1", "cam-2"]
    store_all(store, video(1, camera="cam-3"))
    now = 104.0
    assert [camera.camera_id for camera in overview.cameras()] == ["cam-1", "cam-2"]
    now = 107.0
    assert [camera.camera_id for camera in overview.cameras()] == ["cam-1", "cam-2", "cam-3"]


@pytest.mark.parametrize(
    ("asked", "status", "first", "stop"),
    [(None, 200, 0, len(WHOLE)), ("bytes=0-", 206, 0, len(WHOLE)), ("bytes=10-19", 206, 10, 20),
     ("bytes=-7", 206, len(WHOLE) - 7, len(WHOLE)), (f"bytes=5-{10**12}", 206, 5, len(WHOLE)),
     ("bytes=-999999999", 206, 0, len(WHOLE)), (f"bytes={len(WHOLE)}-", 416, 0, 0), ("bytes=-0", 416, 0, 0),
     ("bytes=9-3", 416, 0, 0), ("bytes=1-2,4-5", 200, 0, len(WHOLE)), ("lines=1-2", 200, 0, len(WHOLE))],
)
def test_video_answers_byte_ranges(plain, asked, status, first, stop):
    answer = plain.get(f"/videos/{MADE.video_id}.mp4", headers={"Range": asked} if asked else None)
    assert answer.status_code == status and answer.content == WHOLE[first:stop]
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {first}-{stop - 1}/{len(WHOLE)}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(WHOLE)}"


def test_head_gives_length_without_bytes(plain):
    answer = plain.request("HEAD", f"/videos/{MADE.video_id}.mp4")
    assert answer.headers["content-length"] == str(len(WHOLE)) and answer.headers["accept-ranges"] == "bytes"


def test_video_plays_while_it_grows(client, store):
    def frames() -> int:
        with av.open(io.BytesIO(client.media(LIVE.video_id))) as container:
            return sum(1 for _ in container.decode(video=0))

    assert frames() == 10
    grown = video(4, camera="cam-2", end=False)
    with store.batch() as batch:
        for record in grown.records:
            batch.put(check_record(record, identify), RECEIVED_MS)
    assert frames() == 20


def test_bytes_behind_the_index_are_not_served(client, store):
    with (store.folder / f"{LIVE.video_id}.mp4").open("ab") as file:
        file.write(b"not yet indexed")
    assert client.media(LIVE.video_id) == b"".join(record.media for record in LIVE.records)


def test_playlist_names_the_bytes_of_every_chunk(plain):
    lines = plain.get(f"/videos/{MADE.video_id}.m3u8").text.splitlines()
    ranges = [line.split(":")[1].split("@") for line in lines if line.startswith("#EXT-X-BYTERANGE")]
    assert b"".join(WHOLE[int(at) : int(at) + int(size)] for size, at in ranges) == WHOLE[len(MADE.records[0].media) :]
    assert lines[-1] == "#EXT-X-ENDLIST" and sum("EXTINF:0.200000" in line for line in lines) == 4
    live = plain.get(f"/videos/{LIVE.video_id}.m3u8").text
    assert "ENDLIST" not in live and "TARGETDURATION:1" in live


@pytest.mark.parametrize(
    "path",
    ["/videos/..%2F..%2Fetc%2Fpasswd", "/videos/%2e%2e/chunks/0", "/videos/../../etc/passwd.mp4", "/videos/%00.mp4",
     "/videos/.lock.mp4", "/videos/%2e%2e%2f.lock", "/videos/unknown", "/videos/unknown.mp4", "/videos/unknown.m3u8",
     "/videos/" + "x" * 300, "/videos/a'%20OR%201=1--/records", "/videos/unknown/frames/0",
     f"/videos/{MADE.video_id}/chunks/99", f"/videos/{MADE.video_id}/chunks/-1", f"/videos/{MADE.video_id}/chunks/x",
     f"/videos/{MADE.video_id}/chunks/{2**80}", f"/videos/{MADE.video_id}/frames/20",
     f"/videos/{MADE.video_id}/frames/1?as=exe", f"/videos/{MADE.video_id}/records?first=-1", "/videos?limit=0",
     "/docs", "/page.html"],
)
def test_hostile_or_unknown_names_give_nothing(plain, path):
    answer = plain.get(path)
    assert answer.status_code in (404, 422) and b"root:" not in answer.content


def test_hostile_camera_names_find_nothing(client):
    for name in ("cam-1' OR '1'='1", "%", "cam-3\0", "\N{GRINNING FACE}"):
        assert client.videos(name) == []


@pytest.mark.parametrize("principal", ["camera-cam-1", "pipeline", "custodian"])
def test_other_principals_get_nothing(server, ca, principal):
    with OperatorClient(server.url, issue(ca, principal, store=f"api-{principal}")) as stranger:
        for call in (stranger.videos, lambda: stranger.chunk(MADE.video_id, 0), lambda: stranger.media(MADE.video_id)):
            with pytest.raises(AccessDenied):
                call()


def test_errors_of_the_client_are_of_the_tree(client, store):
    with pytest.raises(MissingChunk):
        client.chunk(MADE.video_id, 9)
    with pytest.raises(MissingChunk):
        client.records("no-such-video")
    path = store.folder / f"{MADE.video_id}.mp4"
    path.write_bytes(WHOLE[:-1] + b"\0" if WHOLE[-1] else WHOLE[:-1] + b"\1")
    with pytest.raises(DigestMismatch):
        client.chunk(MADE.video_id, 3)


@pytest.mark.parametrize("path", ["/", "/recordings", "/recordings?camera=cam-1&day=2023-11-14&at=x", "/state",
                                  "/recordings?camera=%00'--&day=0000-00-00", "/recordings?day=9999-12-31"])
def test_pages_come_without_anything_from_elsewhere(plain, path):
    page = plain.get(path)
    assert page.status_code == 200 and "http:" not in page.text and "https:" not in page.text
    assert "<script>" not in page.text and "style=" not in page.text and "onclick" not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


def test_static_files_and_service_answer(plain):
    style = plain.get("/static/style.css")
    assert style.status_code == 200
    assert plain.get("/static/style.css", headers={"If-None-Match": style.headers["etag"]}).status_code == 304
    for path in ("/static/player.js", "/openapi.json", "/metrics"):
        assert plain.get(path).status_code == 200
    assert plain.get("/health").json() == {"ok": True, "reason": ""}
    missing = plain.get("/videos/unknown", headers={"Accept": "text/html"})
    assert missing.status_code == 404 and "<h1>There is no such page.</h1>" in missing.text


def test_small_jpeg_of_a_frame(plain):
    answer = plain.get(f"/videos/{MADE.video_id}/frames/3?as=jpeg")
    shown = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert answer.headers["content-type"] == "image/jpeg" and shown is not None and shown.shape == (64, 96, 3)
