"""Takes the pictures of the demo: `python -m docs.take_screenshots http://localhost:8080`.

Needs a server that was started with `make demo`, Playwright (`make test-browser` installs it) and
Debian's chromium. The image and the tensor model are made and served here; the pictures that the
image model gets are drawn here too.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import FilePayload, Page, sync_playwright

from docs.drawings import DRAWINGS
from docs.sample_models import publish_samples
from modelserver.profiling.trial import Trial

IMAGES = Path(__file__).with_name("images")
QUESTION = "sort() gives 1, 10, 2 instead of 1, 2, 10"


def take(page: Page, name: str, below: str = "") -> None:
    """Take a picture of what the page shows, or from its top to a bit below an element."""
    page.mouse.move(0, 0)
    if below:
        box = page.locator(below).last.bounding_box()
        width = page.viewport_size["width"]
        page.set_viewport_size({"width": width, "height": round(box["y"] + box["height"]) + 24})
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=IMAGES / name)


def ask(page: Page, url: str, question: str) -> None:
    """Open the demo and ask a question."""
    page.goto(url)
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Ask").click()
    page.locator("ol.ranks").wait_for()


def run_documentation(page: Page, url: str) -> None:
    """Open the documentation and run its first example."""
    page.goto(f"{url}/docs")
    page.get_by_role("button", name="Run").first.click()
    page.get_by_text("200, ").wait_for()


def classify(page: Page, url: str) -> None:
    """Choose the image model and give it every drawing."""
    page.goto(url)
    page.get_by_label("Model", exact=True).select_option("colours")
    files = [
        FilePayload(name=name, mimeType="image/png", buffer=draw())
        for name, draw in DRAWINGS.items()
    ]
    page.get_by_label("Pictures").set_input_files(files)
    page.locator(".card ol.ranks").nth(len(files) - 1).wait_for()


def fill_in(page: Page, url: str) -> None:
    """Choose the tensor model and have its example predicted."""
    page.goto(url)
    page.get_by_label("Model", exact=True).select_option("iris")
    page.get_by_role("button", name="Predict").click()
    page.locator("ol.ranks").wait_for()


def main(url: str) -> None:
    """Take every picture."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 760, "height": 800})
        ask(page, url, QUESTION)
        take(page, "demo.png", below="ol.ranks + p")
        run_documentation(page, url)
        take(page, "docs.png", below="[aria-live] pre")
        phone = browser.new_page(viewport={"width": 360, "height": 640}, color_scheme="dark")
        ask(phone, url, "how do I bake bread without an oven")
        take(phone, "demo-phone.png")
        publish_samples(Path(folder))
        with Trial(Path(folder), {}) as trial:
            own = f"http://{trial.address[0]}:{trial.address[1]}"
            wide = browser.new_page(viewport={"width": 1000, "height": 800})
            classify(wide, own)
            take(wide, "demo-images.png", below=".card")
            fill_in(page, own)
            take(page, "demo-tensor.png", below="pre + p")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
