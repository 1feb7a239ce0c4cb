"""The parts of values.schema.json that several values share, and the settings of the server."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from modelserver.settings import Settings

CHART_OWNS = ("api_keys_dir", "device", "management_port", "models", "port")
"""Settings that follow from other values; the chart refuses them in `server`, and says which."""

Schema = dict[str, Any]


def _object(properties: Mapping[str, Schema], *required: str) -> Schema:
    fields = {"additionalProperties": False, "properties": dict(properties)}
    return {"type": "object", **fields, **({"required": list(required)} if required else {})}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema, names: str = "") -> Schema:
    """An object with free keys; `names` is a pattern for them."""
    rule = {"propertyNames": {"pattern": names}} if names else {}
    return {"type": "object", "additionalProperties": values, **rule}


def _any_of_keys(kind: str, *keys: str) -> Schema:
    """An object of Kubernetes with these keys, whose values Kubernetes checks."""
    return _object({key: {"type": kind} if kind else {} for key in keys})


_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NAME = "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_LABEL_NAME = r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
_COUNT_OR_PERCENT: Schema = {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+%$"}
_DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_QUANTITY: Schema = {
    "type": ["string", "number"],
    "pattern": "^[0-9]+([.][0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$",
    "exclusiveMinimum": 0,
}
_SCALING = _object(
    {
        "stabilizationWindowSeconds": {**_COUNT, "maximum": 3600},
        "selectPolicy": {"enum": ["Max", "Min", "Disabled"]},
        "policies": _list(
            _object(
                {
                    "type": {"enum": ["Pods", "Percent"]},
                    "value": {"type": "integer", "minimum": 1},
                    "periodSeconds": {"type": "integer", "minimum": 1, "maximum": 1800},
                },
                *("type", "value", "periodSeconds"),
            )
        ),
    }
)

DEFINITIONS: dict[str, Schema] = {
    "optionalName": {"type": "string", "pattern": f"^({_NAME})?$"},
    "names": _list({"type": "string", "pattern": f"^{_NAME}$"}),
    "fileName": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,253}$"},
    "labels": _map(
        {"type": "string", "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"},
        _LABEL_NAME,
    ),
    "annotations": _map(_TEXT, _LABEL_NAME),
    "quantity": _QUANTITY,
    "duration": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"},
    "host": {"type": "string", "pattern": r"^((\*\.)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"},
    "paths": {**_list({"type": "string", "pattern": "^/[^\\s]*$"}), "minItems": 1},
    # The bounds of request_duration_seconds; a latency between two of them cannot be counted.
    "latency": {
        "enum": [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    },
    "environment": _map(
        {"oneOf": [_TEXT, _object({"valueFrom": {"type": "object"}}, "valueFrom")]},
        "^[A-Za-z_][A-Za-z0-9_]*$",
    ),
    "resources": _object(
        {
            "requests": _map(_QUANTITY),
            "limits": _map(_QUANTITY),
            "claims": _list({"type": "object"}),
        }
    ),
    "updateStrategy": _object(
        {
            "type": {"enum": ["RollingUpdate", "Recreate"]},
            "rollingUpdate": _object(
                {"maxSurge": _COUNT_OR_PERCENT, "maxUnavailable": _COUNT_OR_PERCENT}
            ),
        }
    ),
    "tolerations": _list(
        _object(
            {
                "key": _TEXT,
                "operator": {"enum": ["Equal", "Exists"]},
                "value": _TEXT,
                "effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
                "tolerationSeconds": {"type": "integer"},
            }
        )
    ),
    "affinity": _any_of_keys("object", "nodeAffinity", "podAffinity", "podAntiAffinity"),
    "spread": _list(
        _object(
            {
                "maxSkew": {"type": "integer", "minimum": 1},
                "minDomains": {"type": "integer", "minimum": 1},
                "topologyKey": {"type": "string", "pattern": _LABEL_NAME},
                "whenUnsatisfiable": {"enum": ["DoNotSchedule", "ScheduleAnyway"]},
                "nodeAffinityPolicy": {"enum": ["Honor", "Ignore"]},
                "nodeTaintsPolicy": {"enum": ["Honor", "Ignore"]},
                "labelSelector": {"type": "object"},
                "matchLabelKeys": _list(_TEXT),
            },
            *("maxSkew", "topologyKey", "whenUnsatisfiable"),
        )
    ),
    "behavior": _object({"scaleUp": _SCALING, "scaleDown": _SCALING}),
    # A values file that brings a Secret of its own takes the keys of another one away with null.
    "keys": {
        **_map(
            {"anyOf": [_DIGEST, {**_list(_DIGEST), "minItems": 1}]},
            "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        ),
        "type": ["object", "null"],
    },
    "peers": _list(_any_of_keys("object", "podSelector", "namespaceSelector", "ipBlock")),
    "bindings": _list(
        _object(
            {
                "group": {"type": "string", "minLength": 1},
                "role": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9.:_-]*$"},
            },
            *("group", "role"),
        )
    ),
    "podSecurityContext": _any_of_keys(
        "",
        *("runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy"),
        *("supplementalGroups", "supplementalGroupsPolicy", "seccompProfile", "appArmorProfile"),
        *("seLinuxOptions", "seLinuxChangePolicy", "sysctls"),
    ),
    "securityContext": _any_of_keys(
        "",
        *("allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities", "privileged"),
        *("runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile", "appArmorProfile"),
        *("seLinuxOptions", "procMount"),
    ),
    "named": _list({"type": "object", "required": ["name"]}),
}


def server_definition() -> Schema:
    """The settings of the server, each under its name in snake_case and in camelCase."""
    properties: dict[str, Schema] = {}
    for row in dataclasses.fields(Settings):
        properties[row.name] = properties[camel_case(row.name)] = _setting(row)
    return _object(properties)


def camel_case(name: str) -> str:
    """The other spelling of a setting: `max_body_bytes` is `maxBodyBytes`."""
    head, *tail = name.split("_")
    return head + "".join(map(str.capitalize, tail))


def _setting(row: "dataclasses.Field[Any]") -> Schema:
    """One row of the settings table as a schema."""
    if row.name in CHART_OWNS:
        return {"description": "the chart sets it"}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    bounds = {"minimum": row.metadata["least"], "maximum": row.metadata["most"]}
    choices = row.metadata["choices"]
    return {
        "description": row.metadata["meaning"],
        "type": kinds[row.type],  # type: ignore[index]
        **{name: bound for name, bound in bounds.items() if bound is not None},
        **({"enum": list(choices)} if choices else {}),
    }
