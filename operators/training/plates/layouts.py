"""Plates as their countries lay them out, drawn flat: a seeded choice of layout, text, font and colours.

A pattern's signs: `A` letter, `0` digit, `9` either, `-` hyphen or dot, ` ` gap, `*` gap with a seal or sticker,
`P` Chinese province, `H` Korean syllable, `R` Korean region, `D` the letter D or F. Not drawn: plates of two lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from operators.plates import CHINESE_MARKS, DIGITS, LETTERS, PROVINCES, UMLAUTS
from operators.training.plates.glyphs import CAP, Glyphs, Mask, words

Rgb = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

TALL = 64
WHITE, BLACK, BLUE, YELLOW = (235, 236, 232), (22, 22, 26), (24, 60, 160), (240, 200, 40)
SYLLABLES = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주아바사자배하허호국합육해공"
REGIONS = (
    "서울", "부산", "대구", "인천", "광주", "대전", "울산", "세종", "경기", "강원", "충북", "충남", "전북", "전남",
    "경북", "경남", "제주",
)  # fmt: skip
STATES = (
    "Alabama Alaska ARIZONA Arkansas California COLORADO Connecticut Delaware FLORIDA GEORGIA Hawaii IDAHO Illinois "
    "INDIANA Iowa KANSAS Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota MISSISSIPPI Missouri "
    "Montana Nebraska NEVADA OHIO Oklahoma Oregon Pennsylvania Texas UTAH Vermont Virginia WASHINGTON Wisconsin "
    "WYOMING dmv.gov NEW-YORK"
).split()
SLOGANS = (
    "Garden State", "SUNSHINE STATE", "Famous Potatoes", "Land of Lincoln", "The Natural State", "SHOW-ME STATE",
    "www.maryland.gov", "America's Dairyland", "Centennial", "DEALER", "Live Free or Die", "In God We Trust",
    "GRAND CANYON STATE", "Discover the Spirit", "JACKSON", "First in Flight", "10,000 lakes", "TOYOTA", "HONDA",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """One country's plate: proportions, patterns, (ground, writing) colours, share of the height the text takes."""

    name: str
    weight: float
    aspect: float
    patterns: tuple[str, ...]
    colours: tuple[tuple[Colour, Colour], ...]
    text: tuple[float, float] = (0.66, 0.8)
    strip: str = ""
    decorated: bool = False


EUROPE = (
    "AA*000AA", "AA-000AA", "A0A*0000", "A-AA 0000", "AA-AA 000", "AAA-A 00", "AA*A 0000", "AAA 00000", "AA 00000",
    "AA 0000A", "AA00 AAA", "AA-000-AA", "AA 000AA", "0000 AAA", "AA-000-A", "00-AAA-0", "0-AAA-000", "A 00000A",
    "AAA-000", "A 00 AAA", "AA 00 AAA", "A 0000 AA", "00-AA-00", "AAA 000", "AA 00 000", "AA 000000", "AA0000AA",
    "000-A-0000", "A 000000", "AA 000-AA", "999999", "AAAAAAA", "0A0 0000", "AA 999AA", "AAA 999",
)  # fmt: skip
STATES_PATTERNS = (
    "AAA 000", "000 AAA", "AAA*000", "000*AAA", "0AAA000", "AAA0000", "AAA-0000", "AA0*A0A", "AA0*A0A", "AA*0000",
    "A00 0000", "000 0000", "00A 000", "00 A0000", "AA 00000", "0A 0000A", "00A000A", "0A0 000", "0000", "00000A",
    "A000000", "AAAAAAA", "AAAAAA", "AAAA 00", "AAA 00A", "00A*0AA", "AA0000", "0AA 000", "AA-000", "00*AA0", "9999999",
)  # fmt: skip
LAYOUTS = (
    Layout("eu", 3.2, 4.6, EUROPE, ((WHITE, BLACK), (WHITE, BLACK), (WHITE, (20, 30, 90))), strip="blue"),
    Layout("eu-old", 0.6, 4.6, EUROPE, ((WHITE, BLACK), (BLACK, WHITE), (YELLOW, BLACK), (BLUE, WHITE))),
    Layout("eu-red", 0.1, 4.6, ("0-AAA-000",), ((WHITE, (170, 20, 30)),), strip="blue"),
    Layout("eu-yellow", 0.3, 4.6, ("AA-000-A", "AA00 AAA", "00-AA-00", "00-AAA-0"), ((YELLOW, BLACK),), strip="blue"),
    Layout("us", 3.8, 2.0, STATES_PATTERNS, (
        (WHITE, (30, 40, 90)), (WHITE, (150, 30, 40)), (WHITE, BLACK), (WHITE, (30, 80, 60)), (YELLOW, BLACK),
        ((200, 215, 235), (30, 40, 80)), ((60, 80, 140), WHITE), ((30, 90, 60), WHITE), ((220, 200, 170), BLACK),
        ((150, 155, 160), (30, 30, 60)), (BLACK, (230, 190, 70)),
    ), (0.38, 0.52), decorated=True),
    Layout("china-blue", 2.6, 3.14, (
        "PA-99999", "PA-99999", "PA-00000", "PA-A0000", "PA-00A00", "PA-000A0", "PA-00AA0", "PA-0A000", "PA-0A00A",
        "PA-0000A",
    ), ((BLUE, WHITE), ((10, 90, 200), WHITE)), (0.62, 0.72)),
    Layout("china-green", 0.35, 3.43, ("PA-D00000", "PA-D90000", "PA-00000D"), (((90, 190, 130), BLACK),),
           (0.62, 0.72)),
    Layout("china-yellow", 0.25, 3.14, ("PA-99999", "PA-00000"), ((YELLOW, BLACK),), (0.62, 0.72)),
    Layout("korea", 0.7, 4.4, ("00H 0000", "000H 0000"), ((WHITE, BLACK), ((210, 225, 235), BLACK)), strip=""),
    Layout("korea-strip", 0.2, 4.6, ("000H 0000",), ((WHITE, BLACK),), strip="blue"),
    Layout("korea-region", 0.4, 4.0, ("R00H 0000",), ((YELLOW, (30, 30, 60)), (WHITE, BLACK))),
    Layout("brazil", 0.3, 3.1, ("AAA-0000",), (((175, 178, 180), BLACK), (WHITE, BLACK), ((150, 30, 30), WHITE)),
           (0.5, 0.62)),
    Layout("mercosul", 0.3, 3.1, ("AAA0A00", "AA 000 AA"), ((WHITE, BLACK),), (0.5, 0.62), strip="top"),
    Layout("india", 0.4, 4.3, ("AA 00 AA 0000", "AA 00 A 0000", "AA00AA0000"), ((WHITE, BLACK), (YELLOW, BLACK)),
           (0.5, 0.72), strip="small"),
)  # fmt: skip
WEIGHTS = np.array([layout.weight for layout in LAYOUTS]) / sum(layout.weight for layout in LAYOUTS)


def spell(pattern: str, rng: np.random.Generator, letters: str = LETTERS) -> list[str]:
    """Characters and gaps of a pattern: every item a character, or one of `-`, ` `, `*`."""
    chinese = pattern.startswith("P")
    made: list[str] = []
    for sign in pattern:
        if sign == "A":
            made.append(str(rng.choice(list(letters))))
        elif sign == "0":
            made.append(str(rng.choice(list(DIGITS))))
        elif sign == "9":
            made.append(str(rng.choice(list(DIGITS + letters if rng.random() < 0.5 else DIGITS))))
        elif sign == "P":
            made.append(str(rng.choice(list(PROVINCES))))
        elif sign == "H":
            made.append(str(rng.choice(list(SYLLABLES))))
        elif sign == "R":
            made.extend(str(rng.choice(REGIONS)))
        elif sign == "D":
            made.append("D" if rng.random() < 0.7 else "F")
        else:
            made.append(sign)
    if chinese and rng.random() < 0.04:
        made[-1] = str(rng.choice(list(CHINESE_MARKS)))
    if made[0] in LETTERS and rng.random() < 0.01:
        made[0] = str(rng.choice(list(UMLAUTS)))
    return made


def _letters(layout: Layout, rng: np.random.Generator) -> str:
    """Letters in use: Chinese serials have no I and O; most American and many European ones no O."""
    if layout.name.startswith("china"):
        return LETTERS.replace("I", "").replace("O", "")
    if rng.random() < {"us": 0.85, "eu": 0.5}.get(layout.name, 0.0):
        return LETTERS.replace("O", "")
    return LETTERS


def draw(glyphs: Glyphs, rng: np.random.Generator, layout: Layout | None = None) -> tuple[Rgb, str]:
    """A flat plate, (64, 64 times its aspect, 3), and its text without gaps."""
    if layout is None:
        layout = LAYOUTS[int(rng.choice(len(LAYOUTS), p=WEIGHTS))]
    items = spell(layout.patterns[int(rng.integers(len(layout.patterns)))], rng, _letters(layout, rng))
    if layout.name in ("eu", "eu-old", "us") and rng.random() < 0.25:
        items = ["*" if one in "- " else one for one in items]
    ground, writing = layout.colours[int(rng.integers(len(layout.colours)))]
    ground, writing = _varied(ground, rng), _varied(writing, rng)
    width = round(TALL * layout.aspect * rng.uniform(0.94, 1.06))
    plate = _ground(width, ground, layout, rng)
    left, right = _band(plate, layout, rng)
    masks = _pick(glyphs, layout, rng)
    if layout.decorated:
        _decorate(plate, glyphs, rng, writing)
        if rng.random() < 0.05:
            left = _stack(plate, masks, left, writing, rng)
    height = TALL * rng.uniform(*layout.text)
    middle = TALL * (0.5 if layout.strip != "top" else 0.58) + rng.uniform(-2.5, 2.5)
    _write(plate, items, masks, (left, right), (middle - height / 2, height), writing, rng)
    if rng.random() < 0.5:
        cv2.rectangle(plate, (1, 1), (width - 2, TALL - 2), writing if rng.random() < 0.6 else (90, 90, 90), 1)
    _bolts(plate, rng)
    return plate, "".join(one for one in items if one not in "- *")


def _pick(glyphs: Glyphs, layout: Layout, rng: np.random.Generator) -> dict[str, Mask]:
    masks = dict(glyphs.latin[int(rng.integers(len(glyphs.latin)))])
    if layout.name.startswith("china"):
        masks |= glyphs.chinese[int(rng.integers(len(glyphs.chinese)))]
    if layout.name.startswith("korea"):
        masks |= glyphs.korean[int(rng.integers(len(glyphs.korean)))]
    return masks


def _varied(colour: Colour, rng: np.random.Generator) -> Colour:
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, 12, 3), 0, 255)
    return int(red), int(green), int(blue)


def _ground(width: int, colour: Colour, layout: Layout, rng: np.random.Generator) -> Rgb:
    """Plain, or fading downwards; decorated ones may have a coloured top, bottom or blots."""
    plate: npt.NDArray = np.empty((TALL, width, 3), np.float32)
    plate[:] = colour
    if layout.decorated or layout.name == "china-green":
        other = np.array(_varied((235, 235, 235) if rng.random() < 0.5 else tuple(rng.integers(40, 240, 3)), rng))
        share = np.linspace(1, 0, TALL)[:, None, None] ** rng.uniform(0.8, 4) * rng.uniform(0, 0.9)
        plate = plate * (1 - share) + other * share if rng.random() < 0.5 else plate
        if rng.random() < 0.3:
            plate = np.ascontiguousarray(plate[::-1])
        for _ in range(int(rng.integers(0, 3)) if layout.decorated else 0):
            where = (int(rng.integers(width)), int(rng.integers(TALL)))
            tone = [float(one) for one in 0.6 * np.array(colour) + 0.4 * rng.integers(0, 255, 3)]
            size = (int(rng.integers(4, 30)), int(rng.integers(4, 20)))
            cv2.ellipse(plate, where, size, float(rng.uniform(0, 180)), 0, 360, tone, -1)
    return np.ascontiguousarray(np.clip(plate, 0, 255), np.uint8)


def _band(plate: Rgb, layout: Layout, rng: np.random.Generator) -> tuple[float, float]:
    """Draw the country's strip; where text may stand, left and right."""
    width = plate.shape[1]
    edge = width * rng.uniform(0.015, 0.06)
    left, right = edge, width - edge
    if layout.strip == "top":
        plate[: int(TALL * rng.uniform(0.18, 0.26))] = _varied((20, 50, 150), rng)
    elif layout.strip:
        wide = int(TALL * (rng.uniform(0.4, 0.62) if layout.strip == "blue" else rng.uniform(0.25, 0.4)))
        if layout.strip == "blue":
            plate[:, :wide] = _varied((20, 60, 160), rng)
        star = (wide // 2, int(TALL * rng.uniform(0.22, 0.4)))
        cv2.circle(plate, star, int(wide * rng.uniform(0.2, 0.36)), (220, 200, 60), int(rng.integers(1, 3)))
        country = "".join(rng.choice(list(LETTERS), int(rng.integers(1, 4))))
        cv2.putText(plate, country, (2, int(TALL * 0.88)), cv2.FONT_HERSHEY_SIMPLEX, 0.42, WHITE, 1, cv2.LINE_AA)
        left = wide + TALL * rng.uniform(0.05, 0.2)
        if rng.random() < 0.06:
            plate[:, width - wide :] = plate[:, :wide][:, ::-1]
            right = width - wide - TALL * 0.08
    return left, right


def _decorate(plate: Rgb, glyphs: Glyphs, rng: np.random.Generator, writing: Colour) -> None:
    """A state's name above, a slogan below, stickers in the corners."""
    width = plate.shape[1]
    tone = writing if rng.random() < 0.6 else tuple(int(one) for one in rng.integers(0, 255, 3))
    for odds, names, top, tall in ((0.88, STATES, 0.03, 0.2), (0.75, SLOGANS, 0.83, 0.14)):
        if rng.random() < odds:
            word = words(glyphs, str(rng.choice(names)), rng)
            _stamp(plate, word, width * rng.uniform(0.3, 0.6), top, tall, tone, rng)
    for at in ((0.02, 0.04), (0.84, 0.04), (0.02, 0.78), (0.84, 0.78)):
        if rng.random() < 0.35:
            x, y = int(at[0] * width), int(at[1] * TALL)
            plate[y : y + 11, x : x + 16] = rng.integers(0, 255, 3)
            cv2.putText(plate, str(rng.integers(1, 12)), (x + 1, y + 9), cv2.FONT_HERSHEY_SIMPLEX, 0.3, WHITE, 1)


def _stack(plate: Rgb, masks: dict[str, Mask], left: float, colour: Colour, rng: np.random.Generator) -> float:
    """Two or three small letters one above the other before the text, not part of it; where the text may begin."""
    count = int(rng.integers(2, 4))
    tall = int(TALL * rng.uniform(0.5, 0.62)) // count
    for row in range(count):
        small = cv2.resize(masks[str(rng.choice(list(LETTERS)))], (tall - 2, tall - 1), interpolation=cv2.INTER_AREA)
        paste(plate, small, int(left) + 2, int(TALL * 0.22) + row * tall, colour)
    return left + tall + 4


def _stamp(
    plate: Rgb, mask: Mask, wide: float, top: float, tall: float, colour: tuple[int, ...], rng: np.random.Generator
) -> None:
    """Put a word in the middle, at the height `top` (share of the plate's)."""
    width = int(min(wide, plate.shape[1] * 0.9))
    small = cv2.resize(mask, (width, max(5, int(TALL * tall * rng.uniform(0.8, 1.1)))), interpolation=cv2.INTER_AREA)
    x = int((plate.shape[1] - width) / 2 * rng.uniform(0.85, 1.15))
    paste(plate, small, x, int(TALL * top), colour)


def paste(plate: Rgb, mask: npt.NDArray, x: int, y: int, colour: tuple[int, ...]) -> None:
    """Colour the plate where the mask is, cut at the plate's edges."""
    top, left = max(0, y), max(0, x)
    part = mask[top - y : plate.shape[0] - y, left - x : plate.shape[1] - x]
    if part.size:
        target = plate[top : top + part.shape[0], left : left + part.shape[1]]
        share = part[:, :, None].astype(np.float32) / 255
        target[:] = (target * (1 - share) + np.array(colour, np.float32) * share).astype(np.uint8)


def _write(
    plate: Rgb, items: list[str], masks: dict[str, Mask], across: tuple[float, float], down: tuple[float, float],
    colour: Colour, rng: np.random.Generator,
) -> None:
    """The characters, stretched alike so that they fill the place between `across`, not wider than 1.5 times."""
    top, height = down
    gap = CAP * rng.uniform(0.06, 0.24)
    monospaced = rng.random() < 0.35
    pitch = max(masks[one].shape[1] for one in items if one not in "- *") if monospaced else 0
    space = CAP * rng.uniform(0.12, 0.5)
    seal = CAP * rng.uniform(0.3, 0.75)
    wide = [_advance(one, masks, pitch, space, seal) for one in items]
    room = across[1] - across[0]
    need = (sum(wide) + gap * (len(items) - 1)) * height / CAP
    stretch = min(room / need, rng.uniform(0.95, 1.5))
    x = across[0] + (room - need * stretch) * rng.uniform(0.3, 0.7)
    scale = height / CAP * stretch
    hyphen = rng.random()
    thick = int(rng.integers(-1, 2)) if rng.random() < 0.4 else 0
    for one, advance in zip(items, wide, strict=True):
        centre = (int(x + advance * scale / 2), int(top + height / 2 + rng.uniform(-1, 1)))
        if one == "*":
            _seal(plate, centre, seal * scale, rng)
        elif one == "-":
            if hyphen < 0.5:
                half = max(1, int(space * scale * 0.4))
                cv2.line(plate, (centre[0] - half, centre[1]), (centre[0] + half, centre[1]), colour, 3)
            elif hyphen < 0.85:
                cv2.circle(plate, centre, max(2, int(height * 0.06)), colour, -1, cv2.LINE_AA)
        elif one != " ":
            mask = _thickened(masks[one], thick)
            size = (max(2, round(mask.shape[1] * scale)), max(4, round(height)))
            drawn = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
            paste(plate, drawn, round(x + (advance * scale - size[0]) / 2), round(top), colour)
        x += (advance + gap) * scale


def _advance(one: str, masks: dict[str, Mask], pitch: int, space: float, seal: float) -> float:
    if one in "- ":
        return space
    return seal if one == "*" else max(pitch, masks[one].shape[1])


def _thickened(mask: Mask, by: int) -> Mask:
    if not by:
        return mask
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(mask, kernel) if by > 0 else cv2.erode(mask, kernel), np.uint8)


def _seal(plate: Rgb, centre: tuple[int, int], size: float, rng: np.random.Generator) -> None:
    """One to three stickers or parts of an emblem between characters, often one above the other."""
    count = int(rng.integers(1, 4))
    stacked = count > 1 and rng.random() < 0.6
    for number in range(count):
        aside, below = rng.uniform(-0.15, 0.15) * size, rng.uniform(-0.21, 0.21) * TALL
        if stacked:
            aside, below = aside / 3, (number - (count - 1) / 2) * TALL * rng.uniform(0.24, 0.34)
        where = (centre[0] + int(aside), centre[1] + int(below))
        tone = [int(channel) for channel in rng.integers(20, 240, 3)]
        radius = max(2, int(size * rng.uniform(0.25, 0.5)))
        if rng.random() < 0.6:
            cv2.circle(plate, where, radius, tone, -1, cv2.LINE_AA)
        else:
            low, high = (where[0] - radius, where[1] - radius), (where[0] + radius, where[1] + radius)
            cv2.rectangle(plate, low, high, tone, -1)
        for _ in range(int(rng.integers(0, 3))):
            ends = [(where[0] + int(x), where[1] + int(y)) for x, y in rng.uniform(-radius, radius, (2, 2))]
            cv2.line(plate, ends[0], ends[1], [int(channel) for channel in rng.integers(0, 255, 3)], 2, cv2.LINE_AA)


def _bolts(plate: Rgb, rng: np.random.Generator) -> None:
    if rng.random() < 0.4:
        y = int(TALL * rng.choice([0.12, 0.5, 0.88]))
        inset = plate.shape[1] * rng.uniform(0.04, 0.3)
        tone = [int(rng.integers(20, 200))] * 3
        for x in (inset, plate.shape[1] - inset):
            cv2.circle(plate, (int(x), y), int(rng.integers(1, 4)), tone, -1, cv2.LINE_AA)
