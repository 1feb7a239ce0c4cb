"""multipart/form-data bodies, good and hostile."""

from typing import Any

import pytest

from modelserver.errors import RequestError, TooLarge, Undecodable
from modelserver.multipart import Part, read_parts

TYPE = "multipart/form-data; boundary=edge"


def part(headers: str, body: bytes = b"x") -> bytes:
    return b"--edge\r\n" + headers.encode() + b"\r\n\r\n" + body + b"\r\n"


def named(name: str, body: bytes = b"x", more: str = "") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"{more}', body)


END = b"--edge--\r\n"
FILE = named("image", b"\x00\r\n--edg\xff", '; filename="a.jpg"\r\nContent-Type: Image/JPEG')
OCTETS = "application/octet-stream"


def test_files_and_fields() -> None:
    """Files keep every byte, fields are told apart from them, and the order stays."""
    body = FILE + named("top_k", b"3") + named("b", b"", '; filename=""') + END
    assert read_parts(TYPE, body, 8) == [
        Part("image", "image/jpeg", True, b"\x00\r\n--edg\xff"),
        Part("top_k", OCTETS, False, b"3"),
        Part("b", OCTETS, True, b""),
    ]


@pytest.mark.parametrize(
    ("more", "is_file"),
    [
        ("\r\nContent-Type: image/png", True),
        ("\r\nContent-Type: text/plain; charset=utf-8", False),
        ("\r\nContent-Type: application/json", True),
        ("; filename=x", True),
        ("; filename*=utf-8''%e2%82%ac.png", True),
    ],
)
def test_what_is_a_file(more: str, is_file: bool) -> None:
    """A file name or a type of its own makes a file; plain text is a field of a form."""
    (found,) = read_parts(TYPE, named("a", more=more) + END, 8)
    assert found.is_file is is_file


def test_large_body_is_joined() -> None:
    """A part larger than what is fed at a time comes out whole."""
    content = bytes(range(256)) * 2000
    (found,) = read_parts(TYPE, named("a", content, "; filename=x") + END, 1)
    assert found.body == content


@pytest.mark.parametrize(
    "boundary",
    [
        '"ed ge"',
        "'ed'ge",
        "a" * 70,
        f"{'-' * 15}WerkzeugFormPart_1764190145.12345670.{'0' * 3}{'1' * 18}",
    ],
    ids=["quoted", "'", "long", "longer than the standard allows"],
)
def test_boundaries(boundary: str) -> None:
    """Every boundary that the standard allows is taken, and the longer ones of real clients."""
    body = (named("a") + END).replace(b"edge", boundary.strip('"').encode())
    assert len(read_parts(f"multipart/form-data; boundary={boundary}", body, 1)) == 1


UNDECODABLE: dict[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/form-data", FILE + END),
    "empty boundary": ("multipart/form-data; boundary=", FILE + END),
    "long boundary": (f"multipart/form-data; boundary={'a' * 201}", FILE + END),
    "boundary that is not ASCII": ("multipart/form-data; boundary=é", FILE + END),
    "another boundary": ("multipart/form-data; boundary=other", FILE + END),
    "empty body": (TYPE, b""),
    "no end": (TYPE, FILE),
    "cut in the headers": (TYPE, FILE[:30]),
    "cut in the data": (TYPE, FILE[:-12]),
    "no disposition": (TYPE, part("Content-Type: image/png") + END),
    "headers that are not UTF-8": (TYPE, b"--edge\r\nA: \xff\r\n\r\nx\r\n" + END),
    "JSON": (TYPE, b'{"instances": []}'),
}


@pytest.mark.parametrize("name", UNDECODABLE)
def test_undecodable(name: str) -> None:
    """A body that does not follow the form is refused."""
    content_type, body = UNDECODABLE[name]
    with pytest.raises(Undecodable, match="multipart"):
        read_parts(content_type, body, 8)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (FILE * 3 + END, "at most 2 files"),
        (FILE * 200_000, "at most 2 files"),
        (named("a") * 19 + END, "at most 2 files"),
        (part("A: " + "x" * 100_000), "bytes of headers"),
        (part("A: x\r\n" * 50_000), "bytes of headers"),
    ],
    ids=["one too many", "a flood", "too many fields", "a long header", "many headers"],
)
def test_bounds(body: bytes, message: str) -> None:
    """Parts and headers are counted while they are read, not afterwards."""
    with pytest.raises(TooLarge, match=message):
        read_parts(TYPE, body, 2)


def test_every_cut() -> None:
    """A body that is cut off anywhere gives an error of the caller's."""
    body = FILE + named("top_k", b"3") + END
    for end in range(len(body) - len(b"--\r\n")):
        with pytest.raises(RequestError):
            read_parts(TYPE, body[:end], 8)


def test_no_files() -> None:
    """A form without files is well-formed; whoever needs files says so."""
    parts: list[Any] = read_parts(TYPE, named("top_k", b"3") + END, 8)
    assert [found.is_file for found in parts] == [False]
