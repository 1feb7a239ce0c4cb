"""Where the model comes from, and the pod of `helm test`."""

from collections.abc import Callable

from tests.charts.engines import Rendered
from tests.charts.tables import ABSENT, Case, cases, check

SHA = "0123456789abcdef" * 4
URL = "https://models.example.com/faq.tar.gz"
DOWNLOAD = {"model.source.type": "url", "model.source.url": URL, "model.source.sha256": SHA}
SECRET = {
    "model.source.type": "url",
    "model.source.urlSecret.name": "address",
    "model.source.sha256": SHA,
}
FETCH = "pod.initContainers.[0]"
MODEL = {"name": "model", "mountPath": "/models", "readOnly": True}
ARGUMENTS = "Pod.spec.containers.[0].args"


@cases(
    Case("image", {}, {"pod.initContainers": ABSENT, "pod.volumes.[1].name": "api-keys"}),
    Case(
        "url",
        DOWNLOAD,
        {
            f"{FETCH}.command": ["python", "-m", "modelserver", "fetch"],
            f"{FETCH}.args": [f"--url={URL}", f"--sha256={SHA}", "--into=/models"],
            f"{FETCH}.env": ABSENT,
            f"{FETCH}.image": "registry.example.com/scoring:0.1.0",
            f"{FETCH}.volumeMounts.[1]": {"name": "model", "mountPath": "/models"},
            "pod.volumes.[1]": {"name": "model", "emptyDir": {"sizeLimit": "4Gi"}},
            "server.volumeMounts.[1]": MODEL,
        },
    ),
    Case(
        "url-size",
        {**DOWNLOAD, "model.source.sizeLimit": "9Gi"},
        {"pod.volumes.[1].emptyDir.sizeLimit": "9Gi"},
    ),
    Case(
        "url-path",
        {**DOWNLOAD, "model.path": "/srv/m"},
        {f"{FETCH}.args.[2]": "--into=/srv/m", "server.volumeMounts.[1].mountPath": "/srv/m"},
    ),
    Case(
        "url-secret",
        SECRET,
        {
            f"{FETCH}.args.[0]": "--url=$(MODEL_URL)",
            f"{FETCH}.env.[0]": {
                "name": "MODEL_URL",
                "valueFrom": {"secretKeyRef": {"name": "address", "key": "url"}},
            },
            "env.MODEL_URL": ABSENT,
        },
    ),
    Case(
        "url-secret-key",
        {**SECRET, "model.source.urlSecret.key": "sas"},
        {f"{FETCH}.env.[0].valueFrom.secretKeyRef.key": "sas"},
    ),
    Case(
        "url-proxy",
        {**DOWNLOAD, "extraEnv": {"HTTPS_PROXY": "http://proxy:3128"}},
        {f"{FETCH}.env.[0]": {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}},
    ),
    Case(
        "url-secret-and-proxy",
        {**SECRET, "extraEnv": {"HTTPS_PROXY": "http://proxy:3128"}},
        {f"{FETCH}.env.[0].name": "MODEL_URL", f"{FETCH}.env.[1].name": "HTTPS_PROXY"},
    ),
    Case(
        "volume",
        {"model.source.type": "volume", "model.source.claimName": "models"},
        {
            "pod.volumes.[1].persistentVolumeClaim": {"claimName": "models", "readOnly": True},
            "server.volumeMounts.[1]": MODEL,
            "pod.initContainers": ABSENT,
        },
    ),
    Case(
        "oci",
        {"model.source.type": "oci", "model.source.reference": "r/faq:1"},
        {
            "pod.volumes.[1].image": {"reference": "r/faq:1", "pullPolicy": "IfNotPresent"},
            "server.volumeMounts.[1]": MODEL,
        },
    ),
)
def test_source(render: Callable[..., Rendered], case: Case) -> None:
    """The server sees one read-only folder, wherever the model comes from."""
    check(render, case)


@cases(
    Case(
        "without-a-key",
        {},
        {
            ARGUMENTS: [
                *("--models=/models", "--name=faq", "--url=http://faq-scoring:80"),
                "--expect-refusal",
            ],
            "Pod.spec.containers.[0].env": ABSENT,
        },
    ),
    Case(
        "with-a-key",
        {"test.keySecret.name": "key"},
        {
            ARGUMENTS: ["--models=/models", "--name=faq", "--url=http://faq-scoring:80"],
            "Pod.spec.containers.[0].env": [
                {
                    "name": "API_KEY",
                    "valueFrom": {"secretKeyRef": {"name": "key", "key": "key"}},
                }
            ],
        },
    ),
    Case(
        "key-of-the-secret",
        {"test.keySecret.name": "key", "test.keySecret.key": "token"},
        {"Pod.spec.containers.[0].env.[0].valueFrom.secretKeyRef.key": "token"},
    ),
    Case(
        "no-keys-at-all",
        {"auth.enabled": False, "auth.keys": None, "service.port": 8000},
        {ARGUMENTS: ["--models=/models", "--name=faq", "--url=http://faq-scoring:8000"]},
    ),
    Case("hook", {}, {"Pod.metadata.annotations.[helm.sh/hook]": "test"}),
    Case("off", {"test.enabled": False}, {"Pod": ABSENT}),
    Case(
        "downloads-too",
        DOWNLOAD,
        {
            "Pod.spec.initContainers.[0].command": ["python", "-m", "modelserver", "fetch"],
            "Pod.spec.containers.[0].volumeMounts.[1]": MODEL,
        },
    ),
    Case(
        "not-behind-the-service",
        {},
        {"Pod.metadata.labels.[app.kubernetes.io/name]": ABSENT},
    ),
    Case("ends", {}, {"Pod.spec.restartPolicy": "Never"}),
)
def test_test_pod(render: Callable[..., Rendered], case: Case) -> None:
    """`helm test` sends the golden request with the image and the model of the release."""
    check(render, case)
