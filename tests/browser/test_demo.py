"""The demo page, used as a person uses it."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.modelserver.image_samples import picture, save

Visit = Callable[..., Any]

TASKS = {"faq": "faq", "corners": "image-classification", "pair": "tensor"}
"""The task of each model that the tests choose."""


def choose(page: Any, model: str) -> None:
    """Choose a model in the list."""
    page.locator("#view[aria-busy=false]").wait_for()
    page.get_by_label("Model", exact=True).select_option(model)
    page.locator("#view[aria-busy=false]").wait_for()
    page.get_by_text(f"· {TASKS[model]} ·").wait_for()


def test_a_question_gets_ranked_answers(server: RunningServer, visit: Visit) -> None:
    """A question typed and sent with Enter shows the FAQs in order of their scores."""
    page = visit(server.url)
    choose(page, "faq")
    page.get_by_label("Question").fill("array array array closure")
    page.get_by_label("Question").press("Enter")
    page.get_by_role("heading", name="Best answers").wait_for()
    titles = page.locator("ol.ranks .rank span:first-child").all_text_contents()
    assert titles == ["Copy an array", "What is a closure"]
    assert page.locator("ol.ranks .rank span:last-child").first.text_content() == "0.752"
    assert "version 1 · faq · CPUExecutionProvider" in page.locator("#facts").text_content()
    assert "ms" in page.get_by_text("answered in").text_content()


def test_more_answers(server: RunningServer, visit: Visit) -> None:
    """The number of answers is the caller's."""
    page = visit(server.url)
    choose(page, "faq")
    page.get_by_label("Answers").fill("4")
    page.get_by_label("Question").fill("promise")
    page.get_by_role("button", name="Ask").click()
    page.locator("ol.ranks > li").nth(3).wait_for()
    assert page.locator("ol.ranks > li").count() == 4


def test_no_match_is_said(server: RunningServer, visit: Visit) -> None:
    """When no FAQ fits, that is what the page says before it shows the nearest ones."""
    page = visit(server.url)
    choose(page, "faq")
    page.get_by_label("Question").fill("how do I bake bread")
    page.get_by_role("button", name="Ask").click()
    assert (
        "No FAQ reaches the score 0.50"
        in page.get_by_text("No match.").locator("..").text_content()
    )


def test_questions_can_be_picked(server: RunningServer, visit: Visit) -> None:
    """A click on an example asks it."""
    page = visit(server.url)
    choose(page, "faq")
    page.get_by_role("button", name="copy an array").click()
    page.get_by_role("heading", name="Best answers").wait_for()
    assert page.get_by_label("Question").input_value() == "copy an array"


def test_questions_are_text(server: RunningServer, visit: Visit) -> None:
    """Markup in a question or a file name is shown, never run."""
    page = visit(server.url)
    choose(page, "corners")
    bad = {
        "name": "<img src=x onerror=alert(1)>.png",
        "mimeType": "image/png",
        "buffer": b"nothing",
    }
    page.get_by_label("Pictures").set_input_files([bad])
    page.get_by_role("heading", name="<img src=x onerror=alert(1)>.png").wait_for()


def a_file(name: str = "spot.jpg") -> dict[str, Any]:
    """A picture as a person would choose it."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": save(picture(), "JPEG", quality=90)}


def test_pictures_get_a_gallery(server: RunningServer, visit: Visit) -> None:
    """Every chosen picture gets a card with its best classes; a bad one says what is wrong."""
    page = visit(server.url)
    choose(page, "corners")
    bad = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}
    page.get_by_label("Pictures").set_input_files([a_file("a.jpg"), a_file("b.jpg"), bad])
    cards = page.locator("article.card")
    cards.nth(2).wait_for()
    for number in (0, 1):
        best = cards.nth(number).locator("ol.ranks .rank span:first-child").first
        assert best.text_content() == "red top left, spot"
    assert "expected a" in cards.nth(2).get_by_role("alert").text_content()
    assert page.locator("article.card h3").all_text_contents() == ["a.jpg", "b.jpg", "notes.txt"]


GIVE = """(target, {kind, type, base64}) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], "given.jpg", {type}));
  const event = kind === "drop"
    ? new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true})
    : new ClipboardEvent("paste", {clipboardData: files, bubbles: true});
  target.dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_pictures_are_dropped_or_pasted(server: RunningServer, visit: Visit, kind: str) -> None:
    """A picture can be dropped on the page or pasted into it."""
    page = visit(server.url)
    choose(page, "corners")
    content = base64.b64encode(a_file()["buffer"]).decode()
    page.locator(".drop").evaluate(GIVE, {"kind": kind, "type": "image/jpeg", "base64": content})
    assert page.locator("article.card ol.ranks span").first.text_content() == "red top left, spot"


def test_paste_ends_with_the_view(server: RunningServer, visit: Visit) -> None:
    """After another model was chosen, a paste does not score pictures in the background."""
    page = visit(server.url)
    choose(page, "corners")
    page.locator(".drop").wait_for()
    choose(page, "faq")
    page.get_by_label("Question").wait_for()
    content = base64.b64encode(a_file()["buffer"]).decode()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("body").evaluate(GIVE, {"kind": "paste", "type": "image/jpeg", "base64": content})
    page.get_by_role("button", name="copy an array").click()
    page.get_by_role("heading", name="Best answers").wait_for()
    assert [url.rpartition("/")[2] for url in asked] == ["faq:predict"]


def test_pictures_are_chosen_by_keyboard(server: RunningServer, visit: Visit) -> None:
    """The field for files is reached by Tab, and what looks like a button shows the focus."""
    page = visit(server.url)
    choose(page, "corners")
    page.get_by_label("Model", exact=True).focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.querySelector('input[multiple]')")
    label = page.get_by_text("Choose pictures")
    assert label.evaluate("(label) => getComputedStyle(label).outlineStyle") == "solid"


@pytest.mark.parametrize("phone", [True, False])
def test_photographs_are_for_phones(server: RunningServer, visit: Visit, phone: bool) -> None:
    """A camera is offered where there is a finger to use it; elsewhere it would only be a file."""
    page = visit(server.url, has_touch=phone, is_mobile=phone)
    choose(page, "corners")
    assert page.get_by_text("Take a photograph").is_visible() is phone


def test_the_models_example(server: RunningServer, visit: Visit) -> None:
    """Without a picture at hand, the model's own example can be scored."""
    page = visit(server.url)
    choose(page, "corners")
    page.get_by_role("button", name="Use the model's example").click()
    assert page.locator("article.card ol.ranks span").first.text_content() == "red top left, spot"


def test_a_form_for_tensors(server: RunningServer, visit: Visit) -> None:
    """A model without a task of its own gets a field for each input, filled with its example."""
    page = visit(server.url)
    choose(page, "pair")
    assert page.get_by_label("left").input_value() == "[1,2]"
    shapes = page.locator("form p span").all_text_contents()
    assert shapes == ["FP32 [any]", "INT64 one value"]
    page.get_by_label("left").fill("[4, 5, 6]")
    page.get_by_role("button", name="Predict").click()
    answer = page.locator("pre").text_content()
    assert "".join(answer.split()) == '{"both":[4,5,6],"twice":6}'


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1,", "left: this is not JSON"), ('"a"', "expected")],
    ids=["not JSON", "not a number"],
)
def test_wrong_tensors(server: RunningServer, visit: Visit, text: str, message: str) -> None:
    """What cannot be sent, and what the server refuses, is said in words where the answer was."""
    page = visit(server.url)
    choose(page, "pair")
    page.get_by_label("left").fill(text)
    page.get_by_role("button", name="Predict").click()
    assert message in page.get_by_role("alert").text_content()


def test_by_keyboard_alone(server: RunningServer, visit: Visit) -> None:
    """From the address bar to an answer and to the next page with nothing but keys."""
    page = visit(server.url)
    page.locator("#view[aria-busy=false]").wait_for()
    assert press(page, "Tab", "Tab", "Tab") == "model"
    press(page, "ArrowDown")
    page.get_by_label("Question").wait_for()
    assert press(page, "Tab") == "question"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.type("array array")
    press(page, "Enter")
    page.get_by_role("heading", name="Best answers").wait_for()
    assert press(page, "Shift+Tab", "Shift+Tab") == "API"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Errors").wait_for()


def press(page: Any, *keys: str) -> str:
    """Press keys; returns what has the focus then."""
    for key in keys:
        page.keyboard.press(key)
    name: str = page.evaluate("document.activeElement.id || document.activeElement.textContent")
    return name


VIEWS = {"faq": "#question", "corners": "article.card ol", "pair": "pre"}


def fill(page: Any, model: str) -> None:
    """Bring a view into a state with an answer."""
    choose(page, model)
    if model == "faq":
        page.get_by_role("button", name="copy an array").click()
        page.locator("ol.ranks").wait_for()
    if model == "corners":
        page.get_by_role("button", name="Use the model's example").click()
    if model == "pair":
        page.get_by_role("button", name="Predict").click()
    page.locator(VIEWS[model]).first.wait_for()


@pytest.mark.parametrize("model", VIEWS)
def test_on_a_phone(server: RunningServer, visit: Visit, model: str) -> None:
    """At 360 pixels nothing needs sideways scrolling."""
    page = visit(server.url, viewport={"width": 360, "height": 700})
    fill(page, model)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_and_light(server: RunningServer, visit: Visit, scheme: str) -> None:
    """The page follows the colours that the person's system asks for."""
    page = visit(server.url, color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("model", VIEWS)
def test_accessible(server: RunningServer, visit: Visit, model: str, scheme: str) -> None:
    """axe-core finds no serious problem in any view."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(server.url, color_scheme=scheme)
    fill(page, model)
    assert serious(axe.Axe().run(page)) == []


def serious(found: Any) -> list[str]:
    """The rules of axe-core that are broken badly."""
    rules = found.response["violations"]
    return [rule["id"] for rule in rules if rule["impact"] in ("serious", "critical")]


def test_docs_run(server: RunningServer, visit: Visit) -> None:
    """Every example of the documentation page is answered when it is run."""
    page = visit(server.url, "/docs")
    page.get_by_role("heading", name="sum").wait_for()
    page.get_by_role("heading", name="Keys").wait_for()
    buttons = page.get_by_role("button", name="Run")
    page.locator("section h2").nth(4).wait_for()
    count = buttons.count()
    assert count == 4 * 3
    for number in range(count):
        buttons.nth(number).click()
        page.get_by_text("200, ").nth(number).wait_for()


def test_docs_are_accessible(server: RunningServer, visit: Visit) -> None:
    """axe-core finds no serious problem on the documentation page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(server.url, "/docs", viewport={"width": 360, "height": 700})
    page.get_by_role("heading", name="sum").wait_for()
    assert serious(axe.Axe().run(page)) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 360
