"""A load test of any running service: it asks every model that the server has.

    make loadtest URL=http://localhost:8080

Each simulated person thinks for a while, asks one model, checks the answer, and thinks again. What
they ask is the model's golden request, unless there is something better: questions of a file for
FAQ models, photos of a folder for image models. An API key comes from the environment (API_KEY).
"""

import json
import os
import random
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from locust import FastHttpUser, constant, events, task

PHOTO_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
HEADERS = {"X-API-Key": os.environ["API_KEY"]} if "API_KEY" in os.environ else {}
LONGEST_BREAK = 1.5  # times the mean think time; the shortest is half of it


@dataclass(frozen=True)
class Ask:
    """One request that a person may send."""

    model: str
    content_type: str
    body: bytes


ASKS: list[list[Ask]] = []
"""For each model what may be asked of it."""


@events.init_command_line_parser.add_listener
def add_arguments(parser: ArgumentParser) -> None:
    """Add our own options to Locust's."""
    parser.add_argument("--questions", default="", help="JSONL with a title or text a line")
    parser.add_argument("--photos", default="", help="folder of JPEG and PNG files")
    parser.add_argument("--think-seconds", type=float, default=0.5, help="mean think time [0.5]")


@events.test_start.add_listener
def prepare(environment: Any, **_: Any) -> None:
    """Find out which models there are, and what to ask them."""
    options = environment.parsed_options
    host = environment.host.rstrip("/")
    ASKS.clear()
    for name in _get(f"{host}/v1/models").json()["models"]:
        kind = _get(f"{host}/v1/models/{name}").json()["task"]
        asks: list[Ask] = []
        if kind == "faq" and options.questions:
            asks = list(_questions(name, Path(options.questions)))
        if kind == "image-classification" and options.photos:
            asks = list(_photos(name, Path(options.photos)))
        ASKS.append(asks or [_golden(name, host)])


def _get(url: str) -> requests.Response:
    answer = requests.get(url, headers=HEADERS, timeout=10)
    answer.raise_for_status()
    return answer


def _golden(model: str, host: str) -> Ask:
    answer = _get(f"{host}/v1/models/{model}/example/request")
    return Ask(model, answer.headers["Content-Type"], answer.content)


def _questions(model: str, path: Path) -> Iterator[Ask]:
    for line in path.read_text().splitlines():
        row = json.loads(line)
        body = {"instances": [row.get("text") or row["title"]]}
        yield Ask(model, "application/json", json.dumps(body).encode())


def _photos(model: str, folder: Path) -> Iterator[Ask]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PHOTO_TYPES:
            yield Ask(model, PHOTO_TYPES[path.suffix.lower()], path.read_bytes())


class Person(FastHttpUser):
    """Asks one model after the other."""

    def wait_time(self) -> float:
        """How long to think: evenly spread around the mean."""
        mean = self.environment.parsed_options.think_seconds
        return random.uniform(mean / 2, mean * LONGEST_BREAK) if mean else constant(0)(self)

    @task
    def ask(self) -> None:
        """Ask any model, and count an answer without a prediction as a failure."""
        ask = random.choice(random.choice(ASKS))
        headers = {**HEADERS, "Content-Type": ask.content_type}
        path = f"/v1/models/{ask.model}:predict"
        with self.client.post(path, ask.body, headers=headers, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"{answer.status_code}: {answer.text}"[:200])
            elif not answer.json()["predictions"]:
                answer.failure("no prediction")
