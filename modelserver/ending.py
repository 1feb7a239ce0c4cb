"""Ends the process."""

import os
import sys
from typing import NoReturn


def end_process(code: int) -> NoReturn:
    """End at once with an exit code, whatever other threads do.

    Not `sys.exit`: when Python takes itself down around a thread that is still inside ONNX Runtime,
    such as one with a request over the drain timeout, the process aborts.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
