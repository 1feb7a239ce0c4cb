"""Schemas of Kubernetes and of custom resources, as strict as the API server is."""

import functools
import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.charts.engines import MODELS, SCHEMAS, Object

VERSIONS = tuple(f"1.{minor}" for minor in range(30, 38))
"""Every version that the chart supports and that kubernetes-validate has schemas of."""

_CUSTOM = {
    ("gateway.networking.k8s.io/v1", "Gateway"): "gateway-api/gateway.networking.k8s.io/v1",
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): "gateway-api/gateway.networking.k8s.io/v1",
    ("keda.sh/v1alpha1", "ScaledObject"): "keda/keda.sh/v1alpha1",
    ("keda.sh/v1alpha1", "TriggerAuthentication"): "keda/keda.sh/v1alpha1",
    ("monitoring.coreos.com/v1", "PodMonitor"): "prometheus-operator/monitoring.coreos.com/v1",
    ("monitoring.coreos.com/v1", "PrometheusRule"): "prometheus-operator/monitoring.coreos.com/v1",
}
"""Where npm has a copy of the schema: in a JavaScript file, but as JSON."""

_SAME_AS = {"azmonitoring.coreos.com/v1": "monitoring.coreos.com/v1"}
"""Azure's copies of an API under another name."""


def faults(item: Object, version: str) -> list[str]:
    """What the API server of a Kubernetes version would refuse in an object; empty when nothing."""
    api = _SAME_AS.get(item["apiVersion"], item["apiVersion"])
    if (api, item["kind"]) in _CUSTOM:
        item = {**item, "apiVersion": api}
        validator = _custom(api, item["kind"])
    else:
        validator = _kubernetes(api, item["kind"], version)
    where = f"{item['kind']} {item['metadata']['name']}"
    return [f"{where}: {error.json_path}: {error.message}" for error in validator.iter_errors(item)]


def is_custom(item: Object) -> bool:
    """Whether an object is not of Kubernetes itself, so that its schema knows no versions."""
    return (_SAME_AS.get(item["apiVersion"], item["apiVersion"]), item["kind"]) in _CUSTOM


@functools.cache
def _kubernetes(api: str, kind: str, version: str) -> Draft202012Validator:
    """The strict schema of a kind; an unknown kind has none, and is a fault of the chart."""
    (package,) = SCHEMAS.glob("python*/site-packages/kubernetes_validate/kubernetes-json-schema")
    (folder,) = package.glob(f"v{version}.*-local-strict")
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    schema = json.loads((folder / f"{kind.lower()}-{group}.json").read_text())
    return Draft202012Validator(schema, registry=_definitions(folder))


@functools.cache
def _definitions(folder: Path) -> Registry[Any]:
    definitions = Resource.from_contents(json.loads((folder / "_definitions.json").read_text()))
    return Registry().with_resource("_definitions.json", definitions).crawl()


@functools.cache
def _custom(api: str, kind: str) -> Draft202012Validator:
    text = (MODELS / _CUSTOM[api, kind] / f"{kind}.js").read_text()
    found = re.search(r"^const schema = (\{.*?^\});", text, re.DOTALL | re.MULTILINE)
    assert found, f"{kind}: no schema in the package"
    schema = json.loads(found[1])
    schema["properties"]["metadata"] = {"type": "object"}
    return Draft202012Validator(_strict(schema))


def _strict(schema: Any) -> Any:
    """A schema that refuses unknown fields, which the published one lets pass."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(part) for key, part in deepcopy(schema).items()}
    free = "additionalProperties" in strict or "x-kubernetes-preserve-unknown-fields" in strict
    if isinstance(strict.get("properties"), dict) and not free:
        strict["additionalProperties"] = False
    return strict
