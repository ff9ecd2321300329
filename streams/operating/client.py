"""Asks the operating platform, as the forensic service and the authorities do. What comes back isn't trusted: check it.

Signatures, digests and the chain are checked by `streams.verify`; this only moves bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import numpy as np

from infra.framing import RECORDED, read_framed
from infra.https import HttpsClient
from infra.tls import Identity
from schemas.codec import decode, unpack_as
from schemas.errors import DigestMismatch, MalformedRecord, MissingChunk, UsageError
from schemas.frames import MAX_SIDE, Planes
from schemas.records import OperatorRecord, RecordedRecord


class OperatorClient:
    """Calls the operating platform with a client certificate. Safe for several threads.

    Every call raises AccessDenied when it is refused, ServiceUnavailable when the platform can't be reached,
    MissingChunk for what it doesn't have, DigestMismatch where its file is damaged.
    """

    def __init__(self, base_url: str, identity: Identity, *, seconds: float = 30.0) -> None:
        self._client = HttpsClient(base_url, identity, seconds=seconds)

    def videos(self, camera_id: str = "", limit: int = 200) -> list[dict[str, Any]]:
        """Videos, newest first, as the API describes them."""
        return list(self._get("/videos", {"camera": camera_id, "limit": limit}).json())

    def video(self, video_id: str) -> dict[str, Any]:
        """One video and where its chunks lie."""
        return dict(self._get(f"/videos/{_name(video_id)}").json())

    def records(self, video_id: str, first: int = 0, last: int | None = None) -> list[OperatorRecord]:
        """Signed records without media: start, chunks `first` to `last`, their heads, and the end if `last` is None."""
        params = {"first": first} if last is None else {"first": first, "last": last}
        content = self._get(f"/videos/{_name(video_id)}/records", params).content
        lines = [decode(RecordedRecord, line) for line in read_framed(io.BytesIO(content), RECORDED)]
        return [unpack_as("operator", line.value) for line in lines]

    def start(self, video_id: str) -> OperatorRecord:
        """The start with the init segment."""
        return self._record(f"/videos/{_name(video_id)}/start")

    def chunk(self, video_id: str, seq: int) -> OperatorRecord:
        """A chunk with its fragment."""
        return self._record(f"/videos/{_name(video_id)}/chunks/{seq}")

    def frame(self, video_id: str, frame_no: int) -> Planes:
        """The desensitised picture `video_id/frame_no`; unsigned: a restoration takes `chunk` and decodes it."""
        answer = self._get(f"/videos/{_name(video_id)}/frames/{frame_no}", {"as": "yuv"})
        try:
            width, height = (int(side) for side in answer.headers["X-Sealframe-Size"].split("x"))
        except (KeyError, ValueError) as error:
            raise MalformedRecord("a picture without its size") from error
        whole = np.frombuffer(answer.content, np.uint8)
        luma, chroma = width * height, width * height // 4
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE) or whole.size != luma + 2 * chroma:
            raise MalformedRecord(f"a picture of {whole.size} samples where {width}x{height} was said")
        half = (height // 2, width // 2)
        return Planes(
            whole[:luma].reshape(height, width),
            whole[luma : luma + chroma].reshape(half),
            whole[luma + chroma :].reshape(half),
        )

    def png(self, video_id: str, frame_no: int) -> bytes:
        """The same picture as PNG."""
        return self._get(f"/videos/{_name(video_id)}/frames/{frame_no}").content

    def media(self, video_id: str, at: int = 0, length: int | None = None) -> bytes:
        """Bytes of the video's file as far as it is stored."""
        stop = "" if length is None else str(at + length - 1)
        answer = self._get(f"/videos/{_name(video_id)}.mp4", headers={"Range": f"bytes={at}-{stop}"})
        return answer.content

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _record(self, path: str) -> OperatorRecord:
        record: OperatorRecord = unpack_as("operator", self._get(path).content)
        return record

    def _get(
        self, path: str, params: Mapping[str, str | int] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        answer = self._client.get(path, params=params, headers=headers)
        if answer.status_code in (404, 416):
            raise MissingChunk(f"the operating platform doesn't have {path}")
        if answer.status_code == 409:
            raise DigestMismatch(f"the operating platform's file is damaged: {path}")
        if answer.status_code not in (200, 206):
            raise UsageError(f"{path}: status {answer.status_code}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _name(video_id: str) -> str:
    return quote(video_id, safe="")
