"""Downloads one file over HTTPS: verified, bounded, resumed where it stopped, and retried.

Standard library only. Nothing that a server sends is trusted before the hash of the whole is right.
"""

import hashlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import IO

from modelserver import __version__
from modelserver.errors import FetchError

_CHUNK_BYTES = 2**20
_LONGEST_DELAY_SECONDS = 60.0
# Worth another try: request timeout, too many requests, and whatever the server has trouble with.
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
_TROUBLE = (
    http.client.HTTPException,
    urllib.error.URLError,
    ssl.SSLError,
    TimeoutError,
    ConnectionError,
)


@dataclass(frozen=True, slots=True)
class Source:
    """What to download.

    Args:
        url: where it is; https, or http where `allow_http` is set.
        sha256: of the whole file, 64 hexadecimal digits.
        max_bytes: the largest file to accept.
        attempts: how often to try, at least 1.
        timeout_seconds: how long the server may be silent.
        allow_http: accept http too. The content is still proved by its hash.

    Raises:
        FetchError: the address or the hash is not one, or a number is not above zero.
    """

    url: str
    sha256: str
    max_bytes: int
    attempts: int = 5
    timeout_seconds: float = 30.0
    allow_http: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256):
            raise FetchError(f"sha256: expected 64 hexadecimal digits, got {self.sha256!r}")
        object.__setattr__(self, "sha256", self.sha256.lower())
        if self.attempts < 1 or self.max_bytes < 1 or self.timeout_seconds <= 0:
            raise FetchError("attempts, max-bytes and timeout-seconds must be above zero")
        self.check_address(self.url)
        if not re.fullmatch(r"[^./\\\x00][^/\\\x00]*", self.file_name):
            raise FetchError(f"{shown(self.url)}: expected an address that ends in a file name")

    def check_address(self, url: str) -> None:
        """Refuse an address that must not be asked; redirects are held to it too."""
        try:
            parts = urllib.parse.urlsplit(url)
        except ValueError as error:
            raise FetchError(f"url: not an address: {error}") from error
        schemes = ("https", "http") if self.allow_http else ("https",)
        if parts.scheme not in schemes or not parts.hostname:
            hint = "; --allow-http accepts it" if parts.scheme == "http" else ""
            raise FetchError(f"{shown(url)}: expected an https:// address{hint}")
        if re.search(r"[\x00-\x20\x7f]", url):
            raise FetchError(f"{shown(url)!r}: an address has no spaces or control characters")

    @property
    def file_name(self) -> str:
        """The last part of the address' path."""
        return Path(urllib.parse.unquote(urllib.parse.urlsplit(self.url).path)).name


def shown(url: str) -> str:
    """An address fit for a log: its query may hold a signature, its user part a password."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def download(
    source: Source,
    part: Path,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Leave the verified file at `part`; what is there already is continued.

    Args:
        source: what to download.
        part: where it grows. After a failure it stays, for the next run to continue.
        say: called with one line for each thing that a person may want to know.
        sleep: waits between attempts.

    Raises:
        FetchError: it cannot be had, is too large, or is not what the hash says.
    """
    if part.exists() and sha256_of(part) == source.sha256:
        return
    for attempt in range(1, source.attempts + 1):
        try:
            _attempt(source, part, say)
        except _Passing as error:
            if isinstance(error, _Stale):
                part.unlink(missing_ok=True)
            if attempt == source.attempts:
                tries = "1 attempt" if attempt == 1 else f"{attempt} attempts"
                raise FetchError(f"{shown(source.url)}: {error}; gave up after {tries}") from error
            delay = min(error.delay_seconds or 2.0 ** (attempt - 1), _LONGEST_DELAY_SECONDS)
            say(f"attempt {attempt} of {source.attempts}: {error}; next in {delay:.0f} s")
            sleep(delay)
        else:
            return


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Passing(Exception):
    """A failure that may be over soon."""

    def __init__(self, message: str, delay_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.delay_seconds = delay_seconds


class _Stale(_Passing):
    """What was kept from an earlier try is not the beginning of what the server has now."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to addresses that could have been given in the first place."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Check where a redirect leads."""
        self._source.check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _attempt(source: Source, part: Path, say: Callable[[str], None]) -> None:
    """Ask once for what is missing, then verify the whole."""
    have = part.stat().st_size if part.exists() else 0
    try:
        with _open(source, have) as response:
            resumed = response.status == HTTPStatus.PARTIAL_CONTENT
            if resumed and not _continues(response, have):
                raise _Stale("the server continued at another place than asked")
            if resumed:
                say(f"continuing at {have} bytes")
            _append(source, part, response, have if resumed else 0)
    except _TROUBLE as error:
        raise _blame(source, error) from error
    if (got := sha256_of(part)) == source.sha256:
        return
    if resumed:
        raise _Stale("the continued file has another SHA-256; starting again")
    part.unlink()
    raise FetchError(f"{shown(source.url)}: expected SHA-256 {source.sha256}, got {got}")


def _open(source: Source, have: int) -> http.client.HTTPResponse:
    """Send the request."""
    # What is downloaded must be the very bytes, not a compressed form of them.
    request = urllib.request.Request(source.url, headers={"Accept-Encoding": "identity"})  # noqa: S310
    request.add_header("User-Agent", f"modelserver/{__version__}")
    if have:
        request.add_header("Range", f"bytes={have}-")
    opener = urllib.request.build_opener(_Redirects(source))
    response: http.client.HTTPResponse = opener.open(request, timeout=source.timeout_seconds)
    return response


def _blame(source: Source, error: Exception) -> Exception:
    """Tell a failure that may pass from one that will not."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        text = f"the server answered {error.code} {error.reason}"
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _Stale(text)
        if error.code in _PASSING:
            return _Passing(text, _retry_after(error.headers))
        return FetchError(f"{shown(source.url)}: {text}")
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FetchError(f"{shown(source.url)}: its certificate is not trusted: {reason}")
    return _Passing(str(reason) or type(reason).__name__)


def _retry_after(headers: Message) -> float:
    text = str(headers.get("Retry-After", ""))
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _continues(response: http.client.HTTPResponse, have: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _append(source: Source, part: Path, response: http.client.HTTPResponse, have: int) -> None:
    """Write a body behind the `have` bytes that are kept."""
    # http.client counts `length` down while it reads, and gives None where it is not known.
    expected = None if response.length is None else have + response.length
    _check_size(source, expected or 0)
    with part.open("r+b" if have else "wb") as file:
        file.seek(have)
        while chunk := response.read(_CHUNK_BYTES):
            _check_size(source, file.tell() + len(chunk))
            file.write(chunk)
        got = file.tell()
        file.flush()
        os.fsync(file.fileno())
    if expected is not None and got < expected:
        raise _Passing(f"the connection ended after {got} of {expected} bytes")


def _check_size(source: Source, size: int) -> None:
    if size > source.max_bytes:
        raise FetchError(
            f"{shown(source.url)}: larger than {source.max_bytes} bytes; --max-bytes sets the limit"
        )
