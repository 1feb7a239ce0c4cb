"""Metrics of several processes, added up."""

import json

from modelserver.families import Family, add_up, lasting, only_models

A = (("model", "a"), ("version", "1"))
B = (("model", "b"), ("version", "2"))


def family(name: str, kind: str, **values: float) -> Family:
    """A metric with one series for each keyword."""
    return Family(name, kind, f"about {name}", {(f"{name}_{k}", A): v for k, v in values.items()})


def test_sums() -> None:
    """Counts and most gauges are summed, series by series; one that few have is kept."""
    one = [family("requests", "counter", total=3), family("inflight", "gauge", now=1)]
    two = [family("requests", "counter", total=4, other=7), family("inflight", "gauge", now=2)]
    requests, inflight = add_up([one, two], frozenset())
    assert dict(requests.values) == {("requests_total", A): 7, ("requests_other", A): 7}
    assert list(inflight.values.values()) == [3]
    assert (requests.kind, requests.text) == ("counter", "about requests")


def test_largest() -> None:
    """A gauge that says what is, not how many, is not summed."""
    processes = [[family("info", "gauge", x=1)], [family("info", "gauge", x=1)]]
    (info,) = add_up(processes, frozenset({"info"}))
    assert list(info.values.values()) == [1]


def test_what_an_ended_process_leaves() -> None:
    """Its counts go on to count; its requests in flight do not."""
    left = lasting([family("requests", "counter", total=3), family("inflight", "gauge", now=1)])
    assert [each.name for each in left] == ["requests"]


def test_only_models() -> None:
    """Series of versions that nobody has are left out; those of no version stay."""
    none = (("model", "none"), ("version", "none"))
    values = {("x", A): 1.0, ("x", B): 2.0, ("x", none): 3.0, ("x", (("reason", "full"),)): 4.0}
    (left,) = only_models([Family("x", "counter", "", values)], frozenset({("b", "2")}))
    assert list(left.values.values()) == [2.0, 3.0, 4.0]


def test_journey() -> None:
    """A metric is the same after the journey between processes."""
    before = family("requests", "counter", total=3, other=0.5)
    assert Family.from_json(json.loads(json.dumps(before.to_json()))) == before
