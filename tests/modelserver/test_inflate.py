"""Compressed bodies: what clients send inflates, what would fill the memory does not."""

import contextlib
import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserver.errors import RequestError, TooLarge, Undecodable, UnsupportedEncoding
from modelserver.inflate import inflate
from tests.modelserver.conftest import MAX_BODY_BYTES, Site

TEXT = b'{"instances": [[1, 2, 3]]}'
LIMIT = 1000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("", TEXT, id="none"),
        pytest.param("identity", TEXT, id="identity"),
        pytest.param("gzip", gzip.compress(TEXT), id="gzip"),
        pytest.param(" X-GZip ", gzip.compress(TEXT), id="old name of gzip"),
        pytest.param("gzip", gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]), id="two members"),
        pytest.param("deflate", zlib.compress(TEXT), id="deflate as HTTP wants it"),
        pytest.param("deflate", raw_deflate(TEXT), id="deflate as some clients send it"),
    ],
)
def test_known_encodings(encoding: str, body: bytes) -> None:
    """Every encoding that clients use gives the body back."""
    assert inflate(body, encoding, LIMIT) == TEXT


@pytest.mark.parametrize(
    ("encoding", "body", "error"),
    [
        pytest.param("br", TEXT, UnsupportedEncoding, id="unknown"),
        pytest.param("gzip, gzip", TEXT, UnsupportedEncoding, id="several"),
        pytest.param("gzip", TEXT, Undecodable, id="not gzip"),
        pytest.param("deflate", TEXT, Undecodable, id="not deflate"),
        pytest.param("gzip", gzip.compress(TEXT)[:-1], Undecodable, id="cut short"),
        pytest.param("gzip", gzip.compress(TEXT) + b"x", Undecodable, id="more after it"),
        pytest.param("deflate", zlib.compress(TEXT) * 2, Undecodable, id="two deflates"),
        pytest.param("gzip", gzip.compress(b"") * 65, Undecodable, id="many members"),
        pytest.param("gzip", gzip.compress(bytes(LIMIT + 1)), TooLarge, id="one byte too long"),
        pytest.param("gzip", gzip.compress(bytes(LIMIT)) * 2, TooLarge, id="too long together"),
    ],
)
def test_refused(encoding: str, body: bytes, error: type[RequestError]) -> None:
    """What cannot be inflated within the limit is refused."""
    with pytest.raises(error):
        inflate(body, encoding, LIMIT)


def test_limit_is_inclusive() -> None:
    """A body of exactly the limit passes."""
    assert inflate(gzip.compress(bytes(LIMIT)), "gzip", LIMIT) == bytes(LIMIT)


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes(body: bytes, encoding: str) -> None:
    """Bytes of any kind are inflated or refused; nothing else happens."""
    with contextlib.suppress(RequestError):
        assert len(inflate(body, encoding, LIMIT)) <= LIMIT


ROUTES = [
    ("/v1/models/sum:predict", {"instances": [[1, 2, 3]]}),
    (
        "/v2/models/sum/infer",
        {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]},
    ),
]


@pytest.mark.parametrize(("path", "content"), ROUTES, ids=[path for path, _ in ROUTES])
def test_routes(site: Site, path: str, content: dict[str, Any]) -> None:
    """Every scoring route takes compressed bodies, bounds them, and says what it takes."""
    packed = gzip.compress(json.dumps(content).encode())
    assert site.post(path, packed, headers={"Content-Encoding": "gzip"}).status_code == 200
    refused = site.post(path, packed, headers={"Content-Encoding": "br"})
    assert refused.status_code == 415
    assert refused.headers["Accept-Encoding"] == "gzip, deflate"
    bomb = gzip.compress(bytes(MAX_BODY_BYTES + 1))
    assert site.post(path, bomb, headers={"Content-Encoding": "gzip"}).status_code == 413
