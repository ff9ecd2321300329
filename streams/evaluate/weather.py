"""What can happen to a picture between lens and encoder: changes of light, colour and noise, for the leak suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from streams.demo.cutout import Rgb

Treat = Callable[[Rgb, int], Rgb]
NOISE_SIGMA, JPEG_QUALITY = 10.0, 30


def clear(picture: Rgb, number: int) -> Rgb:
    """Nothing happens."""
    return picture


def brighter(by: float) -> Treat:
    """All samples times 1 + `by`."""
    return lambda picture, number: _bytes(picture.astype(np.float32) * (1 + by))


def contrast(by: float) -> Treat:
    """Distances from middle grey times 1 + `by`."""
    return lambda picture, number: _bytes((picture.astype(np.float32) - 128) * (1 + by) + 128)


def saturation(by: float) -> Treat:
    """Distances from a pixel's grey times 1 + `by`."""

    def treat(picture: Rgb, number: int) -> Rgb:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
        return _bytes((picture - grey) * (1 + by) + grey)

    return treat


def noise(picture: Rgb, number: int) -> Rgb:
    """Gaussian noise, standard deviation 10, of each frame its own."""
    added = np.random.default_rng(number).normal(0.0, NOISE_SIGMA, picture.shape)
    return _bytes(picture + added.astype(np.float32))


def jpeg(picture: Rgb, number: int) -> Rgb:
    """Through JPEG of quality 30."""
    _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[:, :, ::-1], np.uint8)


def flicker(picture: Rgb, number: int) -> Rgb:
    """Light that swings by 25 % six times a second, at 25 frames a second."""
    return _bytes(picture.astype(np.float32) * (1 + 0.25 * np.sin(number * 2 * np.pi * 6 / 25)))


def night(picture: Rgb, number: int) -> Rgb:
    """A quarter of the light, and the noise that a camera adds then."""
    dark = picture.astype(np.float32) / 4
    return _bytes(dark + np.random.default_rng(number).normal(0.0, 4.0, picture.shape).astype(np.float32))


def motion(picture: Rgb, number: int) -> Rgb:
    """Blurred by 9 pixels sideways, as by a long exposure."""
    return np.asarray(cv2.blur(picture, (9, 1)), np.uint8)


VARIANTS: Mapping[str, Treat] = {
    "brighter": brighter(0.3), "darker": brighter(-0.3),
    "more_contrast": contrast(0.3), "less_contrast": contrast(-0.3),
    "more_colour": saturation(0.5), "less_colour": saturation(-0.5),
    "noise": noise, "jpeg": jpeg, "flicker": flicker, "night": night, "motion": motion,
}


def _bytes(values: object) -> Rgb:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)  # type: ignore[call-overload,no-any-return]
