"""Turns the chart's PrometheusRule into an ARM template of Azure Monitor rule groups.

Azure's managed Prometheus does not read the Prometheus Operator's PrometheusRule. Needs PyYAML.

Example:
    helm template faq charts/scoring ... --show-only templates/prometheusrule.yaml > rules.yaml
    python examples/aks/rule_group.py rules.yaml --workspace ID --cluster NAME > rules.json
    az deployment group create --resource-group GROUP --template-file rules.json
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_SEVERITY = {"critical": 1, "warning": 2}  # of 0 to 4; 0 wakes people at any company


def main() -> None:
    """Read the rules and print the template."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("rules", type=Path, help="file with one or more PrometheusRule objects")
    parser.add_argument(
        "--workspace", required=True, help="resource id of the Azure Monitor workspace"
    )
    parser.add_argument("--cluster", required=True, help="name of the AKS cluster")
    parser.add_argument("--location", default="[resourceGroup().location]", help="of the workspace")
    parser.add_argument("--action-group", help="resource id of whom to tell")
    arguments = parser.parse_args()
    objects = yaml.safe_load_all(arguments.rules.read_text())
    found = [item for item in objects if item and item["kind"] == "PrometheusRule"]
    groups = [group for item in found for group in item["spec"]["groups"]]
    if not groups:
        sys.exit(f"{arguments.rules}: no PrometheusRule; is metrics.rules.enabled true?")
    template = {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": [resource(group, arguments) for group in groups],
    }
    json.dump(template, sys.stdout, indent=1)


def resource(group: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """One rule group; its name may not have the slash of ours."""
    return {
        "type": "Microsoft.AlertsManagement/prometheusRuleGroups",
        "apiVersion": "2023-03-01",
        "name": re.sub(r"[^A-Za-z0-9-]", "-", group["name"]),
        "location": arguments.location,
        "properties": {
            "scopes": [arguments.workspace],
            "clusterName": arguments.cluster,
            "enabled": True,
            "interval": "PT1M",
            "rules": [rule(item, arguments.action_group) for item in group["rules"]],
        },
    }


def rule(item: dict[str, Any], action_group: str | None) -> dict[str, Any]:
    """One alert: on one line, and with a name that no other alert of the group has."""
    return {
        "alert": "-".join(filter(None, (item["alert"], item["labels"].get("window")))),
        "expression": " ".join(item["expr"].split()),
        "for": f"PT{item.get('for', '1m').upper()}",
        "severity": _SEVERITY[item["labels"]["severity"]],
        "labels": item["labels"],
        "annotations": item["annotations"],
        "enabled": True,
        "resolveConfiguration": {"autoResolved": True, "timeToResolve": "PT10M"},
        "actions": [{"actionGroupId": action_group}] if action_group else [],
    }


if __name__ == "__main__":
    main()
