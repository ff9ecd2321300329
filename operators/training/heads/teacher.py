"""Who stands where in a photograph, by a teacher: MediaPipe's selfie segmentation (Apache-2.0), a small TFLite network.

Its file is in the wheel of `mediapipe` 0.10.21 (modules/selfie_segmentation); it runs by `ai-edge-litert`. Neither is
needed but to cut people out for training; nothing of it is shipped.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Alpha = npt.NDArray[np.float32]
SIDE = 256


class Teacher:
    """The network in `model`, on one thread."""

    def __init__(self, model: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]

        self._network = Interpreter(str(model), num_threads=1)
        self._network.allocate_tensors()
        self._input = self._network.get_input_details()[0]["index"]
        self._output = self._network.get_output_details()[0]["index"]

    def alpha(self, picture: Rgb) -> Alpha:
        """How much of each pixel of an RGB picture is a person (h, w), 0 to 1."""
        how = cv2.INTER_AREA if picture.shape[0] > SIDE else cv2.INTER_LINEAR
        small = cv2.resize(picture, (SIDE, SIDE), interpolation=how)
        self._network.set_tensor(self._input, np.asarray(small / 255, np.float32)[None])
        self._network.invoke()
        said = self._network.get_tensor(self._output)[0, :, :, 0]
        return np.asarray(cv2.resize(said, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
