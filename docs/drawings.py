"""Pictures of our own for the screenshots: no photo has to be in the repository."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 480, 360
_FINER = 3  # drawn so many times larger, then made smaller: smooth edges

Colour = tuple[int, int, int]


class _Drawing:
    """A canvas whose coordinates are those of the finished picture."""

    def __init__(self, top: Colour, bottom: Colour) -> None:
        share = np.linspace(0, 1, HEIGHT * _FINER)[:, None]
        rows = np.array(top) * (1 - share) + np.array(bottom) * share
        pixels = np.repeat(rows[:, None], WIDTH * _FINER, axis=1)
        self._image = Image.fromarray(pixels.astype(np.uint8))
        self._draw = ImageDraw.Draw(self._image)

    def ellipse(self, x: float, y: float, across: float, down: float, colour: Colour) -> None:
        """An ellipse around a point, by its two radii."""
        corners = [x - across, y - down, x + across, y + down]
        self._draw.ellipse([value * _FINER for value in corners], fill=colour)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """A filled outline."""
        self._draw.polygon([(x * _FINER, y * _FINER) for x, y in points], fill=colour)

    def text(self, x: float, y: float, text: str, size: float, colour: Colour) -> None:
        """A text around a point."""
        font = ImageFont.load_default(size * _FINER)
        self._draw.text((x * _FINER, y * _FINER), text, colour, font, anchor="mm")

    def png(self) -> bytes:
        """The finished picture."""
        stream = io.BytesIO()
        small = self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        small.save(stream, "PNG", optimize=True)
        return stream.getvalue()


def meadow() -> bytes:
    """A house on a hill, below a sun."""
    drawing = _Drawing((70, 140, 225), (205, 230, 250))
    drawing.ellipse(390, 80, 42, 42, (250, 205, 50))
    for x, y in ((110, 80), (145, 70), (180, 84)):
        drawing.ellipse(x, y, 38, 20, (250, 250, 252))
    drawing.ellipse(380, 420, 330, 190, (60, 140, 70))
    drawing.ellipse(90, 440, 330, 190, (85, 170, 80))
    drawing.polygon([(120, 210), (215, 210), (215, 285), (120, 285)], (245, 240, 230))
    drawing.polygon([(105, 212), (167, 155), (230, 212)], (190, 50, 40))
    drawing.polygon([(155, 240), (180, 240), (180, 285), (155, 285)], (110, 70, 45))
    return drawing.png()


def fruit() -> bytes:
    """An apple, a lemon and a pear on a table."""
    drawing = _Drawing((235, 228, 215), (250, 246, 238))
    drawing.polygon([(0, 250), (WIDTH, 235), (WIDTH, HEIGHT), (0, HEIGHT)], (135, 90, 55))
    for x in (120, 255, 375):
        drawing.ellipse(x + 8, 292, 66, 12, (90, 58, 36))
    drawing.ellipse(120, 225, 72, 68, (200, 40, 40))
    drawing.ellipse(98, 200, 15, 20, (238, 130, 120))
    drawing.polygon([(118, 160), (124, 128), (131, 128), (126, 160)], (110, 70, 45))
    drawing.ellipse(255, 248, 62, 44, (245, 205, 60))
    drawing.polygon([(305, 230), (332, 248), (305, 266)], (245, 205, 60))
    drawing.ellipse(375, 240, 56, 54, (120, 175, 60))
    drawing.ellipse(375, 180, 32, 48, (120, 175, 60))
    drawing.polygon([(372, 136), (380, 108), (387, 110), (380, 137)], (110, 70, 45))
    return drawing.png()


def seven() -> bytes:
    """The number of a tram."""
    drawing = _Drawing((28, 58, 125), (22, 44, 100))
    drawing.ellipse(240, 180, 140, 140, (250, 250, 252))
    drawing.ellipse(240, 180, 122, 122, (190, 50, 40))
    drawing.text(240, 182, "7", 170, (250, 250, 252))
    return drawing.png()


DRAWINGS: dict[str, Callable[[], bytes]] = {
    "meadow.png": meadow,
    "fruit.png": fruit,
    "seven.png": seven,
}
"""File name to what draws it."""
