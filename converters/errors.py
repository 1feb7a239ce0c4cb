"""What can go wrong in a conversion, each with the exit code of `python -m converters`.

ConverterError (1)
├── UsageError (2)         the command line cannot be carried out as written
├── UnsupportedModel (3)   the model, or one of its options, cannot be converted exactly
└── ParityFailed (4)       the exported model does not answer like the original
"""


class ConverterError(Exception):
    """A conversion that cannot succeed; the message tells the user what to change."""

    exit_code = 1


class UsageError(ConverterError):
    """The arguments contradict each other or name something that is not there."""

    exit_code = 2


class UnsupportedModel(ConverterError):
    """The model cannot be exported exactly; the message names the option and the way out."""

    exit_code = 3


class ParityFailed(ConverterError):
    """ONNX Runtime's answers differ from the original model's by more than the tolerance."""

    exit_code = 4


_MOST_REASON = 300


def reason(error: BaseException) -> str:
    """What a foreign exception says, or the cause at its root, in one line that is not too long."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MOST_REASON else text[: _MOST_REASON - 3] + "..."
