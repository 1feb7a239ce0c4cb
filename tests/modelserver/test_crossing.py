"""Answers never cross requests, whatever is mixed, poisoned, late or hung up.

A real model looks indexes up in a table, so that every number of every answer says what was
asked; an index beyond the table makes a node of its graph fail.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from modelserver.access import Access
from modelserver.app import scoring_routes
from modelserver.exchange import HttpRequest, Pending
from modelserver.metrics import Metrics
from modelserver.model import ModelLimits, ServedModel
from modelserver.replies import Reply
from modelserver.repository import Repository
from modelserver.scorer import Scorer
from modelserver.scoring import Scoring
from tests.conftest import publish_tensor, serialise

TABLE = np.arange(1000, dtype=np.float32) * 3 + 7
POISON = 5000
THREADS, REQUESTS_OF_EACH = 8, 250
MAX_BATCH_ROWS = 16
PATH = "/v1/models/table:predict"

Instances = list[list[int]]


def table_model() -> bytes:
    """`index` INT64 [N, W] -> `value` FP32 [N, W]: TABLE at each index."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["value"])],
        "table",
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["rows", "width"])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["rows", "width"])],
        [numpy_helper.from_array(TABLE, "table")],
    )
    return serialise(graph)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artefact of the table."""
    rows: list[Any] = [[1, 2]]
    outputs = {"value": TABLE[[[1, 2]]]}
    return publish_tensor(
        tmp_path_factory.mktemp("table"), "table", table_model(), rows, outputs, max_batch_rows=16
    )


class Service:
    """The scoring half of a server, without HTTP."""

    def __init__(self, folder: Path, limits: ModelLimits) -> None:
        self.model = ServedModel.load(folder, threads=1, limits=limits)
        self.metrics = Metrics()
        self.scorer = Scorer(self.metrics)
        self.scorer.open(Repository({"table": {1: self.model}}))
        self.scoring = Scoring(
            self.scorer,
            Access(lambda event, **fields: None, self.metrics),
            scoring_routes(historic_api=False),
            max_body_bytes=10**6,
            max_instances=256,
        )

    def begin(self, instances: Instances, **headers: str) -> Reply | Pending:
        """Hand in a request."""
        body = json.dumps({"instances": instances}).encode()
        found = self.scoring.find(PATH)
        assert found is not None
        started = time.perf_counter()
        request = HttpRequest(
            "POST", PATH, headers, len(body), lambda: body, "me", started, lambda: False
        )
        return self.scoring.begin(found, request)


def through_a_thread(pending: Pending) -> Reply:
    """Answer as a server with a thread for each request does."""
    return pending.wait()


def through_a_loop(pending: Pending) -> Reply:
    """Answer as a server without one does."""
    done = threading.Event()
    pending.when_done(done.set)
    pending.run()
    assert done.wait(60)
    return pending.finish()


def cancelled(pending: Pending) -> Reply:
    """Answer as for a client that hangs up while its request is queued."""
    pending.cancel()
    return pending.finish()


WAYS: list[Callable[[Pending], Reply]] = [through_a_thread, through_a_loop]


def one_request(service: Service, chance: random.Random) -> str:
    """Send one request, check its answer number by number and say what came of it."""
    rows, width = chance.randint(1, 40), chance.randint(1, 3)
    instances = [[chance.randrange(len(TABLE)) for _ in range(width)] for _ in range(rows)]
    kind = chance.choices(["good", "poison", "hangs up", "late"], [85, 5, 5, 5])[0]
    headers = {}
    if kind == "poison":
        chance.choice(instances)[0] = POISON
    if kind == "late":
        headers["x-request-timeout"] = chance.choice(["0.000001", "0.003"])
    outcome = service.begin(instances, **headers)
    if isinstance(outcome, Reply):
        assert kind == "late"
        assert outcome.status in (503, 504)
        return kind
    way = cancelled if kind == "hangs up" else chance.choice(WAYS)
    reply = way(outcome)
    body = json.loads(reply.body)
    # Whoever hangs up, or has little time, may just be answered.
    late = {200, 504}
    expected = {"good": {200}, "poison": {422}, "hangs up": {200, 499}, "late": late}[kind]
    assert reply.status in expected, (kind, body)
    if reply.status == 200:
        assert body["predictions"] == TABLE[np.array(instances)].tolist()
    if kind == "poison":
        assert body["code"] == "refused_by_model"
    return kind


@pytest.mark.parametrize(
    "limits",
    [
        ModelLimits(MAX_BATCH_ROWS, max_queue_rows=10**6),
        ModelLimits(MAX_BATCH_ROWS, max_queue_rows=10**6, instances=3),
        ModelLimits(MAX_BATCH_ROWS, max_queue_rows=10**6, max_delay_seconds=0.001),
    ],
    ids=["one runner", "three runners", "delay"],
)
def test_answers_never_cross(table: Path, limits: ModelLimits) -> None:
    """Thousands of concurrent requests of mixed sizes and shapes each get their own answer."""
    service = Service(table, limits)

    def client(seed: int) -> Counter[str]:
        chance = random.Random(seed)
        return Counter(one_request(service, chance) for _ in range(REQUESTS_OF_EACH))

    with ThreadPoolExecutor(THREADS) as clients:
        kinds = sum(clients.map(client, range(THREADS)), Counter[str]())
    assert sum(kinds.values()) == THREADS * REQUESTS_OF_EACH
    assert min(kinds.values()) > 30, "every kind was tried"
    # Every request was recorded once, gave its place back and left nothing queued.
    answered = service.model.statistics.read()
    assert answered.succeeded.count + answered.failed.count == THREADS * REQUESTS_OF_EACH
    assert service.scorer.wait_until_idle(0)
    assert service.model.batcher.queue_rows == 0
    assert max(answered.batches) <= MAX_BATCH_ROWS
    service.model.close()


def test_poison_fails_alone(table: Path) -> None:
    """Requests that shared a batch with one that the model refuses are answered all the same."""
    service = Service(table, ModelLimits())
    asked: list[Instances] = [[[1]], [[2]], [[POISON]], [[3], [4]], [[5, 6]], [[7, POISON]]]
    pending = [service.begin(instances) for instances in asked]
    replies = [each.wait() for each in pending if isinstance(each, Pending)]
    assert [reply.status for reply in replies] == [200, 200, 422, 200, 200, 422]
    good = [json.loads(reply.body)["predictions"] for reply in replies if reply.status == 200]
    assert good == [TABLE[np.array(asked[i])].tolist() for i in (0, 1, 3, 4)]
    # One batch of width 1 that failed, its four requests alone; the same for width 2.
    batches = service.model.statistics.read().batches
    assert {rows: tally.count for rows, tally in batches.items()} == {1: 3, 2: 1}
