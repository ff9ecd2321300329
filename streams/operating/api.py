"""HTTPS API and pages of the operating platform. Who may call is decided by `infra.https`: client certificates only.

Ids are looked up in the index, never made into paths; a video answers as far as it is stored, so it plays while it
grows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

import cv2
from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from infra.framing import RECORDED, framed
from operators.detect.picture import rgb_of
from schemas.codec import encode, pack
from schemas.errors import AccessDenied, IntegrityError, MissingChunk, SealframeError, TransientError
from schemas.frames import MAX_NAME, MAX_TIME_MS, Planes
from schemas.records import RecordedRecord
from schemas.topics import OPERATOR_VIDEO
from streams.clock import now_ms
from streams.operating.index import Index, Video
from streams.operating.overview import Overview
from streams.operating.pages import add_pages, pages
from streams.operating.store import MAX_NUMBER, VIDEO_ID
from streams.pages.render import wants_page

VIEWERS = ("operator", "viewer-*", "authority-*", "forensic")
VideoId = Annotated[str, Path(pattern=f"^{VIDEO_ID}$")]
Number = Annotated[int, Path(ge=0, lt=MAX_NUMBER)]
PROTOBUF = "application/x-protobuf"
PICTURE_WIDTH, PICTURE_QUALITY = 640, 80



def create_app(
    index: Index, registry: CollectorRegistry, overview: Overview, failing: Callable[[], str] = lambda: "",
    clock: Callable[[], int] = now_ms,
) -> FastAPI:
    """The app; `failing` says what the sink waits for, empty when nothing; `clock` gives milliseconds since 1970."""
    app, shown = FastAPI(title="Sealframe operating platform", docs_url=None, redoc_url=None), pages()

    @app.exception_handler(SealframeError)
    async def answer_error(request: Request, error: SealframeError) -> Response:
        status = _status(error)
        if wants_page(request):
            return shown.fault(request, status, str(error))
        return JSONResponse({"error": type(error).__name__, "text": str(error)}, status)

    _add_service(app, registry, failing)
    add_pages(app, shown, overview, failing, clock)
    _add_media(app, index)
    _add_records(app, index)
    _add_counts(app, overview)
    return app


def _add_service(app: FastAPI, registry: CollectorRegistry, failing: Callable[[], str]) -> None:
    @app.get("/health")
    def health() -> JSONResponse:
        """Whether records are being stored."""
        reason = failing()
        return JSONResponse({"ok": not reason, "reason": reason}, 503 if reason else 200)

    @app.get("/metrics")
    def metrics() -> Response:
        """Prometheus figures."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _add_records(app: FastAPI, index: Index) -> None:
    @app.get("/cameras")
    def cameras() -> list[dict[str, Any]]:
        """All cameras."""
        return [{"camera_id": name, "videos": count, "live": live} for name, count, live in index.cameras()]

    @app.get("/videos")
    def videos(
        camera: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        before_ms: Annotated[int | None, Query(ge=0, lt=MAX_NUMBER)] = None,
    ) -> list[dict[str, Any]]:
        """Videos, newest first."""
        return [_described(video) for video in index.videos(camera.replace("\0", ""), limit, before_ms)]

    @app.get("/videos/{video_id}")
    def video(
        video_id: VideoId,
        newest: Annotated[int | None, Query(ge=0, lt=MAX_NUMBER, description="only so many places")] = None,
    ) -> dict[str, Any]:
        """One video and where its chunks lie in the file, all or the newest ones."""
        found = index.video(video_id)
        places = [
            {"seq": p.seq, "first_frame": p.first_frame, "frames": p.frames, "at": p.at, "bytes": p.bytes,
             "capture_ms": p.capture_ms, "seconds": p.seconds}
            for p in index.places(found, newest)
        ]
        return {**_described(found), "places": places}

    @app.get("/videos/{video_id}/records")
    def records(
        video_id: VideoId,
        first: Annotated[int, Query(ge=0, lt=MAX_NUMBER)] = 0,
        last: Annotated[int | None, Query(ge=0, lt=MAX_NUMBER)] = None,
    ) -> Response:
        """Signed records without media, in the format of `sealframe record`: start, chunks, heads, end."""
        found = index.video(video_id)
        key = found.camera_id.encode()
        lines = (
            framed(encode(RecordedRecord(OPERATOR_VIDEO, key, value, found.received_ms)))
            for value in index.records(found, first, last)
        )
        return Response(RECORDED + b"".join(lines), media_type="application/octet-stream")

    @app.get("/videos/{video_id}/start")
    def start(video_id: VideoId) -> Response:
        """The start record with the init segment."""
        return Response(pack("operator", index.start(index.video(video_id))), media_type=PROTOBUF)

    @app.get("/videos/{video_id}/chunks/{seq}")
    def chunk(video_id: VideoId, seq: Number) -> Response:
        """A signed chunk with its fragment."""
        return Response(pack("operator", index.chunk(index.video(video_id), seq)), media_type=PROTOBUF)

    @app.get("/videos/{video_id}/frames/{frame_no}")
    def frame(
        video_id: VideoId, frame_no: Number, form: Annotated[Literal["png", "yuv", "jpeg"], Query(alias="as")] = "png"
    ) -> Response:
        """A desensitised picture: PNG; its planes (y, u, v; 4:2:0, 8 bit) as they were decoded; or a small JPEG."""
        found = index.video(video_id)
        planes = index.frame(found, frame_no)
        if form == "yuv":
            size = {"X-Sealframe-Size": f"{found.format.width}x{found.format.height}"}
            return Response(_raw(planes), media_type="application/octet-stream", headers=size)
        return Response(_coded(planes, found, form), media_type=f"image/{form}")


def _add_counts(app: FastAPI, overview: Overview) -> None:
    @app.get("/counts")
    def counts(
        camera: Annotated[str, Query(max_length=MAX_NAME)],
        from_ms: Annotated[int, Query(ge=0, le=MAX_TIME_MS)],
        to_ms: Annotated[int, Query(ge=0, le=MAX_TIME_MS)],
        steps: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[dict[str, Any]]:
        """How many people and plates were hidden at once, on average and at most, in so many steps at most."""
        found = overview.in_view(camera.replace("\0", ""), from_ms, max(from_ms, to_ms), steps)
        return [asdict(step) for step in found]


def _add_media(app: FastAPI, index: Index) -> None:
    @app.head("/videos/{video_id}.mp4", include_in_schema=False)
    @app.get("/videos/{video_id}.mp4")
    def media(video_id: VideoId, request: Request) -> Response:
        """The video as far as it is stored; one byte range a request."""
        video = index.video(video_id)
        return _ranged(request, video.bytes, lambda at, length: index.media(video, at, length))

    @app.get("/videos/{video_id}.m3u8")
    def playlist(video_id: VideoId) -> Response:
        """HLS over byte ranges of the same file."""
        video = index.video(video_id)
        places = index.places(video)
        target = max([1, *(round(place.seconds + 0.5) for place in places)])
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{target}", "#EXT-X-MEDIA-SEQUENCE:0",
                 "#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-INDEPENDENT-SEGMENTS",
                 f'#EXT-X-MAP:URI="{video_id}.mp4",BYTERANGE="{video.init_bytes}@0"']
        for place in places:
            lines += [f"#EXTINF:{place.seconds:.6f},", f"#EXT-X-BYTERANGE:{place.bytes}@{place.at}", f"{video_id}.mp4"]
        lines += ["#EXT-X-ENDLIST"] if video.ended else []
        return PlainTextResponse("\n".join(lines) + "\n", media_type="application/vnd.apple.mpegurl")


def _described(video: Video) -> dict[str, Any]:
    fmt = video.format
    return {
        "video_id": video.video_id, "camera_id": video.camera_id, "capture_ms": video.capture_ms,
        "width": fmt.width, "height": fmt.height, "rotation": fmt.rotation, "frames": video.frames,
        "chunks": video.chunks, "missing": video.missing, "lost": video.lost, "seconds": video.seconds,
        "init_bytes": video.init_bytes, "bytes": video.bytes, "ended": video.ended, "fault": video.fault,
        "conflicts": video.conflicts,
    }


def _ranged(request: Request, size: int, read: Callable[[int, int], Any]) -> Response:
    """Answer a request for bytes (RFC 9110, 14): all, one range, or 416."""
    at, length, status = 0, size, 200
    headers = {"Accept-Ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", request.headers.get("range", ""))
    if asked and (asked[1] or asked[2]):
        if asked[1]:
            at, stop = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else size, size)
        else:
            at, stop = max(0, size - int(asked[2])), size
        if at >= size or (asked[1] and asked[2] and int(asked[2]) < at):
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
        length, status = stop - at, 206
        headers["Content-Range"] = f"bytes {at}-{stop - 1}/{size}"
    headers["Content-Length"] = str(length)
    body = iter(()) if request.method == "HEAD" else read(at, length)
    return StreamingResponse(body, status, headers, media_type="video/mp4")


def _raw(planes: Planes) -> bytes:
    return b"".join(plane.tobytes() for plane in planes.all())


def _coded(planes: Planes, video: Video, form: Literal["png", "jpeg"]) -> bytes:
    """The whole picture as PNG, or as a JPEG at most `PICTURE_WIDTH` wide."""
    width, height, how = video.format.width, video.format.height, [cv2.IMWRITE_PNG_COMPRESSION, 3]
    if form == "jpeg":
        how = [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY]
        width, height = min(width, PICTURE_WIDTH), round(height * min(width, PICTURE_WIDTH) / width)
    done, data = cv2.imencode(f".{form}", rgb_of(planes, video.format, width, height)[:, :, ::-1], how)
    if not done:
        raise MissingChunk(f"{video.video_id}: a picture that can't be written as {form}")
    return data.tobytes()


def _status(error: SealframeError) -> int:
    if isinstance(error, MissingChunk):
        return 404
    if isinstance(error, AccessDenied):
        return 403
    return 503 if isinstance(error, TransientError) else 409 if isinstance(error, IntegrityError) else 500
