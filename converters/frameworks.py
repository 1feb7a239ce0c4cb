"""Loads a framework when a command needs it, or says how to install it."""

import importlib
import warnings
from types import ModuleType

from converters.errors import UsageError

# TensorFlow pins many of its dependencies, so it gets an environment of its own.
_ADVICE = {
    "tensorflow": "; best into an environment of its own, beside neither torch nor keras",
}


def load_framework(module: str, extra: str) -> ModuleType:
    """Import a module that belongs to an extra of this package.

    Args:
        module: what to import.
        extra: the extra of setup.cfg that installs it.

    Raises:
        UsageError: it is not installed, or does not import beside what else is installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # frameworks warn of each other
            return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"this command needs {module}, which cannot be imported ({error}); install it with "
            f"pip install 'modelserver[{extra}]'{_ADVICE.get(extra, '')}"
        ) from error
