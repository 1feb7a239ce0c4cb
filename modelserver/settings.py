"""The one table of server settings; flags, environment names, help and docs derive from it."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelserver.errors import SettingsError

ENVIRONMENT_PREFIX = "MODELSERVER_"

DEVICES = ("auto", "cpu", "cuda")
"""Where models can run."""


def _setting(
    default: object,
    meaning: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    may_be_empty: bool = False,
) -> Any:
    """Describe one row of the table: default, meaning and bounds (both inclusive)."""
    metadata = {
        "meaning": meaning,
        "least": least,
        "most": most,
        "choices": choices,
        "may_be_empty": may_be_empty,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """How one server process behaves; the unit of a number is the end of its name."""

    models: str = _setting(
        "models", "folder with the models: a repository <name>/<version>/, or one artefact"
    )
    allow_no_models: bool = _setting(
        False, "start, and be ready, without any model; for a folder that is filled later"
    )
    repository_poll_seconds: float = _setting(
        10.0,
        "how often the folder is looked at for new, changed and removed versions; 0: never",
        least=0,
        most=86400,
    )
    workers: int = _setting(
        1,
        "processes that share the scoring port, each with all models; several run on the CPU only",
        least=1,
        most=256,
    )
    host: str = _setting("0.0.0.0", "address that both ports listen on")
    port: int = _setting(8080, "scoring port", least=0, most=65535)
    management_port: int = _setting(
        9090,
        "port of /livez, /readyz, /metrics and /v2/repository; never expose it",
        least=0,
        most=65535,
    )
    http_server: str = _setting(
        "waitress",
        "what speaks HTTP on the scoring port; asyncio is faster and needs the extra `fast`",
        choices=("waitress", "asyncio"),
    )
    max_inflight_requests: int = _setting(
        128, "most scoring requests at a time; the next is refused with 503", least=1, most=4096
    )
    max_queue_rows: int = _setting(
        1024,
        "most rows that wait for one model; a request beyond is refused with 503",
        least=1,
        most=1_000_000,
    )
    default_timeout_seconds: float = _setting(
        30.0, "how long a request may take that does not say it itself", least=0.001, most=3600
    )
    max_timeout_seconds: float = _setting(
        300.0, "the longest that any request may take; more counts as this", least=0.001, most=3600
    )
    max_batch_rows: int = _setting(
        0,
        "most rows that share one run of a model; 1: no batching, 0: as each manifest says",
        least=0,
        most=65536,
    )
    max_batch_delay_seconds: float = _setting(
        0.0,
        "how long a batch that is not full waits for more rows; the default, not at all, is best "
        "for nearly every model",
        least=0,
        most=10,
    )
    instances: int = _setting(
        1, "batches of one model that run at a time; they share its memory", least=1, most=256
    )
    model_threads: int = _setting(
        0,
        "threads that one run of a model uses; 0: the CPU limit of the container, divided by "
        "workers and instances",
        least=0,
        most=256,
    )
    device: str = _setting(
        "auto",
        "where models run; cuda fails to start where CUDA is not active, auto takes the CPU then",
        choices=DEVICES,
    )
    gpu_device_id: int = _setting(0, "which GPU, when there are several", least=0, most=63)
    gpu_memory_limit_bytes: int = _setting(
        0, "GPU memory that each model may take; 0: no limit", least=0, most=2**40
    )
    image_memory_bytes: int = _setting(
        256_000_000,
        "memory for decoding images, all requests together; images that need more are refused",
        least=1_000_000,
        # Pillow itself refuses images of more than 178 megapixels; each takes at least 10 bytes.
        most=1_780_000_000,
    )
    max_body_bytes: int = _setting(10 * 2**20, "largest request body", least=1024, most=2**30)
    max_instances: int = _setting(256, "most instances in one request", least=1, most=65536)
    max_connections: int = _setting(
        1000, "most open connections on the scoring port", least=10, most=65536
    )
    idle_timeout_seconds: int = _setting(
        120, "when a silent connection is closed", least=1, most=3600
    )
    header_timeout_seconds: int = _setting(
        20,
        "when a connection is closed whose headers are not complete, however they trickle in",
        least=1,
        most=3600,
    )
    drain_delay_seconds: float = _setting(
        5.0,
        "after SIGTERM: how long requests are still taken while load balancers look away",
        least=0,
        most=600,
    )
    drain_timeout_seconds: float = _setting(
        30.0, "after the drain delay: how long running requests may take", least=0, most=3600
    )
    api_keys_dir: str = _setting(
        "",
        "folder with one file for each client, holding the SHA-256 of its API keys; read again "
        "when it changes; empty: no keys are asked for",
        may_be_empty=True,
    )
    client_requests_per_second: float = _setting(
        0.0, "requests that each client may begin in a second; 0: any number", least=0, most=1e6
    )
    client_max_inflight: int = _setting(
        0, "requests of each client that are answered at a time; 0: any number", least=0, most=65536
    )
    otlp_endpoint: str = _setting(
        "",
        "address of an OpenTelemetry collector that takes a span for each request, such as "
        "http://collector:4318; empty: none",
        may_be_empty=True,
    )
    historic_api: bool = _setting(
        True, "answer the reference implementation's forms (/score, /version, ...)"
    )
    demo: bool = _setting(True, "show people a demo at / and API documentation at /docs")
    log_format: str = _setting(
        "json", "one JSON object a line, or text for a person", choices=("json", "text")
    )

    def __post_init__(self) -> None:
        for row in dataclasses.fields(self):
            _check_bounds(row, getattr(self, row.name))
        if self.port and self.port == self.management_port:
            raise SettingsError(
                f"port and management_port are both {self.port}; they must differ, because the "
                "management port must never be exposed"
            )

        limited = self.client_requests_per_second or self.client_max_inflight
        if limited and not self.api_keys_dir:
            raise SettingsError(
                "client_requests_per_second and client_max_inflight need api_keys_dir: without "
                "keys, clients cannot be told apart"
            )
        if self.workers > 1 and self.device == "cuda":
            raise SettingsError(
                f"workers is {self.workers} and device is cuda; each worker would take the GPU's "
                "memory for all models, so use one worker with a GPU"
            )

    @classmethod
    def from_mappings(cls, flags: Mapping[str, str], environment: Mapping[str, str]) -> "Settings":
        """Build the settings from text; a flag wins over its environment variable.

        Args:
            flags: setting name to text, as typed on the command line.
            environment: environment variables; those without our prefix are ignored.

        Raises:
            SettingsError: for an unknown name, a text that is not of the setting's type,
                a value out of bounds, or two settings that contradict each other.
        """
        texts: dict[str, tuple[str, str]] = {}
        for variable, text in environment.items():
            if variable.startswith(ENVIRONMENT_PREFIX):
                name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
                texts[name] = (variable, text)
        texts.update({name: (flag_name(name), text) for name, text in flags.items()})

        rows = {row.name: row for row in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for name, (source, text) in texts.items():
            if name not in rows:
                raise SettingsError(f"{source}: there is no such setting")
            values[name] = _parse(rows[name], source, text)
        return cls(**values)


def flag_name(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def environment_name(name: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT_PREFIX + name.upper()


def _parse_bool(text: str) -> bool:
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    return values[text.strip().lower()]


_PARSERS: dict[object, tuple[Callable[[str], Any], str]] = {
    str: (str, "a text"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (_parse_bool, "true or false"),
}


def _parse(row: "dataclasses.Field[Any]", source: str, text: str) -> Any:
    """Turn the text of one setting into its type."""
    parser, expected = _PARSERS[row.type]
    try:
        return parser(text)
    except (ValueError, KeyError) as error:
        raise SettingsError(f"{source}: expected {expected}, got {text!r}") from error


def _check_bounds(row: "dataclasses.Field[Any]", value: Any) -> None:
    """Refuse a value outside the row's bounds or choices."""
    least, most = row.metadata["least"], row.metadata["most"]
    choices = row.metadata["choices"]
    if choices and value not in choices:
        raise SettingsError(f"{row.name}: expected one of {', '.join(choices)}, got {value!r}")
    # Written so that NaN is refused too.
    if least is not None and not (least <= value <= most):
        raise SettingsError(f"{row.name}: expected {least} to {most}, got {value!r}")
    if row.type is str and not value and not row.metadata["may_be_empty"]:
        raise SettingsError(f"{row.name}: must not be empty")
