"""`sealframe eval clip-leak`: which faces of real clips stay bare, against an offline ensemble, deface in the same run.

Nobody labelled these clips, so the truth is made: every frame is searched by each detector at native resolution (longer
side at most 1920), as it is and mirrored; what two detectors agree on is a face, and so is what one of them is very
sure of. Faces are joined over time; gaps of up to five frames are filled, and who isn't seen in five frames, once with
a score of 0.6, counts for nothing: without that, half of a dark crowd's faces were branches and lanterns. A face leaks
in a frame where more than a tenth of the ellipse in its box lies outside of what is masked.

Ours is masked as the worker does it. deface is the package, with its defaults: native resolution, every frame by
itself, score 0.2, boxes widened by 30 % of each side, ellipses. Its network is one of the ensemble's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from deface.centerface import CenterFace as Deface

from operators.codec import decode
from operators.desensitise.policy import Policy
from operators.detect import FaceDetector, Finder
from operators.detect.face import suppress
from operators.detect.measure import overlaps
from operators.detect.picture import picture_of
from schemas.frames import BLOCK, FrameChunk, Planes, VideoFormat
from streams.evaluate.files import first_chunks
from streams.evaluate.leak import BARE, LEAK, MIN_HEIGHT, found_in, laid_out
from streams.evaluate.report import Figure
from streams.evaluate.worst import Worst

SIDE = 1920
AGREE, SURE = 0.4, 0.8
JOIN, GAP, LEAST_SEEN, SURE_ONCE = 0.3, 5, 5, 0.6
DEFACE_SCORE, DEFACE_WIDER = 0.2, 0.3
MAX_LEAK, OF_DEFACE = 0.005, 0.1
Tell = Callable[[str], None]
Boxes = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Bare:
    """Faces of one way of masking: how many frames of faces leak, are bare, and which tracks leak at all."""

    leaking: int = 0
    bare: int = 0
    tracks: set[tuple[str, int]] = field(default_factory=set)

    def add(self, face: Flags, mask: Flags, track: tuple[str, int]) -> float:
        """A face's pixels and the masked ones, of the same part of a frame; returns the share that is bare."""
        share = float((face & ~mask).sum() / max(int(face.sum()), 1))
        self.leaking += share > LEAK
        self.bare += share >= BARE
        if share > LEAK:
            self.tracks.add(track)
        return share


@dataclass(slots=True)
class Totals:
    """Counts over clips."""

    faces: int = 0
    tracks: int = 0
    ours: Bare = field(default_factory=Bare)
    deface: Bare = field(default_factory=Bare)


@dataclass(frozen=True, slots=True)
class Seen:
    """A face in a frame of the truth."""

    track: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Sights:
    """Boxes (n, 4) xyxy and scores (n,) of a frame."""

    boxes: Boxes
    scores: Boxes


def evaluate(
    clips: Iterable[Path], frames: int, finder: Finder, detectors: Sequence[FaceDetector], policy: Policy,
    tell: Tell = lambda _: None, worst: Worst | None = None,
) -> list[Figure]:
    """The first so many frames (whole chunks) of every clip."""
    total, peer, worst = Totals(), Deface(), worst or Worst()
    for path in clips:
        chunks = first_chunks(path, frames)
        pictures = [(planes, chunk.format) for chunk in chunks for planes in planes_of(chunk)]
        truth = joined([ensemble(planes, video, detectors) for planes, video in pictures])
        if any(truth):
            masks = [mask for chunk, found in found_in(chunks, finder, policy)
                     for _, mask in laid_out(found, chunk, policy)]
            for i, (seen, mask, (planes, video)) in enumerate(zip(truth, masks, pictures, strict=True)):
                shares = count(total, path.name, seen, np.kron(mask, np.ones((BLOCK, BLOCK), bool)),
                               defaced(peer, planes, video) if seen else np.zeros((video.height, video.width), bool))
                for share, one in zip(shares, seen, strict=True):
                    worst.add(share, f"{path.stem}, frame {i}", planes, video, one.box, mask)
            total.tracks += len({one.track for frame in truth for one in frame})
        tell(f"{path.name}: {len(pictures)} frames, {sum(map(len, truth))} faces; leaking so far: "
             f"{total.ours.leaking} here, {total.deface.leaking} with deface, of {total.faces}")
    return figures(total)


def planes_of(chunk: FrameChunk) -> list[Planes]:
    """Its pictures, copied out of the decoder's pool."""
    return [Planes(*(plane.copy() for plane in frame.planes.all())) for frame in decode(chunk).frames]


def ensemble(planes: Planes, video: VideoFormat, detectors: Sequence[FaceDetector]) -> Sights:
    """What two detectors agree on, or one is very sure of, in samples of the frame."""
    picture, scale_x, scale_y = picture_of(planes, video, SIDE)
    boxes, scores, searches = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    for number, detector in enumerate(detectors):
        for mirrored in (False, True):
            found = detector.detect(np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture)
            part = found.boxes.copy()
            if mirrored:
                part[:, [0, 2]] = picture.shape[1] - part[:, [2, 0]]
            boxes.append(part)
            scores.append(found.scores)
            searches.append(np.full(len(part), number))
    every, score, by = np.concatenate(boxes), np.concatenate(scores), np.concatenate(searches)
    alike = overlaps(every, every) >= AGREE
    votes = np.array([len(set(by[row].tolist())) for row in alike], np.int64)
    agreed = np.flatnonzero((votes >= 2) | (score >= SURE))
    order = agreed[np.argsort(-score[agreed])] if len(agreed) else agreed
    kept = order[suppress(every[order], AGREE)] if len(order) else order
    return Sights(every[kept] * np.array([scale_x, scale_y, scale_x, scale_y], np.float32), score[kept])


def joined(frames: Sequence[Sights]) -> list[list[Seen]]:
    """Tracks through all frames: greedy by overlap, short gaps filled along a line, doubtful ones dropped."""
    tracks: list[dict[int, npt.NDArray[np.float32]]] = []
    for i, sights in enumerate(frames):
        boxes = np.concatenate([sights.boxes, sights.scores[:, None]], 1)
        live = [track for track in tracks if i - max(track) <= GAP + 1]
        taken: set[int] = set()
        last = np.array([track[max(track)] for track in live], np.float32).reshape(-1, 5)
        over = overlaps(last[:, :4], sights.boxes)
        for row, column in sorted(np.argwhere(over >= JOIN).tolist(), key=lambda at: -over[at[0], at[1]]):
            if column not in taken and i not in live[row]:
                live[row][i] = boxes[column]
                taken.add(column)
        tracks += [{i: boxes[column]} for column in range(len(boxes)) if column not in taken]
    out: list[list[Seen]] = [[] for _ in frames]
    for number, track in enumerate(tracks):
        if len(track) < LEAST_SEEN or max(one[4] for one in track.values()) < SURE_ONCE:
            continue
        at = sorted(track)
        for i in range(at[0], at[-1] + 1):
            x1, y1, x2, y2 = (float(np.interp(i, at, [track[k][side] for k in at])) for side in range(4))
            if y2 - y1 >= MIN_HEIGHT:
                out[i].append(Seen(number, (x1, y1, x2, y2)))
    return out


def defaced(peer: Deface, planes: Planes, video: VideoFormat) -> Flags:
    """The pixels that deface hides in a frame at its defaults."""
    picture, scale_x, scale_y = picture_of(planes, video, max(planes.y.shape))
    hidden = np.zeros(planes.y.shape, bool)
    for x1, y1, x2, y2 in peer(picture, threshold=DEFACE_SCORE)[0][:, :4] * [scale_x, scale_y, scale_x, scale_y]:
        dx, dy = DEFACE_WIDER * (x2 - x1), DEFACE_WIDER * (y2 - y1)
        hidden |= ellipse((x1 - dx, y1 - dy, x2 + dx, y2 + dy), hidden.shape)
    return hidden


def ellipse(box: tuple[float, float, float, float], shape: tuple[int, ...]) -> Flags:
    """The pixels of the ellipse inside a box."""
    x1, y1, x2, y2 = box
    drawn = np.zeros(shape[:2], np.uint8)
    middle, axes = (round((x1 + x2) / 2), round((y1 + y2) / 2)), (round((x2 - x1) / 2), round((y2 - y1) / 2))
    cv2.ellipse(drawn, middle, (max(1, axes[0]), max(1, axes[1])), 0, 0, 360, 1, -1)
    return drawn > 0


def count(total: Totals, clip: str, seen: Sequence[Seen], ours: Flags, deface: Flags) -> list[float]:
    """One frame's faces against both masks; returns how much of each is bare here."""
    shares = []
    height, width = deface.shape
    for one in seen:
        face = ellipse(one.box, (height, width))
        rows, columns = np.flatnonzero(face.any(1)), np.flatnonzero(face.any(0))
        if not len(rows):
            shares.append(0.0)
            continue
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        total.faces += 1
        shares.append(total.ours.add(face[part], ours[part], (clip, one.track)))
        total.deface.add(face[part], deface[part], (clip, one.track))
    return shares


def figures(total: Totals) -> list[Figure]:
    """Ours with its targets, deface beside it."""
    faces, tracks = max(total.faces, 1), max(total.tracks, 1)
    ours, peer = total.ours, total.deface
    limit = min(MAX_LEAK, OF_DEFACE * peer.leaking / faces)
    return [
        Figure("clip_leak_rate", ours.leaking / faces, "", "<=", limit, total.faces,
               f"{ours.leaking} face-frames over a tenth bare; at most {MAX_LEAK:g} and a tenth of deface's"),
        Figure("clip_bare_rate", ours.bare / faces, "", "<=", None, total.faces, f"{ours.bare} face-frames"),
        Figure("clip_leaking_tracks", len(ours.tracks) / tracks, "", "<=", None, total.tracks,
               f"{len(ours.tracks)} people with any leak"),
        Figure("clip_leak_rate_deface", peer.leaking / faces, "", "<=", None, total.faces,
               f"{peer.leaking} face-frames"),
        Figure("clip_bare_rate_deface", peer.bare / faces, "", "<=", None, total.faces, f"{peer.bare} face-frames"),
        Figure("clip_leaking_tracks_deface", len(peer.tracks) / tracks, "", "<=", None, total.tracks,
               f"{len(peer.tracks)} people with any leak"),
    ]
