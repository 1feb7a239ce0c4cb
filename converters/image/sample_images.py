"""Images to compare models on: the user's photos, or synthetic ones that say so."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converters.errors import ConverterError, UsageError
from converters.image.png import encode_png
from converters.progress import Progress
from modelserver.errors import RequestError
from modelserver.memory_budget import MemoryBudget
from modelserver.tasks.image import DEFAULT_MEMORY_BYTES
from modelserver.tasks.image_pixels import read_pixels
from modelserver.tasks.image_resize import Resize

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
_SYNTHETIC_SEED = 152
_LONGEST_SIDE = 96  # synthetic images are smaller than most models' input, so resizing is used too


@dataclass(frozen=True, slots=True)
class Images:
    """Image files and where they come from.

    Args:
        names: what each is called.
        files: the bytes of each file, as a client would send it.
        source: for the report, such as "14 photos of photos/".
    """

    names: list[str]
    files: list[bytes]
    source: str

    def and_also(self, others: "Images") -> "Images":
        """These images and others."""
        source = f"{self.source} and {others.source}"
        return Images([*self.names, *others.names], [*self.files, *others.files], source)

    def pixels(self, resize: Resize) -> np.ndarray:
        """What the server makes of the images: UINT8 [N, H, W, 3].

        Raises:
            ConverterError: the server would refuse one of them; the message says why.
        """
        memory = MemoryBudget(DEFAULT_MEMORY_BYTES)
        rows = []
        with Progress("reading images", len(self.files)) as progress:
            for name, content in zip(self.names, self.files, strict=True):
                try:
                    rows.append(read_pixels(content, resize, memory))
                except RequestError as error:
                    raise ConverterError(f"{name}: {error}") from error
                progress.advance()
        return np.stack(rows)


def read_images(folder: Path) -> Images:
    """Read the image files of a folder, those in folders of it too, in order of their names.

    Raises:
        UsageError: the folder is missing, or has no image in it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    if not paths:
        raise UsageError(f"{folder}: no image in it; expected files that end in {_ENDINGS}")
    names = [path.relative_to(folder).as_posix() for path in paths]
    return Images(
        names, [path.read_bytes() for path in paths], f"{len(paths)} images of {folder.name}"
    )


def synthetic_images() -> Images:
    """Make gradients and noise, always the same.

    They show whether two models are equal. They do not show whether a model is any good, and top
    answers on them are closer to one another than on photos.
    """
    drawn = dict(_draw())
    return Images(
        list(drawn),
        [encode_png(pixels) for pixels in drawn.values()],
        f"{len(drawn)} synthetic images",
    )


def _draw() -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and UINT8 [H, W, 3] of several proportions."""
    random = np.random.default_rng(_SYNTHETIC_SEED)
    for number in range(8):
        height = _LONGEST_SIDE - 6 * number
        width = _LONGEST_SIDE - 6 * (7 - number)
        across = np.linspace(0, 1, width)[None, :, None]
        down = np.linspace(0, 1, height)[:, None, None]
        start, right, bottom = random.uniform(0, 255, (3, 3))
        gradient = start + (right - start) * across + (bottom - start) * down
        yield f"gradient {number}", gradient.clip(0, 255).astype(np.uint8)
    for number in range(8):
        grain = 2 << (number % 4)
        coarse = random.uniform(0, 255, (_LONGEST_SIDE // grain, _LONGEST_SIDE // grain, 3))
        noise = np.kron(coarse, np.ones((grain, grain, 1)))
        yield f"noise {number}", noise.astype(np.uint8)
