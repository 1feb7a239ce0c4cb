"""A damaged artefact never serves: the process ends with exit code 1 and says what is wrong.

Every case runs the whole of `python -m modelserver` in a process of its own. The processes are
forked from one that has imported everything, because the imports take most of a start.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelserver.errors import LoadFailed
from modelserver.load_record import LoadRecord
from modelserver.metrics import Metrics
from modelserver.reloading import Reloader
from modelserver.repository import Loader, Repository
from tests.conftest import ROOT
from tests.modelserver.damages import FILES, every_damage

DAMAGES = every_damage()
SECONDS_TO_FAIL = 15
SERVED = 77  # the exit code of a server that became ready

# Reads folders, one a line, and answers {folder: [exit status, output]}.
DRIVER = f"""
import json, os, signal, sys, tempfile
import modelserver.commands.serve  # imported by name, and then in every child
from modelserver.__main__ import main
from modelserver.scorer import Scorer
Scorer.open = lambda *models: os._exit({SERVED})
results = {{}}
for folder in sys.stdin.read().split("\\n"):
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            signal.alarm({SECONDS_TO_FAIL})  # ends a child that hangs
            os.dup2(output.fileno(), 1)
            os._exit(main(["--models", folder, "--port", "0", "--management-port", "0",
                           "--host", "127.0.0.1", "--max-inflight-requests", "1"]))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        results[folder] = [status, output.read().decode()]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, faq_models: Path) -> dict[str, Any]:
    """Damage to [exit code, log lines] of the server that was given it."""
    base = tmp_path_factory.mktemp("damaged")
    folders = {}
    for number, damage in enumerate(DAMAGES):
        folders[damage.name] = str(base / str(number) / "models")
        shutil.copytree(faq_models, folders[damage.name])
        damage.apply(Path(folders[damage.name]) / "faq" / "1")
    driver = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input="\n".join(folders.values()),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    results = json.loads(driver.stdout)
    return {
        name: (results[folder][0], list(map(json.loads, results[folder][1].splitlines())))
        for name, folder in folders.items()
    }


@pytest.mark.parametrize("damage", [pytest.param(damage, id=damage.name) for damage in DAMAGES])
def test_damage_is_never_served(damage: Any, outcomes: dict[str, Any]) -> None:
    """The exit code is 1, nothing was ever ready, and the last line names file and reason."""
    status, lines = outcomes[damage.name]
    assert status == 1
    assert [line["event"] for line in lines] == ["starting", "failed"]
    assert damage.said in lines[-1]["error"]


# A folder of another name is another model, and the first one is gone.
IN_PLACE = [pytest.param(d, id=d.name) for d in DAMAGES if d.name != "moved-name"]


@pytest.mark.parametrize("damage", IN_PLACE)
def test_damage_never_replaces_what_serves(damage: Any, tmp_path: Path, faq_models: Path) -> None:
    """A model whose files are damaged while it serves goes on as it was, and an order says why."""
    shutil.copytree(faq_models, tmp_path / "models")
    loader = Loader(tmp_path / "models", threads=1)
    published: list[Repository] = []
    record = LoadRecord(lambda event, **fields: None, Metrics())
    reloader = Reloader(loader, published.append, record)
    reloader.start()
    before = reloader.serving.get("faq")
    damage.apply(tmp_path / "models" / "faq" / "1")
    with pytest.raises(LoadFailed) as caught:
        reloader.load("faq")
    assert damage.said in str(caught.value)
    reloader.poll()
    reloader.poll()
    assert published == []
    assert reloader.serving.get("faq") is before


def test_table_has_every_file(faq_models: Path) -> None:
    """The table of damages knows every file of an artefact."""
    folder = faq_models / "faq" / "1"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == set(FILES)
