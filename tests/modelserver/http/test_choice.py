"""Which HTTP front a setting names, and what it says when that cannot be had."""

import sys

import pytest

from modelserver.__main__ import main
from modelserver.errors import SettingsError
from modelserver.http.choice import choose_front
from modelserver.http.waitress_front import WaitressFront


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries of the extra `fast` are not installed."""
    for name in list(sys.modules):
        if name.startswith("modelserver.http.") and name.rpartition(".")[2] in (
            "asyncio_front",
            "connection",
            "event_loop",
            "request_reader",
            "turns",
            "wsgi",
        ):
            monkeypatch.delitem(sys.modules, name)
    for library in ("httptools", "uvloop"):
        monkeypatch.setitem(sys.modules, library, None)


@pytest.mark.usefixtures("without_extra")
def test_default_needs_no_extra() -> None:
    """The default front starts without the extra."""
    assert choose_front("waitress") is WaitressFront


@pytest.mark.usefixtures("without_extra")
def test_missing_extra() -> None:
    """The other front without its libraries is refused with the way to get them."""
    with pytest.raises(SettingsError, match=r"pip install 'modelserver\[fast\]'"):
        choose_front("asyncio")


@pytest.mark.usefixtures("without_extra")
def test_missing_extra_ends_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    """The process says so and ends as for any wrong setting."""
    assert main(["--http-server", "asyncio"]) == 2
    assert capsys.readouterr().err.startswith("modelserver: http_server asyncio needs the package")
