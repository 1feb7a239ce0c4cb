"""Images to compare models on."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converters.errors import ConverterError, UsageError
from converters.image.png import encode_png
from converters.image.sample_images import Images, read_images, synthetic_images
from modelserver.tasks.image_resize import Resize
from tests.modelserver.image_samples import picture, save

RULE = Resize(32, 24, "squash", "bilinear")


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (300, 2, 3)], ids=str)
def test_png(shape: tuple[int, int, int]) -> None:
    """What is encoded is what an image library reads, pixel for pixel."""
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    image = Image.open(io.BytesIO(encode_png(pixels)))
    assert (image.format, image.mode) == ("PNG", "RGB")
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_folder(tmp_path: Path) -> None:
    """Image files of a folder and its folders are read, in order of their names, others left."""
    (tmp_path / "lynx").mkdir()
    (tmp_path / "lynx" / "b.JPG").write_bytes(save(picture(), "JPEG"))
    (tmp_path / "a.png").write_bytes(save(picture(), "PNG"))
    (tmp_path / "notes.txt").write_text("x")
    images = read_images(tmp_path)
    assert images.names == ["a.png", "lynx/b.JPG"]
    assert images.pixels(RULE).shape == (2, 24, 32, 3)
    assert "2 images" in images.source


def test_wrong_folders(tmp_path: Path) -> None:
    """A folder that is missing, or has no image in it, is the user's mistake."""
    with pytest.raises(UsageError, match="no such folder"):
        read_images(tmp_path / "x")
    with pytest.raises(UsageError, match="no image in it"):
        read_images(tmp_path)


def test_a_damaged_photo_is_named() -> None:
    """The file that the server would refuse is named."""
    with pytest.raises(ConverterError, match=r"b\.jpg: .*cut short"):
        Images(["b.jpg"], [save(picture(), "JPEG")[:400]], "x").pixels(RULE)


def test_synthetic_images_are_the_same_every_time() -> None:
    """Nothing about a conversion is left to chance; the images differ from one another."""
    images = synthetic_images()
    assert images.files == synthetic_images().files
    assert len(set(images.files)) == len(images.files)
    assert "synthetic" in images.source


def test_and_also() -> None:
    """Sources of joined images are both named."""
    joined = Images(["a"], [b"1"], "1 photo").and_also(Images(["b"], [b"2"], "2 drawings"))
    assert joined == Images(["a", "b"], [b"1", b"2"], "1 photo and 2 drawings")
