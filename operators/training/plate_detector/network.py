"""The network: the face detector's trunk and pyramid, with a score, a box and four corners for each cell.

Outputs, one a stride: (b, 13, h / stride, w / stride): score logit, centre dx dy in strides from the cell's centre,
log width and height in strides, four corners x y in strides from the cell's centre, in the order in which the plate is
read: top left, top right, bottom right, bottom left.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from operators.training.faces.network import FaceNetwork

CORNERS = 4
OUTPUTS = 5 + 2 * CORNERS


class PlateDetectorNetwork(FaceNetwork):
    """As FaceNetwork, with four points for five."""

    def __init__(self) -> None:
        super().__init__()
        for head in self.heads:
            head[-1] = nn.Conv2d(head[-1].in_channels, OUTPUTS, 1)
        self._start()

    def adopt(self, weights: Mapping[str, Tensor]) -> None:
        """Begin with the weights of a face detector, but for the last convolution of each head."""
        last = tuple(f"heads.{index}.{len(head) - 1}." for index, head in enumerate(self.heads))
        shared = {name: value for name, value in weights.items() if not name.startswith(last)}
        self.load_state_dict(shared, strict=False)
