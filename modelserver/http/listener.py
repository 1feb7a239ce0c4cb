"""The listening socket of a port."""

import socket


def bind(host: str, port: int) -> socket.socket:
    """Take an address without listening on it yet.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.

    Raises:
        OSError: the address cannot be taken.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        reason = error.strerror
        raise OSError(f"cannot listen on {host} port {port}: {reason}") from error
    return listener
