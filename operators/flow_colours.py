"""Colours for directions and speeds: Munsell, HSV, and the wheel of the Middlebury benchmark.

- `munsell`: direction is hue, speed raises chroma from 2 to 12 and value from 5 to 7; what is still is neutral grey N5.
  Steps of hue and chroma look equally large. The transform is M. Miyahara and Y. Yoshida, "Mathematical transform of
  (R, G, B) color data to Munsell (H, V, C) color data" (SPIE 1001, 1988), turned round; the value function is that of
  ASTM D1535 (a polynomial), the white that of illuminant C, taken to D65 by Bradford's matrix.
- `hsv`: direction is hue, speed is value; what is still is black.
- `wheel`: S. Baker et al., "A Database and Evaluation Methodology for Optical Flow" (IJCV 92, 2011): 55 hues, speed is
  saturation; what is still is white.

All colours are sRGB, 0 to 1, clipped to its gamut.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from operators.motion import DIRECTIONS, SPEEDS

Colours = npt.NDArray[np.float32]
Colour = npt.NDArray[np.float64]
Make = Callable[[float, float], Colour]
STILL_VALUE, FAST_VALUE = 5.0, 7.0
LEAST_CHROMA, MOST_CHROMA = 2.0, 12.0
_VALUE = (0.0, 1.1914, -0.22533, 0.23352, -0.020484, 0.00081939)
_WHITE_C = np.array([98.07, 100.0, 118.22])
_WHITE_D65 = np.array([95.047, 100.0, 108.883])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_TO_SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
_WHEEL = ((15, 0, 1), (6, 1, 0), (4, 1, 2), (11, 2, 1), (13, 2, 0), (6, 0, 2))


def munsell_rgb(hue: float, value: float, chroma: float) -> Colour:
    """sRGB, not clipped, of a Munsell colour; `hue` in turns of the transform's circle."""
    one, two = chroma * np.cos(2 * np.pi * hue), chroma * np.sin(2 * np.pi * hue)
    angle = 2 * np.pi * hue
    for _ in range(50):
        first, second = one / (8.880 + 0.966 * np.cos(angle)), two / (8.025 + 2.558 * np.sin(angle))
        angle = np.arctan2(second, first)
    values = np.array([value + first, value, value + second / 0.4])
    xyz = np.polynomial.polynomial.polyval(np.clip(values, 0, 10), _VALUE) * _WHITE_C / 100
    cone = (_BRADFORD @ _WHITE_D65) / (_BRADFORD @ _WHITE_C)
    linear = _TO_SRGB @ np.linalg.solve(_BRADFORD, cone * (_BRADFORD @ xyz)) / 100
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055))


def table(system: str) -> Colours:
    """The colours (193, 3) of all values of a cell, as `operators.motion` counts them."""
    make, still = SYSTEMS[system]
    moving = [make(d / DIRECTIONS, (s + 1) / SPEEDS) for s in range(SPEEDS) for d in range(DIRECTIONS)]
    return np.asarray(np.clip([still, *moving], 0, 1), np.float32)


def _munsell(direction: float, speed: float) -> Colour:
    value = STILL_VALUE + (FAST_VALUE - STILL_VALUE) * speed
    return munsell_rgb(direction, value, LEAST_CHROMA + (MOST_CHROMA - LEAST_CHROMA) * speed)


def _hsv(direction: float, speed: float) -> Colour:
    return np.array(colorsys.hsv_to_rgb(direction, 1, speed))


def _wheel(direction: float, speed: float) -> Colour:
    hues = _hues()
    at = direction * len(hues)
    low = int(at) % len(hues)
    hue = hues[low] + (at - int(at)) * (hues[(low + 1) % len(hues)] - hues[low])
    return np.asarray(1 - speed * (1 - hue))


def _hues() -> Colour:
    """The wheel's 55 hues: each part keeps one primary full while another rises, or falls."""
    out = []
    for index, (count, kept, moved) in enumerate(_WHEEL):
        for step in range(count):
            colour = np.zeros(3)
            colour[kept], colour[moved] = 1, (1 - step / count if index % 2 else step / count)
            out.append(colour)
    return np.array(out)


SYSTEMS: Mapping[str, tuple[Make, Colour]] = MappingProxyType({
    "munsell": (_munsell, munsell_rgb(0, STILL_VALUE, 0)), "hsv": (_hsv, np.zeros(3)), "wheel": (_wheel, np.ones(3)),
})  # fmt: skip
