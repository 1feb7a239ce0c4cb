"""Models come, change and go while the server works."""

import os
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from modelserver import reloading
from modelserver.calls import Call
from modelserver.errors import ArtefactError, LoadFailed, NotFound, Unavailable
from modelserver.load_record import LoadRecord
from modelserver.metrics import Metrics
from modelserver.model import ServedModel
from modelserver.reloading import Reloader
from modelserver.repository import Loader, Repository
from modelserver.repository_index import Entry
from tests.modelserver.samples import publish_times


@dataclass
class Shop:
    """A reloader over a folder, and everything it told."""

    folder: Path
    reloader: Reloader
    metrics: Metrics
    events: list[dict[str, Any]] = field(default_factory=list)
    published: list[Repository] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def publish(self, version: int, name: str = "times") -> Path:
        """Put a version into the folder."""
        return publish_times(self.folder, version, name)

    def served(self) -> list[str]:
        """What serves now."""
        return [f"{model.name}/{model.version}" for model in self.reloader.serving]

    def settle(self) -> None:
        """Poll twice, because only what has not changed between two polls is taken up."""
        self.reloader.poll()
        self.reloader.poll()

    def said(self, event: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [fields for fields in self.events if fields["event"] == event]

    def await_event(self, event: str) -> dict[str, Any]:
        """Wait for an event of another thread."""
        with self.news:
            assert self.news.wait_for(lambda: self.said(event), timeout=60), event
        return self.said(event)[-1]

    def series(self) -> str:
        """The metrics."""
        return self.metrics.render().decode()


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Make a reloader over tmp_path / "models"; `versions` of the model `times` are there."""
    opened: list[Shop] = []

    def make(*versions: int, start: bool = True, **options: Any) -> Shop:
        folder = tmp_path / "models"
        folder.mkdir(exist_ok=True)
        for version in versions:
            publish_times(folder, version)
        metrics = Metrics()

        def log(event: str, **fields: Any) -> None:
            with shop.news:
                shop.events.append({"event": event, **fields})
                shop.news.notify_all()

        reloader = Reloader(
            Loader(options.pop("single", folder), threads=1),
            lambda repository: shop.published.append(repository),
            LoadRecord(log, metrics),
            **options,
        )
        shop = Shop(folder, reloader, metrics)
        opened.append(shop)
        if start:
            reloader.start()
        return shop

    yield make
    for shop in opened:
        shop.reloader.stop()


def damage(folder: Path) -> None:
    """Cut a model file short, as a copy does that was broken off."""
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def touch(folder: Path) -> None:
    """Make files look new without changing them."""
    os.utime(folder / "manifest.json", ns=(1, 1))


def test_new_version_is_taken_up(open_shop: Callable[..., Shop]) -> None:
    """A new version serves beside the old one after the second poll that saw it unchanged."""
    shop = open_shop(1)
    shop.settle()
    assert shop.published == []
    shop.publish(2)
    shop.reloader.poll()
    assert shop.served() == ["times/1"]
    shop.reloader.poll()
    assert shop.served() == ["times/1", "times/2"]
    assert shop.published[-1].get("times").version == 2
    assert [event["version"] for event in shop.said("model_loaded")] == ["1", "2"]


def test_new_model_is_taken_up(open_shop: Callable[..., Shop]) -> None:
    """Not only versions, also models come while the server works."""
    shop = open_shop(1)
    shop.publish(3, "other")
    shop.settle()
    assert shop.served() == ["other/3", "times/1"]


def test_growing_folder_is_left_alone(open_shop: Callable[..., Shop]) -> None:
    """While a folder is being copied nothing is tried, so nothing is logged."""
    shop = open_shop(1)
    whole = shop.publish(2).rename(shop.folder.parent / "whole")
    copy = shop.folder / "times" / "2"
    for file in sorted(path for path in whole.rglob("*") if path.is_file()):
        target = copy / file.relative_to(whole)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
        shop.reloader.poll()
    assert shop.served() == ["times/1"]
    assert shop.said("model_load_failed") == []
    shop.reloader.poll()
    assert shop.served() == ["times/1", "times/2"]


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (["model.onnx"], "manifest.json: cannot be read: No such file or directory"),
        (["manifest.json"], "cannot be read: No such file or directory"),
        ([], "manifest.json: cannot be read: No such file or directory"),
    ],
    ids=["no manifest", "no model", "empty"],
)
def test_unfinished_copy_is_told_once(
    left: list[str], said: str, open_shop: Callable[..., Shop]
) -> None:
    """A copy that stopped half-way is one log line however often it is looked at, and no model."""
    shop = open_shop(1)
    whole = shop.publish(2).rename(shop.folder.parent / "whole")
    copy = shop.folder / "times" / "2"
    copy.mkdir()
    for name in left:
        shutil.copy(whole / name, copy)
    for _ in range(5):
        shop.settle()
    (failure,) = shop.said("model_load_failed")
    assert said in failure["error"]
    assert (failure["model"], failure["serving"]) == ("times", ["1"])
    assert shop.served() == ["times/1"]
    assert 'modelserver_model_load_failures_total{model="times"} 1.0' in shop.series()

    shutil.copytree(whole, copy, dirs_exist_ok=True)
    shop.settle()
    assert shop.served() == ["times/1", "times/2"]


def test_last_good_one_keeps_serving(open_shop: Callable[..., Shop]) -> None:
    """Files that went bad do not stop the model that was loaded from them when they were good."""
    shop = open_shop(1)
    model = shop.reloader.serving.get("times")
    damage(shop.folder / "times" / "1")
    shop.settle()
    assert shop.reloader.serving.get("times") is model
    (failure,) = shop.said("model_load_failed")
    assert "/times/1/model.onnx: expected" in failure["error"]
    (entry,) = shop.reloader.index()
    assert (entry.state, entry.reason) == ("READY", failure["error"])


def test_changed_files_replace_the_model(open_shop: Callable[..., Shop]) -> None:
    """New files under an old number are loaded too, though artefacts should never change."""
    shop = open_shop(1)
    before = shop.reloader.serving.get("times")
    touch(shop.folder / "times" / "1")
    shop.settle()
    after = shop.reloader.serving.get("times")
    assert after is not before
    shop.settle()
    assert shop.reloader.serving.get("times") is after


def test_removed_version_goes(open_shop: Callable[..., Shop]) -> None:
    """A version whose folder is gone for two polls serves no more, and its series go with it."""
    shop = open_shop(1, 2)
    shop.reloader.watch()
    shop.metrics.answered(shop.reloader.serving.get("times", "1"), "", 200, "", 0.1)
    shop.reloader.poll()
    shutil.rmtree(shop.folder / "times" / "1")
    shop.reloader.poll()
    assert shop.served() == ["times/1", "times/2"]
    shop.reloader.poll()
    assert shop.served() == ["times/2"]
    shop.published.clear()
    assert shop.await_event("model_unloaded")["version"] == "1"
    assert 'version="2"' in shop.series()
    assert 'version="1"' not in shop.series()


def test_removed_versions_stay_where_the_new_one_fails(open_shop: Callable[..., Shop]) -> None:
    """Whoever removes the old versions before the new one has proved itself loses nothing.

    The newest of the old ones serves until a version loads, or the model is gone altogether.
    """
    shop = open_shop(9, 10)
    shop.settle()
    damage(shop.publish(11))
    for version in ("9", "10"):
        shutil.rmtree(shop.folder / "times" / version)
    for _ in range(3):
        shop.settle()
    assert shop.served() == ["times/10"]
    with pytest.raises(LoadFailed):
        shop.reloader.load("times")
    assert shop.served() == ["times/10"]
    shop.publish(12)
    shop.settle()
    assert shop.served() == ["times/12"]


def test_old_version_answers_what_it_has_accepted(open_shop: Callable[..., Shop]) -> None:
    """A request that has found its model is scored by it, whatever happened meanwhile.

    The model is freed when the last such request lets go of it, and not before. Nothing but
    requests may hold it, so no cycle and no thread may.
    """
    shop = open_shop(1, 2)
    shop.reloader.watch()
    held = shop.reloader.serving.get("times", "1")
    shutil.rmtree(shop.folder / "times" / "1")
    shop.settle()
    shop.settle()
    assert shop.served() == ["times/2"]
    shop.published.clear()
    assert held.score([3.0], {}) == [3.0]
    assert shop.said("model_unloaded") == []
    freed = [weakref.ref(held), weakref.ref(held._onnx_model)]
    del held
    assert [each() for each in freed] == [None, None]
    shop.await_event("model_unloaded")


def test_threads_end_with_their_model(open_shop: Callable[..., Shop]) -> None:
    """The threads that run batches of a model end once it serves no more, and free its session."""
    shop = open_shop(1)
    before = set(threading.enumerate())
    model = shop.reloader.serving.get("times")
    call = Call(model.read([3.0], {}).parts)
    model.batcher.submit(call)
    model.batcher.wake()
    done = threading.Event()
    model.batcher.when_done(call, done.set)
    assert done.wait(60)
    (thread,) = {t for t in threading.enumerate() if t.name == "batches"} - before
    session = weakref.ref(model._onnx_model)
    del model, call
    shop.reloader.unload("times")
    shop.published.clear()
    thread.join(60)
    assert session() is None


def test_replaced_files_keep_the_series(open_shop: Callable[..., Shop]) -> None:
    """Where other files of the same version serve on, its counts go on too."""
    shop = open_shop(1)
    shop.reloader.watch()
    shop.metrics.answered(shop.reloader.serving.get("times"), "", 200, "", 0.1)
    touch(shop.folder / "times" / "1")
    shop.settle()
    shop.await_event("model_unloaded")
    assert 'requests_total{client="",code="200",model="times",version="1"} 1.0' in shop.series()
    assert shop.series().count("modelserver_model_info{") == 1


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_lost_folder_changes_nothing(how: str, open_shop: Callable[..., Shop]) -> None:
    """A volume that is unmounted or empty for a while does not stop what is in memory."""
    shop = open_shop(1)
    shop.reloader.poll()
    shutil.rmtree(shop.folder)
    if how == "emptied":
        shop.folder.mkdir()
    for _ in range(3):
        shop.reloader.poll()
    assert shop.served() == ["times/1"]
    (failure,) = shop.said("model_load_failed")
    assert failure["model"] is None
    assert 'modelserver_model_load_failures_total{model="none"} 1.0' in shop.series()


def test_empty_folder_where_that_is_in_order(open_shop: Callable[..., Shop]) -> None:
    """With allow_none a server starts without models, gets some, and loses them again."""
    shop = open_shop(allow_none=True)
    assert shop.served() == []
    shop.publish(1)
    shop.settle()
    assert shop.served() == ["times/1"]
    shutil.rmtree(shop.folder / "times")
    shop.settle()
    assert shop.served() == []


def test_start_without_models(open_shop: Callable[..., Shop]) -> None:
    """Without allow_none an empty folder is an error at start."""
    shop = open_shop(start=False)
    with pytest.raises(ArtefactError, match="no artefact"):
        shop.reloader.start()


def test_single_artefact(open_shop: Callable[..., Shop], tmp_path: Path) -> None:
    """A folder that is one artefact is watched as well; a new version in it replaces the old."""
    place = tmp_path / "mounted"
    shop = open_shop(1, 2, single=place, start=False)
    shutil.move(shop.folder / "times" / "1", place)
    shop.reloader.start()
    assert shop.reloader.index() == [Entry("times", "1", "READY")]
    shutil.rmtree(place)
    shutil.move(shop.folder / "times" / "2", place)
    shop.settle()
    assert shop.served() == ["times/2"]
    shop.reloader.unload("times")
    assert shop.reloader.index() == [Entry("times", "2", "UNAVAILABLE", "unloaded")]
    shop.settle()
    assert shop.served() == []
    shop.reloader.load("times")
    assert shop.served() == ["times/2"]


def test_load_by_order(open_shop: Callable[..., Shop]) -> None:
    """An order needs no second look; it touches the named model only, and only what is new."""
    shop = open_shop(1)
    first = shop.reloader.serving.get("times")
    shop.publish(2)
    shop.publish(1, "other")
    shop.reloader.load("times")
    assert shop.served() == ["times/1", "times/2"]
    assert shop.reloader.serving.get("times", "1") is first
    shutil.rmtree(shop.folder / "times" / "1")
    shop.reloader.load("times")
    assert shop.served() == ["times/2"]


def test_order_to_load_what_is_damaged(open_shop: Callable[..., Shop]) -> None:
    """The answer says what is wrong; an order tries again even if the files look the same."""
    shop = open_shop(1)
    folder = shop.publish(2)
    good = (folder / "model.onnx").read_bytes()
    damage(folder)
    for _ in range(2):
        with pytest.raises(LoadFailed, match=r"/times/2/model\.onnx: expected"):
            shop.reloader.load("times")
    assert shop.served() == ["times/1"]
    assert len(shop.said("model_load_failed")) == 2
    (folder / "model.onnx").write_bytes(good)
    shop.reloader.load("times")
    assert shop.served() == ["times/1", "times/2"]


def test_unload_by_order(open_shop: Callable[..., Shop]) -> None:
    """An unloaded model stays so although its files are there, until it is loaded by order."""
    shop = open_shop(1, 2)
    shop.publish(1, "other")
    shop.settle()
    shop.reloader.unload("times")
    shop.settle()
    assert shop.served() == ["other/1"]
    shop.reloader.unload("times")
    assert shop.reloader.index() == [
        Entry("other", "1", "READY"),
        Entry("times", "1", "UNAVAILABLE", "unloaded"),
        Entry("times", "2", "UNAVAILABLE", "unloaded"),
    ]
    shop.reloader.load("times")
    assert shop.served() == ["other/1", "times/1", "times/2"]


@pytest.mark.parametrize("name", ["nothing", "", "../times", "times/1"])
def test_unknown_model(name: str, open_shop: Callable[..., Shop]) -> None:
    """What is neither in memory nor in the folder is said to be unknown."""
    shop = open_shop(1)
    with pytest.raises(NotFound, match=r"no model .* in the folder; it has times"):
        shop.reloader.load(name)
    with pytest.raises(NotFound, match="unknown model"):
        shop.reloader.unload(name)
    assert shop.served() == ["times/1"]


def test_index(open_shop: Callable[..., Shop]) -> None:
    """The index has what is in memory and what is in the folder, 10 after 9."""
    shop = open_shop(9, 10)
    shop.publish(11)
    assert shop.reloader.index() == [
        Entry("times", "9", "READY"),
        Entry("times", "10", "READY"),
        Entry("times", "11", "UNAVAILABLE", "not loaded yet"),
    ]


class _SlowLoader:
    """Stops in the middle of a load until told to go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entered, self.go_on = threading.Event(), threading.Event()

    def load(self, path: Path) -> ServedModel:
        self.entered.set()
        assert self.go_on.wait(60)
        return Loader(self.folder, threads=1).load(path)


def test_one_change_at_a_time(
    open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a load the index answers, polls pass, and other orders are asked to come back."""
    monkeypatch.setattr(reloading, "_PATIENCE_SECONDS", 0.01)
    shop = open_shop(1)
    slow = _SlowLoader(shop.folder)
    monkeypatch.setattr(shop.reloader, "_loader", slow)
    shop.publish(2)
    worker = threading.Thread(target=shop.reloader.load, args=("times",))
    worker.start()
    assert slow.entered.wait(60)
    try:
        assert shop.reloader.index()[1] == Entry("times", "2", "LOADING")
        shop.reloader.poll()
        refuses_orders(shop)
    finally:
        slow.go_on.set()
        worker.join()
    assert shop.served() == ["times/1", "times/2"]


def refuses_orders(shop: Shop) -> None:
    """Orders are asked to come back."""
    for order in (shop.reloader.load, shop.reloader.unload):
        with pytest.raises(Unavailable, match="the models are being changed; try again"):
            order("times")


def test_no_order_before_the_start_is_over(
    open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first models are loaded, orders are asked to come back, and change nothing."""
    monkeypatch.setattr(reloading, "_PATIENCE_SECONDS", 0.01)
    shop = open_shop(1, start=False)
    slow = _SlowLoader(shop.folder)
    monkeypatch.setattr(shop.reloader, "_loader", slow)
    starting = threading.Thread(target=shop.reloader.start)
    starting.start()
    assert slow.entered.wait(60)
    try:
        refuses_orders(shop)
    finally:
        slow.go_on.set()
        starting.join()
    assert shop.served() == ["times/1"]
    assert shop.reloader.index() == [Entry("times", "1", "READY")]


def test_fault_of_ours(open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception fails one model, says where, but not its text, and nothing else."""
    shop = open_shop(1)
    shop.publish(2)

    def fail(*arguments: object) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(ServedModel, "load", fail)
    with pytest.raises(LoadFailed, match="internal error; the log has the place in the code"):
        shop.reloader.load("times")
    (failure,) = shop.said("model_load_failed")
    assert failure["type"] == "ValueError"
    assert failure["trace"][-1].endswith(" fail")
    assert "secret" not in str(failure)
    assert shop.served() == ["times/1"]


def test_watching(open_shop: Callable[..., Shop]) -> None:
    """A watching reloader polls by itself."""
    shop = open_shop(1, poll_seconds=0.01)
    shop.reloader.watch()
    shop.publish(2)
    with shop.news:
        assert shop.news.wait_for(lambda: len(shop.said("model_loaded")) == 2, timeout=60)
