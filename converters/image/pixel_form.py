"""How the pixels of an image, 0 to 255, become the numbers that a network was trained on.

Letters: N images, H x W pixels, 3 channels. number = (pixel * scale - mean) / std, for each channel
in the network's own channel order.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Layout = Literal["nchw", "nhwc"]
Channels = Literal["rgb", "bgr"]
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PixelForm:
    """What a network expects of its input.

    Args:
        channels: the order of the channels.
        scale: what pixels are multiplied with first.
        mean: is subtracted then, in the order of `channels`.
        std: divides the result.
    """

    channels: Channels = "rgb"
    scale: float = 1.0
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)

    @property
    def changes_numbers(self) -> bool:
        """Whether pixels become other numbers than 0 to 255."""
        return (self.scale, self.mean, self.std) != (1.0, (0.0,) * 3, (1.0,) * 3)

    def factor_and_offset(self) -> tuple[np.ndarray, np.ndarray]:
        """The same as pixel * factor + offset: two FP64 [3]."""
        std = np.array(self.std, np.float64)
        return self.scale / std, -np.array(self.mean, np.float64) / std

    def numbers(self, images: np.ndarray, layout: Layout) -> np.ndarray:
        """Do by hand what the served graph will do.

        Args:
            images: UINT8 [N, H, W, 3], red first.
            layout: what to make of it.

        Returns:
            FP32 [N, 3, H, W] or [N, H, W, 3].
        """
        pixels = images[..., ::-1] if self.channels == "bgr" else images
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        numbers = (pixels.astype(np.float32) * np.float32(self.scale) - mean) / std
        if layout == "nchw":
            numbers = numbers.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(numbers)


_MEAN: Triple = (0.485, 0.456, 0.406)
_STD: Triple = (0.229, 0.224, 0.225)
_CAFFE_MEAN: Triple = (103.939, 116.779, 123.68)

PIXEL_FORMS = {
    "imagenet": PixelForm(scale=1 / 255, mean=_MEAN, std=_STD),
    "caffe": PixelForm(channels="bgr", mean=_CAFFE_MEAN),
    "tf": PixelForm(scale=1 / 127.5, mean=(1.0, 1.0, 1.0)),
    "unit": PixelForm(scale=1 / 255),
    "raw": PixelForm(),
}
"""The forms that have names: PyTorch's networks, Keras' ResNet, -1 to 1, 0 to 1, unchanged."""
