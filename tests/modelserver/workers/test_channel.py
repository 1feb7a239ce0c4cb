"""Messages between the processes of a server."""

import socket
import threading
from collections.abc import Iterator

import pytest

from modelserver.errors import InternalError, InvalidInput, LoadFailed, NotFound, Unavailable
from modelserver.workers.channel import Channel
from modelserver.workers.orders import pack_error, unpack_error


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    left, right = map(Channel, socket.socketpair())
    yield left, right
    left.close()
    right.close()


def test_messages_arrive_whole(ends: tuple[Channel, Channel]) -> None:
    """Messages of many threads arrive one by one, whatever their size."""
    left, right = ends
    texts = [f"{number}\n" * 20_000 for number in range(8)]
    threads = [threading.Thread(target=left.send, args=({"text": text},)) for text in texts]
    for thread in threads:
        thread.start()
    received = [right.receive() for _ in texts]
    for thread in threads:
        thread.join()
    assert sorted(message["text"] for message in received if message) == sorted(texts)


def test_end(ends: tuple[Channel, Channel]) -> None:
    """When the other process ends, receiving says so and sending is of no effect."""
    left, right = ends
    left.send({"last": True})
    left.close()
    assert right.receive() == {"last": True}
    assert right.receive() is None
    right.send({"into": "the void"})


def test_half_a_message() -> None:
    """A process that was killed while it sent has said nothing."""
    left, right = socket.socketpair()
    left.sendall(b'{"half":')
    left.close()
    channel = Channel(right)
    assert channel.receive() is None
    channel.close()


@pytest.mark.parametrize("error", [NotFound("x"), LoadFailed("x"), Unavailable("x")], ids=repr)
def test_errors_cross(error: Exception) -> None:
    """What an order can answer arrives as the same error."""
    crossed = unpack_error(pack_error(error))
    assert (type(crossed), str(crossed)) == (type(error), "x")


@pytest.mark.parametrize("error", [ValueError("a secret"), InvalidInput("a secret")], ids=repr)
def test_other_errors_are_ours(error: Exception) -> None:
    """Anything else is a fault of ours, whose text stays in its process."""
    crossed = unpack_error(pack_error(error))
    assert (type(crossed), str(crossed)) == (InternalError, "internal error")
