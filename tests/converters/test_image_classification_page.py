"""Every conversion on the page about image classification is one that the command line takes."""

import argparse
import re
import shlex

import pytest

from converters.__main__ import COMMANDS
from converters.image.pixel_form import PIXEL_FORMS
from converters.image.settings import add_network_arguments
from converters.resnet.command import PRESETS
from modelserver.tasks.image_resize import FILTERS, MODES
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "image-classification.md").read_text()
COMMAND = re.compile(r"python -m converters ((?:[^\n]*\\\n)*[^\n]*)")
CONVERSIONS = [
    found.replace("\\\n", " ") for found in COMMAND.findall(PAGE) if "COMMAND" not in found
]


@pytest.mark.parametrize("text", CONVERSIONS)
def test_conversion(text: str) -> None:
    """Each command is known, its flags too, and none is missing."""
    name, *flags = shlex.split(text, comments=True)
    (command,) = [command for command in COMMANDS if name == command.NAME]
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    arguments = parser.parse_args(flags)
    if getattr(arguments, "image_size", None):
        assert None not in (arguments.resize, arguments.filter, arguments.pixels)


def test_every_framework_is_there() -> None:
    """The page has a conversion for each command that makes image models."""
    assert {text.split()[0] for text in CONVERSIONS} == {
        "resnet152",
        "torch",
        "keras",
        "tensorflow",
        "onnx",
    }


def test_every_choice_is_explained() -> None:
    """Presets, ways to resize, filters, forms of pixels and flags all stand on the page."""
    parser = argparse.ArgumentParser()
    add_network_arguments(parser)
    flags = [a.option_strings[-1] for a in parser._actions if a.dest not in ("help", "top_k")]
    for word in (*PRESETS, *MODES, *FILTERS, *PIXEL_FORMS, *flags):
        assert f"`{word}`" in PAGE, word
