"""The pages for people: a demo at `/` and API documentation at `/docs`.

They are the same few static files for every model: scripts in the browser ask the API for the
rest, with the caller's own key. Nothing comes from another host.
"""

import hashlib
from collections.abc import Callable
from importlib import resources
from pathlib import PurePath

from flask import Blueprint, Response, request

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Asked for again each time, and not sent again while the ETag is the same.
    "Cache-Control": "no-cache",
}

# Not from the system's table, which a slim image may lack and a browser with nosniff relies on.
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def site_pages() -> Blueprint:
    """The documentation page and the files that both pages need."""
    pages = Blueprint("site", __name__)
    pages.add_url_rule("/docs", "docs", _file("docs.html"))
    for path in resources.files(__name__).joinpath("assets").iterdir():
        pages.add_url_rule(
            f"/assets/{path.name}", path.name.replace(".", "-"), _file(f"assets/{path.name}")
        )
    return pages


def wants_page() -> bool:
    """Whether the caller is a browser: it names HTML, which programs do not."""
    return "text/html" in request.accept_mimetypes.values()


def demo_page() -> Callable[[], Response]:
    """What answers `/` to a browser."""
    return _file("index.html")


def _file(name: str) -> Callable[[], Response]:
    """Make what answers one file; it is read once."""
    content = resources.files(__name__).joinpath(name).read_bytes()
    kind = _TYPES[PurePath(name).suffix]
    etag = hashlib.sha256(content).hexdigest()[:16]

    def show() -> Response:
        response = Response(content, mimetype=kind, headers=HEADERS)
        response.set_etag(etag)
        response.make_conditional(request)
        return response

    return show
