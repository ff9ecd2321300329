"""Consent by picture, the first pass of file mode: find the tracks that stay visible, before anything is painted.

The same pipeline locates every chunk as the second pass will; good looks at faces are read as the forensic service
reads them, and `operators/spare.py` judges each track over its whole life. The second pass must see the same regions,
or nothing is written: tracks are known by number alone. Vectors and stills live in memory, as long as the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from operators.detect import crop_rgb
from operators.embed import align
from operators.pipeline import Pipeline
from operators.quality import quality
from operators.sign import digest
from operators.spare import Spare, Spared
from schemas.codec import encode
from schemas.errors import MalformedRecord, SourceError, UsageError
from schemas.frames import DecodedChunk, FrameChunk, Planes, VideoFormat
from schemas.regions import Array, Place, Region, RegionSet
from streams.authority.faces import MARGIN, Faces, Rgb, View

MIN_WIDTH = 60.0
"""Box width in pixels of a good look, and of the face in a picture of who consents."""
MIN_QUALITY = 0.45
STILL = 160
FINISH = "the source gave other pictures when it was read again: nothing is spared of one that changes"


@dataclass(frozen=True, slots=True, eq=False)
class Consent:
    """A picture of somebody who consented: SHA-256 of the file, and the face's unit vector. No name."""

    digest: bytes
    vector: Array = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class SparedTrack:
    """A track that stays visible, as the report lists it; `still`: JPEG of its clearest look."""

    track: Spared
    picture: bytes
    start_s: float
    end_s: float
    still: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class FirstPass:
    """What the second pass needs: the spared tracks, and the digest of every chunk's regions, in order."""

    spared: tuple[SparedTrack, ...]
    regions: tuple[bytes, ...] = field(repr=False)

    def check(self, number: int, regions: RegionSet) -> None:
        """Raise SourceError unless these are the regions that the tracks were judged by."""
        if number >= len(self.regions) or digest_of(regions) != self.regions[number]:
            raise SourceError(FINISH)


def read_consent(path: Path, faces: Faces) -> Consent:
    """The one face of a picture file.

    Raises:
        UsageError: it can't be read, shows no face, several, or one that is too small.

    """
    try:
        data = path.read_bytes()
        probe = faces.probe(data)
    except (OSError, UsageError) as error:
        raise UsageError(f"{path}: {error}") from error
    if probe.others:
        raise UsageError(f"{path} shows {probe.others + 1} faces: cut out the one of who consented")
    if probe.width < MIN_WIDTH:
        raise UsageError(f"{path}: the face is {probe.width:.0f} pixels wide; {MIN_WIDTH:.0f} are needed")
    return Consent(digest(data), probe.embedding)


def first_pass(
    chunks: Iterator[FrameChunk], pipeline: Pipeline, faces: Faces, consents: Sequence[Consent],
    judge: Spare | None = None,
) -> FirstPass:
    """Look through a whole file for tracks of who consented; errors as `Pipeline.locate`."""
    judge, lives, seen = judge or Spare(), None, _Seen()
    for chunk, decoded, regions in _located(chunks, pipeline):
        lives = judge.initial(chunk.camera_id) if lives is None else lives
        looks = seen.add(chunk, decoded, regions, faces)
        times = [float(tick * chunk.format.time_base) for tick in chunk.pts]
        lives = judge.step(lives, regions, chunk.first_frame, times, looks)
    found = judge.spared(lives, [one.vector for one in consents]) if lives else ()
    return FirstPass(tuple(seen.listed(one, consents) for one in found), tuple(seen.regions))


def digest_of(regions: RegionSet) -> bytes:
    """Of the regions of a chunk, whatever the video's random name is."""
    return digest(encode(replace(regions, video_id="")))


def view_of(planes: Planes, video: VideoFormat, region: Region, faces: Faces) -> tuple[View, Rgb] | None:
    """A good look at a face and its crop; None where it is small, unclear, or has no landmarks of its own."""
    x1, y1, x2, y2 = region.box
    if x2 - x1 < MIN_WIDTH or min(x1, y1) <= 0 or x2 >= video.width or y2 >= video.height:
        return None
    crop, left, top = crop_rgb(planes, video, region.box, MARGIN)
    points = faces.landmarks(crop, [x1 - left, y1 - top, x2 - left, y2 - top])
    if points is None:
        return None
    luma = planes.y[round(y1) : round(y2), round(x1) : round(x2)]
    luma = np.asarray(16 + luma * (219 / 255), np.uint8) if video.full_range else luma
    worth = quality(region.box, points, region.score, luma)
    try:
        return (View(region.track, 0, worth, align(crop, points)), crop) if worth >= MIN_QUALITY else None
    except MalformedRecord:
        return None


def _located(
    chunks: Iterator[FrameChunk], pipeline: Pipeline
) -> Iterator[tuple[FrameChunk, DecodedChunk, RegionSet]]:
    current = next(chunks, None)
    if current is None:
        raise SourceError("the source holds no picture")
    state = pipeline.initial(current.camera_id)
    while current is not None:
        following = next(chunks, None)
        located, regions = pipeline.locate(state, current, following)
        yield current, pipeline.examiner.take(current), regions
        state, current = replace(located, video_id=current.video_id), following


@dataclass(slots=True)
class _Seen:
    """What a first pass keeps beside the lives of tracks: times, the clearest still of each, digests of regions."""

    regions: list[bytes] = field(default_factory=list)
    _times: dict[int, tuple[float, float]] = field(default_factory=dict)
    _stills: dict[int, tuple[float, bytes]] = field(default_factory=dict)
    _origin: float | None = None

    def add(
        self, chunk: FrameChunk, decoded: DecodedChunk, regions: RegionSet, faces: Faces
    ) -> Mapping[Place, Array]:
        """The vectors of the good looks of a chunk."""
        self.regions.append(digest_of(regions))
        ticks = [float(tick * chunk.format.time_base) for tick in (*chunk.pts, chunk.end_pts)]
        self._origin = ticks[0] if self._origin is None else self._origin
        places, views = [], []
        for i, frame in enumerate(regions.frames):
            self._times[chunk.first_frame + i] = ticks[i] - self._origin, ticks[i + 1] - self._origin
            for region in frame if i not in regions.failed else ():
                found = None
                if region.kind == "face" and region.source == "detected":
                    found = view_of(decoded.frames[i].planes, chunk.format, region, faces)
                if found:
                    places.append((i, region.track))
                    views.append(found[0])
                    self._keep(*found)
        return dict(zip(places, faces.embed(views), strict=True))

    def listed(self, one: Spared, consents: Sequence[Consent]) -> SparedTrack:
        """A spared track with its time and still."""
        start, end = self._times[one.first][0], self._times[one.last][1]
        return SparedTrack(one, consents[one.picture].digest, start, end, self._stills[one.track][1])

    def _keep(self, view: View, crop: Rgb) -> None:
        if view.quality > self._stills.get(view.track, (0.0, b""))[0]:
            scale = STILL / crop.shape[0]
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            small = cv2.resize(crop[:, :, ::-1], None, fx=scale, fy=scale, interpolation=way)
            self._stills[view.track] = view.quality, cv2.imencode(".jpg", small)[1].tobytes()
