"""API keys: a folder with one file for each client, which holds the SHA-256 of its keys.

    keys/
      webshop        3f1c…  one digest a line; several keys of a client are valid at once
      nightly-batch  # a comment
                     77ab…

The folder is read again while the server runs, so a mounted Secret can be changed live. The keys
themselves are nowhere: they have 256 random bits, so their plain SHA-256 cannot be reversed.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from modelserver.errors import SettingsError

CLIENT_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""Names of clients: also file names, metric labels and the keys of a Kubernetes Secret."""

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_PREFIX = "msk_"  # lets secret scanners find a key that was committed by accident
_RANDOM_BYTES = 32
_CHECK_SECONDS = 1.0  # how old what we know of the folder may be
_MOST_FILE_BYTES = 64 * 1024


def new_key() -> str:
    """Make a key: 256 random bits as text."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(key: str) -> bytes:
    """The SHA-256 of a key; header text that is not UTF-8 has a digest too, which matches none."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class KeyDirectory:
    """Knows which client a key belongs to.

    Args:
        folder: the files.
        outcome: told of each change that was read: "" when it counts, else why it does not.
        clock: seconds, never going back.

    Raises:
        SettingsError: the folder cannot be read, or a file in it is wrong.
    """

    def __init__(
        self,
        folder: Path,
        outcome: Callable[[str], None] = lambda problem: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._outcome = outcome
        self._clock = clock
        self._lock = threading.Lock()
        self._clients = read_keys(folder)
        self._problem = ""
        self._checked = clock()

    def client(self, key: str) -> str | None:
        """The client that a key belongs to, or None; takes as long for any key.

        A change of the folder counts within a second. While the folder is wrong, the keys it had
        before keep counting: a slip of the pen must not lock every client out.
        """
        self._refresh()
        wanted = digest(key)
        found = None
        for known, client in self._clients.items():
            if hmac.compare_digest(known, wanted):
                found = client
        return found

    def _refresh(self) -> None:
        """Read the folder when that was not done for a while; one thread does, others go on."""
        if self._clock() - self._checked < _CHECK_SECONDS or not self._lock.acquire(blocking=False):
            return
        try:
            clients, problem = read_keys(self._folder), ""
        except SettingsError as error:
            clients, problem = self._clients, str(error)
        finally:
            self._checked = self._clock()
            self._lock.release()
        if clients != self._clients or problem != self._problem:
            self._clients, self._problem = clients, problem
            self._outcome(problem)


def read_keys(folder: Path) -> Mapping[bytes, str]:
    """Read the digest of every key and the client it belongs to.

    Files whose names begin with a dot are passed over: Kubernetes keeps its own there.

    Raises:
        SettingsError: the folder cannot be read, a file is named like no client, a line is no
            digest, or two clients have the same key.
    """
    clients: dict[bytes, str] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            for known in _read_file(path):
                if clients.setdefault(known, path.name) != path.name:
                    raise SettingsError(
                        f"{path}: holds a key of the client {clients[known]} too; every client "
                        "needs keys of its own"
                    )
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
        raise SettingsError(f"api_keys_dir: {reason}") from error
    return clients


def _read_file(path: Path) -> list[bytes]:
    """The digests in one file."""
    if not CLIENT_PATTERN.fullmatch(path.name):
        raise SettingsError(
            f"{path}: the file name is the client's name: letters, digits, '.', '_' and '-', "
            "at most 63"
        )
    with path.open("rb") as file:
        content = file.read(_MOST_FILE_BYTES + 1)
    if len(content) > _MOST_FILE_BYTES:
        raise SettingsError(f"{path}: more than {_MOST_FILE_BYTES} bytes; expected a few digests")
    digests = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if text and not _DIGEST.fullmatch(text):
            # Not shown: it may be a key that was put there by mistake.
            raise SettingsError(f"{path}:{number}: expected a SHA-256 in 64 hexadecimal digits")
        if text:
            digests.append(bytes.fromhex(text))
    return digests
