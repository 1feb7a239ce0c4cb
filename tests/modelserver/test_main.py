"""`python -m modelserver`: help, version and the exit code of a wrong setting."""

import dataclasses

import pytest

from modelserver import __version__
from modelserver.__main__ import main
from modelserver.commands import COMMANDS
from modelserver.settings import Settings, environment_name, flag_name


def test_help_shows_every_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--help has the flag, variable, default and meaning of every setting."""
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as ending:
        main(["--help"])
    assert ending.value.code == 0
    text = capsys.readouterr().out
    for row in dataclasses.fields(Settings):
        assert f"{flag_name(row.name)} VALUE" in text
        typed = str(row.default).lower() if isinstance(row.default, bool) else row.default
        assert f"{row.metadata['meaning']} [{typed}] ({environment_name(row.name)})" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version says which release this is."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"modelserver {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--port", "x"], {}, "--port: expected a whole number, got 'x'"),
        (["--port", "70000"], {}, "port: expected 0 to 65535, got 70000"),
        ([], {"MODELSERVER_X": "1"}, "MODELSERVER_X: there is no such setting"),
        (["--port", "9090"], {}, "port and management_port are both 9090"),
    ],
)
def test_wrong_setting(
    arguments: list[str],
    environment: dict[str, str],
    named: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong setting ends the process with exit code 2 and one line that names it."""
    for variable, text in environment.items():
        monkeypatch.setenv(variable, text)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"modelserver: {named}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--ports", "1"], ["--por", "1"], ["stray"], ["--port"]])
def test_unknown_flag(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown, shortened and incomplete flags are refused with exit code 2."""
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 2
    assert "usage: python -m modelserver" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["--model", "x"], "--models"),
        (["--prot=1"], "--port"),
        (["chek", "models"], "check"),
        (["check", "--devise", "cpu", "models"], "--device"),
    ],
)
def test_near_names(arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A word that is nearly right is answered with the right one, in a few lines."""
    with pytest.raises(SystemExit):
        main(arguments)
    error = capsys.readouterr().err
    assert error.endswith(f"did you mean {meant}?\n")
    assert error.count("\n") <= 3


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """--help says what else there is than serving."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for name, meaning in COMMANDS.items():
        assert f"  {name:8}{meaning}\n" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every row of the table is a module that can be run."""
    with pytest.raises(SystemExit) as ending:
        main([name, "--help"])
    assert ending.value.code == 0
    assert "usage: python -m modelserver" in capsys.readouterr().out


def test_serve_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """`serve` is what runs without a command."""
    assert main(["serve", "--port", "x"]) == main(["--port", "x"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == second
