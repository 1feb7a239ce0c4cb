"""Stands in for programs that need Azure or a cluster: notes how it was called, and answers.

The name that it is called by says which program it is. Notes go to the file $CALLS.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ID = "00000000-0000-0000-0000-000000000000"
RESOURCE = f"/subscriptions/{ID}/resourceGroups/scoring/providers/Microsoft.X/y/z"
# What `az` prints, by its --query, or by the end of the command where there is none.
ANSWERS = {
    "id": RESOURCE,
    "clientId": ID,
    "principalId": ID,
    "digest": "sha256:" + "0" * 64,
    "oidcIssuerProfile.issuerUrl": "https://westeurope.oic.prod-aks.azure.com/x/y/",
    "metrics.prometheusQueryEndpoint": "https://metrics-x.westeurope.prometheus.monitor.azure.com",
    "nodeResourceGroup": "MC_scoring_scoring_westeurope",
    "[?ipAddress=='192.0.2.1'].name": "kubernetes-x",
    "generate-sas": "https://scoring.blob.core.windows.net/models/resnet152-1.tar.gz?sig=x%3D",
}


def main() -> None:
    """Note the call and answer it."""
    program, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    stdin = sys.stdin.read() if "-" in arguments else ""
    call = {"program": program, "arguments": arguments, "stdin": stdin}
    with Path(os.environ["CALLS"]).open("a") as file:
        file.write(json.dumps(call) + "\n")
    if program == "az":
        sys.stdout.write(az(arguments))
    elif program == "helm" and arguments[0] == "template":
        sys.exit(subprocess.run([os.environ["HELM"], *arguments]).returncode)
    elif "--dry-run=client" in arguments:
        sys.exit(subprocess.run([os.environ["KUBECTL"], *arguments]).returncode)
    elif "jsonpath={.status.addresses[0].value}" in arguments:
        sys.stdout.write("192.0.2.1")


def az(arguments: list[str]) -> str:
    """What a command prints with --output tsv."""
    if arguments[:2] == ["ad", "group"]:
        return ID
    if "generate-sas" in arguments:
        return ANSWERS["generate-sas"]
    return ANSWERS[arguments[arguments.index("--query") + 1]] if "--query" in arguments else ""


if __name__ == "__main__":
    main()
