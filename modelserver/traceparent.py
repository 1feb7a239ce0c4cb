"""The header `traceparent`, by which callers tie a request to a trace of theirs.

https://www.w3.org/TR/trace-context/: version, trace id, parent id and flags, in
lower-case hexadecimal digits with hyphens between.
"""

import re

HEADER = "traceparent"

# Later versions may add fields at the end; ff is forbidden, and so are ids of zeros only.
_FORM = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]{0,64})?"
)
_TRACE_ID = slice(3, 35)


def read(header: str | None) -> str:
    """The header, safe to log and to send back; empty when there is none or it is malformed."""
    return header if header and _FORM.fullmatch(header) else ""


def trace_id(header: str) -> str:
    """The id of the trace in what `read` returned; empty when that is."""
    return header[_TRACE_ID]
