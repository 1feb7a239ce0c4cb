"""The header `traceparent`, by which callers tie a request to a trace of theirs.

https://www.w3.org/TR/trace-context/: version, trace id, parent id and flags, in
lower-case hexadecimal digits with hyphens between.
"""

import re

HEADER = "traceparent"

# Later versions may add fields at the end; ff is forbidden, and so are ids of zeros only.
_FORM = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]{0,64})?"
)


def trace_id(header: str | None) -> str:
    """The id of the trace, safe to log; empty when there is no header or it is malformed."""
    match = _FORM.fullmatch(header) if header else None
    return match[1] if match else ""
