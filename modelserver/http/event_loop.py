"""The event loop of the asyncio front; the only module that knows uvloop."""

import asyncio

import uvloop


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop; no thread runs it yet."""
    return uvloop.new_event_loop()
