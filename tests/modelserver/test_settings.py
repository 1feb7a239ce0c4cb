"""The settings table: flags, environment, bounds, and what the server refuses to start with."""

import dataclasses
import html
from typing import Any

import pytest

from docs import generate_settings
from modelserver.errors import SettingsError
from modelserver.settings import Settings, environment_name, flag_name

ROWS = dataclasses.fields(Settings)
NUMBERS = [row for row in ROWS if row.metadata["least"] is not None]
BY_NAME = [pytest.param(row, id=row.name) for row in ROWS]

OTHER_VALUES: dict[str, tuple[str, object]] = {
    "models": ("/data", "/data"),
    "allow_no_models": ("true", True),
    "workers": ("3", 3),
    "repository_poll_seconds": ("0.5", 0.5),
    "host": ("::1", "::1"),
    "port": ("81", 81),
    "management_port": ("82", 82),
    "http_server": ("asyncio", "asyncio"),
    "max_inflight_requests": ("7", 7),
    "max_queue_rows": ("70", 70),
    "default_timeout_seconds": ("1.5", 1.5),
    "max_timeout_seconds": ("60", 60.0),
    "max_batch_rows": ("16", 16),
    "max_batch_delay_seconds": ("0.001", 0.001),
    "instances": ("2", 2),
    "model_threads": ("3", 3),
    "device": ("cpu", "cpu"),
    "gpu_device_id": ("1", 1),
    "gpu_memory_limit_bytes": ("5000000000", 5_000_000_000),
    "image_memory_bytes": ("8000000", 8_000_000),
    "max_body_bytes": ("2048", 2048),
    "max_instances": ("9", 9),
    "max_connections": ("11", 11),
    "idle_timeout_seconds": ("13", 13),
    "header_timeout_seconds": ("14", 14),
    "drain_delay_seconds": ("0.25", 0.25),
    "drain_timeout_seconds": ("0.5", 0.5),
    "api_keys_dir": ("keys", "keys"),
    "client_requests_per_second": ("2.5", 2.5),
    "client_max_inflight": ("3", 3),
    "otlp_endpoint": ("http://collector:4318", "http://collector:4318"),
    "demo": ("no", False),
    "historic_api": ("false", False),
    "log_format": ("text", "text"),
}


NEEDS = {
    "client_requests_per_second": {"MODELSERVER_API_KEYS_DIR": "keys"},
    "client_max_inflight": {"MODELSERVER_API_KEYS_DIR": "keys"},
}
"""Settings that mean nothing without another one."""


def from_flag(name: str, text: str) -> Settings:
    return Settings.from_mappings({name: text}, NEEDS.get(name, {}))


@pytest.mark.parametrize("row", BY_NAME)
def test_row_explains_itself(row: "dataclasses.Field[Any]") -> None:
    """Every setting has a meaning, and numbers have both bounds."""
    assert row.metadata["meaning"]
    if row.type in (int, float):
        assert row.metadata["least"] is not None
        assert row.metadata["most"] is not None


@pytest.mark.parametrize("row", BY_NAME)
def test_flag_and_variable(row: "dataclasses.Field[Any]") -> None:
    """Every setting can be given as a flag and as an environment variable; the flag wins."""
    text, value = OTHER_VALUES[row.name]
    assert value != row.default
    needed = NEEDS.get(row.name, {})
    variable = {environment_name(row.name): text, **needed}
    assert getattr(from_flag(row.name, text), row.name) == value
    assert getattr(Settings.from_mappings({}, variable), row.name) == value
    beaten = {environment_name(row.name): str(row.default), **needed}
    assert getattr(Settings.from_mappings({row.name: text}, beaten), row.name) == value


def test_defaults() -> None:
    """Without flags and variables every setting has its default."""
    assert Settings.from_mappings({}, {"PATH": "/bin", "MODEL": "x"}) == Settings()


@pytest.mark.parametrize("name", NEEDS)
def test_limits_need_keys(name: str) -> None:
    """Limits for clients without keys to tell them apart are refused, not ignored."""
    with pytest.raises(SettingsError, match="need api_keys_dir"):
        Settings.from_mappings({name: "3"}, {})


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in NUMBERS])
def test_bounds(row: "dataclasses.Field[Any]") -> None:
    """A number at its bound is taken; one past it, or no number, is refused by name."""
    least, most = row.metadata["least"], row.metadata["most"]
    for inside in (least, most):
        assert getattr(from_flag(row.name, str(inside)), row.name) == inside
    for outside in (least - 1, most + 1):
        with pytest.raises(SettingsError, match=f"^{row.name}: expected {least} to {most}, got"):
            from_flag(row.name, str(outside))


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in NUMBERS])
@pytest.mark.parametrize("text", ["", "many", "1;2", "0x10", "nan", "inf", "-inf"])
def test_no_number(row: "dataclasses.Field[Any]", text: str) -> None:
    """A text that is no number in the bounds is refused, NaN and infinity included."""
    with pytest.raises(SettingsError, match=f"{row.name}|{flag_name(row.name)}"):
        from_flag(row.name, text)


@pytest.mark.parametrize("text", ["1.5", "1e3"])
def test_no_whole_number(text: str) -> None:
    """A fraction is no number of runners."""
    with pytest.raises(SettingsError, match="--instances: expected a whole number, got"):
        from_flag("instances", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(text, True) for text in ("true", "TRUE", "1", "yes")],
        *[(text, False) for text in ("false", "False", "0", "no")],
    ],
)
def test_boolean(text: str, value: bool) -> None:
    """Booleans take the usual words."""
    assert from_flag("historic_api", text).historic_api is value


@pytest.mark.parametrize("text", ["", "maybe", "tru", "2", "off!"])
def test_no_boolean(text: str) -> None:
    """A mistyped boolean is refused instead of taken for false."""
    with pytest.raises(SettingsError, match="--historic-api: expected true or false, got"):
        from_flag("historic_api", text)


@pytest.mark.parametrize("name", ["models", "host"])
def test_empty_text(name: str) -> None:
    """An empty text is a mistake in a template, not a wish."""
    with pytest.raises(SettingsError, match=f"^{name}: must not be empty"):
        from_flag(name, "")


def test_choices() -> None:
    """A choice that does not exist is refused with those that do."""
    with pytest.raises(SettingsError, match="log_format: expected one of json, text, got 'xml'"):
        from_flag("log_format", "xml")


@pytest.mark.parametrize("variable", ["MODELSERVER_X", "MODELSERVER_", "MODELSERVER_PORTS"])
def test_unknown_variable(variable: str) -> None:
    """A variable with our prefix that is no setting stops the start, by its own name."""
    with pytest.raises(SettingsError, match=f"^{variable}: there is no such setting"):
        Settings.from_mappings({}, {variable: "1"})


def test_wrong_value_names_its_source() -> None:
    """The message names the flag or variable that holds the wrong value."""
    with pytest.raises(SettingsError, match=r"^MODELSERVER_PORT: expected a whole number"):
        Settings.from_mappings({}, {"MODELSERVER_PORT": "tcp://10.0.0.1:80"})


def test_equal_ports() -> None:
    """The management port must never be the exposed one; two free ports are no contradiction."""
    with pytest.raises(SettingsError, match="port and management_port are both 9090"):
        from_flag("port", "9090")
    free = Settings.from_mappings({"port": "0", "management_port": "0"}, {})
    assert free.port == free.management_port == 0


def test_page_is_fresh() -> None:
    """docs/settings.md says what the table says."""
    written = generate_settings.PAGE.read_text()
    assert written == generate_settings.page(), "run python -m docs.generate_settings"


@pytest.mark.parametrize("row", BY_NAME)
def test_page_shows_every_row(row: "dataclasses.Field[Any]") -> None:
    """The page has the flag, the variable and the meaning of every setting."""
    meaning = html.escape(row.metadata["meaning"], quote=False)
    for part in (flag_name(row.name), environment_name(row.name), meaning):
        assert part in generate_settings.page()
