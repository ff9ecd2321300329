"""`sealframe eval methods`: every method on one clip at 720p: likeness to the original, speed, bits, and how it looks.

SSIM and PSNR are of whole pictures against the original, both after the codec; speed is the operator's alone, its
appearances and paint, in CPU time of one thread, over frames that show a face. The page has a picture of each method.
"""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from operators import pixels
from operators.codec import decode, decode_units, encode
from operators.cohere import lay_out
from operators.desensitise.paint import appearance_keys, appearances, paint
from operators.desensitise.policy import METHODS, Policy
from operators.detect import Finder, crop_rgb
from operators.pipeline import encode_public
from schemas.errors import UsageError
from schemas.frames import DecodedChunk, Plane, Planes
from schemas.regions import RegionSet
from streams.evaluate.bench import chunks_of
from streams.evaluate.bits import size
from streams.evaluate.leak import found_in
from streams.evaluate.report import Figure

WIDTH, HEIGHT = 1280, 720
SSIM, FPS, FAST_FPS = 0.5, 25.0, 150.0
FAST = ("veil", "solid", "mosaic", "blur", "scramble")
REPEATS = 3
_SECRET = b"methods"
Tell = Callable[[str], None]


@dataclass(slots=True)
class Measured:
    """What a method gave: CPU seconds of its operator over `frames`, likeness of each, coded bytes, a picture (PNG)."""

    name: str
    seconds: float = 0.0
    frames: int = 0
    regions: int = 0
    ssim: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    coded: int = 0
    picture: bytes = field(default=b"", repr=False)

    @property
    def fps(self) -> float:
        """Frames that the operator alone could paint in a second."""
        return self.frames / max(self.seconds, 1e-9)


def ssim(a: Plane, b: Plane) -> float:
    """Structural similarity of two luma planes: Wang et al., "Image quality assessment: from error visibility to
    structural similarity" (2004): Gaussian window of 11 and sigma 1.5, K1 0.01, K2 0.03, mean of the map.
    """
    one, two = a.astype(np.float32), b.astype(np.float32)

    def blurred(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = blurred(one), blurred(two)
    var_a, var_b = blurred(one * one) - mean_a**2, blurred(two * two) - mean_b**2
    both = blurred(one * two) - mean_a * mean_b
    return float(
        ((2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()
    )


def evaluate(
    clip: Path, folder: Path, frames: int, finder: Finder, methods: Sequence[str] = tuple(METHODS),
    tell: Tell = lambda _: None,
) -> tuple[list[Figure], list[Measured]]:
    """All figures over so many frames of the clip at 720p.

    Raises:
        UsageError: no face is found in it.

    """
    policy, original = Policy({}, insist=True), Measured("original")
    found = {name: Measured(name) for name in methods}
    known: dict[str, dict[int, bytes]] = {name: {} for name in methods}
    for chunk, regions in found_in(chunks_of(clip, folder / "clip.mp4", WIDTH, HEIGHT, frames), finder, policy):
        decoded = decode(chunk)
        units = encode((f.planes for f in decoded.frames), chunk.pts, chunk.format, preset=policy.preset)
        plain = decode_units(units, "h264", WIDTH, HEIGHT)
        original.coded += size(units)
        _picture(original, plain, regions, chunk.format)
        for name, one in found.items():
            _measure(one, decoded, regions, known[name], replace(policy, methods={"face": name}), plain)
    if not any(one.regions for one in found.values()):
        raise UsageError(f"no face is found in {clip.name}")
    for one in found.values():
        tell(f"{one.name}: {one.fps:.0f} frames/s, SSIM {np.mean(one.ssim):.3f}, bits {one.coded / original.coded:.3f}")
    return figures([*found.values()], original), [original, *found.values()]


def _measure(
    out: Measured, decoded: DecodedChunk, regions: RegionSet, known: dict[int, bytes], policy: Policy,
    plain: Sequence[Planes],
) -> None:
    chunk = decoded.chunk
    layout = lay_out(regions, chunk.format, policy)
    keys = appearance_keys(layout, chunk, policy, _SECRET)
    used: dict[int, bytes] = {}
    spent = []
    for _ in range(REPEATS):
        began = time.thread_time()
        used = appearances(decoded, layout, known, policy, keys)
        painted = list(paint(decoded.frames, layout, chunk.format, used, policy))
        spent.append(time.thread_time() - began)
    known |= used
    shows = [i for i, claims in enumerate(layout) if claims]
    out.seconds += min(spent)
    out.frames += len(shows)
    out.regions += sum(map(len, layout))
    units = encode_public(painted, chunk, policy, layout)
    out.coded += size(units)
    shown = decode_units(units, "h264", WIDTH, HEIGHT)
    for i in shows[::5]:
        out.ssim.append(ssim(plain[i].y, shown[i].y))
        out.psnr.append(pixels.psnr(plain[i], shown[i]))
    _picture(out, shown, regions, chunk.format)


def _picture(out: Measured, shown: Sequence[Planes], regions: RegionSet, video: object) -> None:
    """The largest face of the first frame that shows one, with what is around it."""
    if out.picture:
        return
    for planes, frame in zip(shown, regions.frames, strict=True):
        if frame:
            best = max(frame, key=lambda region: region.box[2] - region.box[0])
            rgb, _, _ = crop_rgb(planes, video, best.box, 1.0)  # type: ignore[arg-type]
            small = cv2.resize(rgb, (200, 240), interpolation=cv2.INTER_AREA)
            out.picture = cv2.imencode(".png", small[:, :, ::-1])[1].tobytes()
            return


def figures(found: Sequence[Measured], original: Measured) -> list[Figure]:
    """Three figures a method, and its bits."""
    out = []
    for one in found:
        name, n = one.name, one.frames
        out += [
            Figure(f"fps_{name}", one.fps, "frames/s", ">=", FAST_FPS if name in FAST else FPS, n,
                   f"operator alone, 720p, {one.regions / max(1, n):.1f} regions a frame"),
            Figure(f"ssim_{name}", float(np.mean(one.ssim)), "", ">=", SSIM, len(one.ssim)),
            Figure(f"psnr_{name}", float(np.mean(one.psnr)), "dB", ">=", None, len(one.psnr)),
            Figure(f"method_bits_{name}", one.coded / max(1, original.coded), "", "<=", None, n),
        ]
    return out


def page(path: Path, measured: Sequence[Measured], title: str) -> None:
    """Write one HTML file that holds its pictures; it shows a face, so it is for who may see the clip anyway."""
    most = max((one.fps for one in measured if one.frames), default=1.0)
    items = []
    for one in measured:
        words = "as it was" if not one.frames else (
            f"{one.fps:,.0f} frames/s, SSIM {np.mean(one.ssim):.3f}, PSNR {np.mean(one.psnr):.1f} dB, "
            f"{one.coded:,} bytes"
        )
        picture = base64.b64encode(one.picture).decode()
        bar = f'<meter max="1" value="{one.fps / most if one.frames else 0:.3f}"></meter>' if one.frames else ""
        items.append(f'<li><figure><img alt="{html.escape(one.name)}" src="data:image/png;base64,{picture}">'
                     f"<figcaption><b>{html.escape(one.name)}</b><br>{words}<br>{bar}</figcaption></figure></li>")
    path.write_text(_PAGE.format(title=html.escape(title), items="".join(items)))


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:16px system-ui;margin:2rem}}
ol{{display:flex;flex-wrap:wrap;gap:1.5rem;list-style:none;padding:0}}figure{{margin:0;width:200px}}
img{{display:block;width:200px}}meter{{width:100%}}</style><h1>{title}</h1><ol>{items}</ol></html>
"""
