"""Servers that answer a constant: what HTTP alone costs. `python benchmarks/http_floors.py KIND`.

Prints its port and runs until it is ended. Part of http_fronts.py.
"""

import asyncio
import logging
import sys

CONTENT = b'{"outputs":[{"name":"y","shape":[1,1],"datatype":"FP32","data":[10.0]}]}'


def run_waitress() -> None:
    """Waitress with one thread, which is its fastest."""
    from waitress.server import create_server

    def application(environ: dict, start_response: object) -> list[bytes]:
        start_response(
            "200 OK",
            [("Content-Type", "application/json"), ("Content-Length", str(len(CONTENT)))],
        )
        return [CONTENT]

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(application, host="127.0.0.1", port=0, threads=1)
    print(server.effective_port, flush=True)
    server.run()


def run_asyncio() -> None:
    """httptools on uvloop, one protocol object for each connection."""
    import httptools
    import uvloop

    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(CONTENT)
    )

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            self.transport = transport
            self.parser = httptools.HttpRequestParser(self)

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_message_complete(self) -> None:
            self.transport.write(answer + CONTENT)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    uvloop.run(serve())


if __name__ == "__main__":
    {"waitress": run_waitress, "asyncio": run_asyncio}[sys.argv[1]]()
