"""Post a folder of photos to an image model and draw a contact sheet of the answers.

    python examples/photos/classify.py photos --url http://localhost:8080 --model resnet152

Needs nothing but Pillow. Photos are sent as they are, a few at a time; each gets bars for its best
classes, as long as they are probable.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
TIMEOUT_SECONDS = 60
AT_ONCE = 4

PHOTO = 240  # pixels a side
MARGIN = 12
BAR = 26
WHITE, INK, GREY, GREEN, PALE, RED = (
    "#ffffff",
    "#1d1d1f",
    "#6e6e73",
    "#34a853",
    "#e3f2e6",
    "#c5221f",
)


@dataclass(frozen=True)
class Answer:
    """A photo and what the server said of it.

    Args:
        path: the file.
        classes: (label, probability), best first; empty when it was refused.
        error: why it was refused.
    """

    path: Path
    classes: Sequence[tuple[str, float]] = ()
    error: str = ""


def main() -> int:
    """Post, show progress, draw; the exit code is 1 when a photo was refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="with photos in it")
    parser.add_argument("--url", default="http://localhost:8080", help="default: %(default)s")
    parser.add_argument("--model", required=True, help="name under which the model is served")
    parser.add_argument("--top-k", type=int, default=3, help="bars for each photo; default: 3")
    parser.add_argument("--columns", type=int, default=4, help="photos side by side; default: 4")
    parser.add_argument("--output", default="contact-sheet.png", help="default: %(default)s")
    parser.add_argument("--api-key", help="where the server wants one")
    arguments = parser.parse_args()
    paths = sorted(p for p in Path(arguments.folder).rglob("*") if p.suffix.lower() in ENDINGS)
    if not paths:
        print(f"{arguments.folder}: no photos in it", file=sys.stderr)
        return 2
    answers = classify_all(paths, arguments)
    draw_sheet(answers, arguments.columns, arguments.top_k).save(arguments.output)
    refused = [answer for answer in answers if answer.error]
    for answer in refused:
        print(f"{answer.path}: {answer.error}", file=sys.stderr)
    print(f"{len(paths) - len(refused)} of {len(paths)} photos classified: {arguments.output}")
    return 1 if refused else 0


def classify_all(paths: Sequence[Path], arguments: argparse.Namespace) -> list[Answer]:
    """Post every photo, several at once, and show how far it is."""
    answers = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for answer in pool.map(lambda path: classify(path, arguments), paths):
            answers.append(answer)
            show_progress(len(answers), len(paths))
    return answers


def classify(path: Path, arguments: argparse.Namespace) -> Answer:
    """Post one photo: the body is the file itself."""
    # The content tells which kind of image it is; the header only says that it is one.
    headers = {"Content-Type": "application/octet-stream"}
    if arguments.api_key:
        headers["Authorization"] = f"Bearer {arguments.api_key}"
    url = f"{arguments.url.rstrip('/')}/v1/models/{arguments.model}:predict"
    request = urllib.request.Request(url, path.read_bytes(), headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            (prediction,) = json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        return Answer(path, error=reason(error))
    except OSError as error:
        return Answer(path, error=str(getattr(error, "reason", error)))
    found = [(each["label"], each["probability"]) for each in prediction["classes"]]
    return Answer(path, found[: arguments.top_k])


def reason(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong, or the status where something else answered."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"


def show_progress(done: int, total: int) -> None:
    """Redraw the bar on a terminal; elsewhere only the end is worth a line."""
    filled = 30 * done // total
    line = f"classifying [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}"
    if sys.stderr.isatty():
        print(f"\r{line}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done == total:
        print(line, file=sys.stderr)


def draw_sheet(answers: Sequence[Answer], columns: int, top_k: int) -> Image.Image:
    """Arrange the photos in a grid, bars below each."""
    columns = max(1, min(columns, len(answers)))
    rows = -(-len(answers) // columns)
    width, height = PHOTO + MARGIN, PHOTO + top_k * BAR + 2 * MARGIN
    sheet = Image.new("RGB", (columns * width + MARGIN, rows * height + MARGIN), WHITE)
    for number, answer in enumerate(answers):
        row, column = divmod(number, columns)
        draw_photo(sheet, answer, MARGIN + column * width, MARGIN + row * height)
    return sheet


def draw_photo(sheet: Image.Image, answer: Answer, left: int, top: int) -> None:
    """Draw one photo and its bars, or why it was refused."""
    draw = ImageDraw.Draw(sheet)
    try:
        with Image.open(answer.path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            sheet.paste(ImageOps.fit(upright, (PHOTO, PHOTO)), (left, top))
    except OSError:
        draw.rectangle((left, top, left + PHOTO, top + PHOTO), outline=GREY)
    below = top + PHOTO + MARGIN // 2
    if answer.error:
        draw.multiline_text((left, below), shorten(draw, answer.error, PHOTO), RED, font())
    for number, (label, probability) in enumerate(answer.classes):
        draw_bar(draw, label, probability, left, below + number * BAR)


def draw_bar(draw: ImageDraw.ImageDraw, label: str, share: float, left: int, top: int) -> None:
    """Draw a bar as long as a class is probable, with its name and number on it."""
    bottom = top + BAR - 4
    draw.rectangle((left, top, left + PHOTO, bottom), PALE)
    draw.rectangle((left, top, left + round(PHOTO * share), bottom), GREEN)
    number = f"{share:.1%}"
    room = PHOTO - 14 - draw.textlength(number, font())
    draw.text((left + 5, top + 3), shorten(draw, label.split(",")[0], room - 6), INK, font())
    draw.text((left + PHOTO - 5, top + 3), number, INK, font(), anchor="ra")


def shorten(draw: ImageDraw.ImageDraw, text: str, room: float) -> str:
    """Cut a text to a length in pixels."""
    if draw.textlength(text, font()) <= room:
        return text
    while text and draw.textlength(f"{text}…", font()) > room:
        text = text[:-1]
    return f"{text}…"


def font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The font that comes with Pillow."""
    return ImageFont.load_default(13)


if __name__ == "__main__":
    sys.exit(main())
