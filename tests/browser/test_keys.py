"""The pages of a server that wants an API key."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import RunningServer

Visit = Callable[..., Any]


def give(page: Any, key: str) -> None:
    """Answer the question for a key."""
    page.get_by_role("dialog").get_by_label("Key").fill(key)
    page.get_by_role("button", name="Use key").click()


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_key_is_asked_for(guarded_server: RunningServer, visit: Visit, path: str) -> None:
    """A wrong key is asked for again, saying why; with the right one the page goes on."""
    page = visit(guarded_server.url, path)
    give(page, "wrong")
    page.get_by_text("the API key is not known here").wait_for()
    give(page, "secret")
    page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_text("corners").first.wait_for(state="attached")


def test_the_key_is_kept_in_memory_only(guarded_server: RunningServer, visit: Visit) -> None:
    """Nothing is stored in the browser, so a page loaded again asks again."""
    page = visit(guarded_server.url)
    give(page, "secret")
    page.locator("#view[aria-busy=false]").wait_for()
    kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    assert kept == [0, 0, ""]
    assert "secret" not in page.content()
    page.reload()
    page.get_by_role("dialog").wait_for()


def test_without_a_key(guarded_server: RunningServer, visit: Visit) -> None:
    """Who has no key is told so and can try again, by keyboard too."""
    page = visit(guarded_server.url)
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    assert "an API key is needed" in page.get_by_role("alert").text_content()
    page.get_by_role("button", name="Try again").press("Enter")
    page.get_by_role("dialog").get_by_label("Key").press_sequentially("secret")
    page.keyboard.press("Enter")
    page.locator("#view[aria-busy=false]").wait_for()
