"""Takes the pictures of the demo: `python -m docs.take_screenshots http://localhost:8080`.

Needs a server that was started with `make demo`, Playwright (`make test-browser` installs it) and
Debian's chromium.
"""

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).with_name("images")
QUESTION = "sort() gives 1, 10, 2 instead of 1, 2, 10"


def ask(page: Page, url: str, question: str) -> None:
    """Open the demo and ask a question."""
    page.goto(url)
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Ask").click()
    page.locator("ol.ranks").wait_for()


def main(url: str) -> None:
    """Take every picture."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 760, "height": 600})
        ask(page, url, QUESTION)
        page.screenshot(path=IMAGES / "demo.png")
        page.goto(f"{url}/docs")
        page.get_by_role("button", name="Run").first.click()
        page.get_by_text("200, ").wait_for()
        page.screenshot(path=IMAGES / "docs.png")
        phone = browser.new_page(viewport={"width": 360, "height": 640}, color_scheme="dark")
        ask(phone, url, "how do I bake bread without an oven")
        phone.screenshot(path=IMAGES / "demo-phone.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
