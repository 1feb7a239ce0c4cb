"""mosec: one worker that decodes, runs and encodes; PEER_BATCH rows wait 5 ms for each other."""

import os
from typing import Any

from mosec import Server, Worker
from scenario import load, of_json

BATCH = int(os.environ.get("PEER_BATCH", "1"))
IS_IMAGE = os.environ["PEER_SCENARIO"] == "image"


class Score(Worker):
    def __init__(self) -> None:
        self.model = load()

    def deserialize(self, data: bytes) -> Any:
        return self.model.read(data if IS_IMAGE else of_json(super().deserialize(data)))

    def forward(self, data: Any) -> Any:
        if BATCH == 1:
            return self.model.score([data])[0]
        return self.model.score(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Score, num=1, max_batch_size=BATCH, max_wait_time=5, route="/score")
    server.run()
