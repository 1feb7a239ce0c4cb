"""The door: headers to clients."""

from pathlib import Path

import pytest

from modelserver.auth.guard import Guard
from modelserver.auth.keys import KeyDirectory, digest
from modelserver.auth.limits import ClientLimits
from modelserver.errors import KeyMissing, KeyUnknown, TooManyRequests

PATH = "/v1/models/faq:predict"


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    """A door that knows one key of one client, which may ask one thing at a time."""
    (tmp_path / "webshop").write_text(digest("secret").hex())
    return Guard(KeyDirectory(tmp_path), ClientLimits(0, 1))


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        ("Bearer secret", None),
        ("bearer  secret ", None),
        (None, "secret"),
        ("Basic dXNlcg==", "secret"),
        ("Bearer secret", "another"),
    ],
)
def test_both_headers(guard: Guard, authorization: str | None, api_key: str | None) -> None:
    """A key comes as Bearer or as X-API-Key; a proxy's own credentials do not hide the second."""
    assert guard.identify(PATH, authorization, api_key) == "webshop"


@pytest.mark.parametrize(
    ("authorization", "api_key"), [(None, None), ("", ""), ("Basic dXNlcg==", None)]
)
def test_no_key(guard: Guard, authorization: str | None, api_key: str | None) -> None:
    """Without a key the answer says how to send one."""
    with pytest.raises(KeyMissing, match="Bearer <key>"):
        guard.identify(PATH, authorization, api_key)


@pytest.mark.parametrize("key", ["Secret", "secret2", ""])
def test_unknown_keys(guard: Guard, key: str) -> None:
    """A wrong key is refused, and not repeated."""
    with pytest.raises(KeyUnknown) as caught:
        guard.identify(PATH, f"Bearer {key}", None)
    assert "Secret" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/version", "/docs", "/openapi.json", "/assets/demo.js"),
        *("/v2/health/live", "/v2/health/ready"),
    ],
)
def test_open_paths(guard: Guard, path: str) -> None:
    """Probes and pages that show no model need no key and have no limits."""
    assert [guard.identify(path, None, None) for _ in range(3)] == ["", "", ""]


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/models", "/v2", "/v2/models/faq", "/score", "/api/v1/service/faq/score", "/none"),
        *("/assets/../v1/models", "/assets/a/b", "//", "/docs/", "/v2/health/live/x", "/\n"),
    ],
)
def test_closed_paths(guard: Guard, path: str) -> None:
    """Every other path needs a key, those that do not exist included."""
    with pytest.raises(KeyMissing):
        guard.identify(path, None, None)


def test_limits_hold_until_the_request_leaves(guard: Guard) -> None:
    """A client's place is taken from the door to the answer."""
    client = guard.identify(PATH, None, "secret")
    guard.enter(client)
    guard.leave(client)
    guard.enter(client)
    with pytest.raises(TooManyRequests):
        guard.enter(client)


def test_the_nameless_have_no_limits(guard: Guard) -> None:
    """Who needs no key is not counted."""
    for _ in range(3):
        guard.enter("")
    guard.leave("")


def test_no_keys_wanted() -> None:
    """A server without keys lets everybody in."""
    guard = Guard(None, ClientLimits(0, 0))
    assert guard.identify(PATH, None, None) == ""
