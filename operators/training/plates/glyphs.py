"""Characters of fonts that Debian packages, as small masks ready to be put on a drawn plate.

Fonts, by package and licence: DejaVu (fonts-dejavu-core, -extra; Bitstream Vera), Liberation (fonts-liberation; OFL
1.1), FreeSans (fonts-freefont-ttf; GPL 3 with font exception), Nimbus Sans and URW Gothic (fonts-urw-base35; AGPL 3
with font exception), Noto Sans CJK (fonts-noto-cjk; OFL 1.1), WenQuanYi Zen Hei (fonts-wqy-zenhei; GPL 2 with font
exception), Nanum (fonts-nanum; OFL 1.1), Roboto (fonts-roboto-unhinted; Apache 2.0), Open DIN (fonts-opendin; OFL
1.1), Routed Gothic (fonts-routed-gothic; OFL 1.1), osifont (fonts-osifont; GPL 3 with font exception), Inter, League
Spartan, JetBrains Mono, Lato, Dosis (fonts of these names; OFL 1.1). Only pictures of their characters are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from operators.plates import CHINESE_MARKS, DIGITS, HANGUL, LETTERS, PROVINCES, UMLAUTS
from schemas.errors import ConfigError

FONTS = Path("/usr/share/fonts")
CAP = 48
"""Height of a mask, px: capitals and digits fill it; so does every Chinese or Korean character."""
LATIN = (
    "DejaVuSansCondensed-Bold.ttf", "DejaVuSans.ttf", "DejaVuSansMono-Bold.ttf", "LiberationSans-Bold.ttf",
    "LiberationSans-Regular.ttf", "LiberationSansNarrow-Bold.ttf", "LiberationSansNarrow-Regular.ttf",
    "LiberationMono-Bold.ttf", "FreeSans.ttf", "FreeSansBold.ttf", "NimbusSans-Bold.otf",
    "NimbusSansNarrow-Bold.otf", "NimbusSansNarrow-Regular.otf", "Roboto-Medium.ttf", "Roboto-Bold.ttf",
    "RobotoCondensed-Bold.ttf", "RobotoCondensed-Regular.ttf", "OpenDin*", "routed-gothic.ttf",
    "routed-gothic-narrow.ttf", "routed-gothic-wide.ttf", "osifont*", "Inter-SemiBold.otf", "InterDisplay-Bold.otf",
    "LeagueSpartan-SemiBold.otf", "JetBrainsMono-Bold.ttf", "JetBrainsMono-Medium.ttf", "Lato-Bold.ttf",
    "Lato-Heavy.ttf", "Dosis-Bold.otf", "Dosis-SemiBold.otf", "URWGothic-Demi.otf", "LiberationMono-Regular.ttf",
    "NotoSansCJK-Bold.ttc", "wqy-zenhei.ttc", "NanumGothicBold.ttf", "NanumBarunGothicBold.ttf",
)  # fmt: skip
CHINESE = ("NotoSansCJK-Bold.ttc", "NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc")
KOREAN = (
    "NanumGothicBold.ttf", "NanumGothic.ttf", "NanumBarunGothicBold.ttf", "NanumBarunGothic.ttf",
    "NanumSquareB.ttf", "NanumSquareR.ttf", "NotoSansCJK-Bold.ttc", "wqy-zenhei.ttc",
)  # fmt: skip
LEAST_FONTS = 8

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Masks of each font's characters, (48, width), by kind of writing; and fonts for small words."""

    latin: tuple[dict[str, Mask], ...]
    chinese: tuple[dict[str, Mask], ...]
    korean: tuple[dict[str, Mask], ...]
    words: tuple[ImageFont.FreeTypeFont, ...]


def load(
    folder: Path = FONTS, latin_fonts: Sequence[str] = LATIN, chinese_fonts: Sequence[str] = CHINESE,
    korean_fonts: Sequence[str] = KOREAN,
) -> Glyphs:
    """All masks, from the fonts of these names below `folder`; about two seconds.

    Raises:
        ConfigError: too few of the fonts are installed.

    """
    latin = _faces(folder, latin_fonts, DIGITS + LETTERS + UMLAUTS)
    chinese = _faces(folder, chinese_fonts, PROVINCES + CHINESE_MARKS)
    korean = _faces(folder, korean_fonts, HANGUL)
    if len(latin) < LEAST_FONTS or not chinese or not korean:
        raise ConfigError("fonts are missing; operators/training/plates/glyphs.py names the Debian packages")
    paths = _paths(folder, ("DejaVuSans.ttf", "LiberationSans-Bold.ttf", "Lato-Bold.ttf", "C059-BdIta.otf",
                            "Z003-MediumItalic.otf", "P052-Bold.otf", "RobotoCondensed-Bold.ttf"))  # fmt: skip
    return Glyphs(latin, chinese, korean, tuple(ImageFont.truetype(str(path), 22) for path in paths))


def _paths(folder: Path, names: Sequence[str]) -> list[Path]:
    found = []
    for name in names:
        files = [path for path in sorted(folder.rglob(name)) if path.suffix in {".ttf", ".otf", ".ttc"}]
        found += files if "*" in name else files[:1]
    return found


def _faces(folder: Path, names: Sequence[str], characters: str) -> tuple[dict[str, Mask], ...]:
    return tuple(_face(path, characters) for path in _paths(folder, names))


def _face(path: Path, characters: str) -> dict[str, Mask]:
    """All characters of one font, capitals at the same height, others each at their own."""
    font = ImageFont.truetype(str(path), 96)
    _, top, _, bottom = font.getbbox("H")
    return {one: _mask(font, one, top, bottom) for one in characters}


def _mask(font: ImageFont.FreeTypeFont, character: str, top: float, bottom: float) -> Mask:
    left, upper, right, lower = font.getbbox(character)
    if character in DIGITS + LETTERS:
        upper, lower = min(upper, top), max(min(lower, bottom + 8), bottom)
    picture = Image.new("L", (max(8, round(right - left)), max(8, round(lower - upper))))
    ImageDraw.Draw(picture).text((-left, -upper), character, 255, font)
    width = max(6, round(picture.width * CAP / picture.height))
    return np.asarray(cv2.resize(np.array(picture), (width, CAP), interpolation=cv2.INTER_AREA), np.uint8)


def words(glyphs: Glyphs, text: str, rng: np.random.Generator) -> Mask:
    """A word or two in a small font, (about 26, width)."""
    font = glyphs.words[int(rng.integers(len(glyphs.words)))]
    left, upper, right, lower = font.getbbox(text)
    picture = Image.new("L", (max(2, round(right - left)), max(2, round(lower - upper))))
    ImageDraw.Draw(picture).text((-left, -upper), text, 255, font)
    return np.array(picture)
