"""What is no HTTP, or could be read in two ways."""

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "words": b"hello world, how are you\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "header without colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "null in header": b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "bare line feed": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "length no number": b"POST / HTTP/1.1\r\nContent-Length: five\r\n\r\nhello",
    "length negative": b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\nhello",
    "length with sign": b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "lengths in one": b"POST / HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\nhello!",
    "length and chunks": b"POST / HTTP/1.1\r\nContent-Length: 5\r\n" + CHUNKED + b"0\r\n\r\n",
    "chunks and length": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"
    b"\r\n0\r\n\r\n",
    "chunks in 1.0": b"POST / HTTP/1.0\r\n" + CHUNKED + b"0\r\n\r\n",
    "chunk size no number": b"POST / HTTP/1.1\r\n" + CHUNKED + b"zz\r\nhello\r\n",
    "chunk longer than said": b"POST / HTTP/1.1\r\n" + CHUNKED + b"2\r\nhello\r\n",
}
