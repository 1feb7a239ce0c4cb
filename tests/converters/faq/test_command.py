"""The commands `faq` and `faq add`: artefacts that serve, reports that tell, errors in words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from converters.__main__ import main
from modelserver.model import ServedModel
from tests.converters.faq_samples import EXAMPLE, write_lines

NEW = {"id": "wasm", "title": "How do I call a WebAssembly module?", "answer": "Instantiate it."}


def head_of_example(folder: Path, faqs: int = 8) -> dict[str, str]:
    """Write the first FAQs of the example with what belongs to them."""
    lines = {
        path.stem: [json.loads(line) for line in path.read_text().splitlines()]
        for path in EXAMPLE.glob("*.jsonl")
    }
    kept = lines["faqs"][:faqs]
    ids = {faq["id"] for faq in kept}
    mine = [row for row in lines["duplicates"] if ids.issuperset(row["duplicate_of"])]
    return {
        "--faqs": write_lines(folder / "faqs.jsonl", kept),
        "--duplicates": write_lines(folder / "duplicates.jsonl", mine),
        "--out-of-scope": write_lines(folder / "strange.jsonl", lines["out_of_scope"][:30]),
    }


def flags(values: dict[str, Any]) -> list[str]:
    return [str(part) for pair in values.items() for part in pair]


def match(artefact: Path, question: str) -> dict[str, Any]:
    model = ServedModel.load(artefact, 1)
    prediction: dict[str, Any] = model.score([question], {})[0]
    return prediction


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faq")
    given = {"--name": "js", "--output": folder / "models", **head_of_example(folder)}
    assert main(["faq", *flags(given)]) == 0
    return folder / "models" / "js" / "1"


def test_training_ends_in_an_artefact_that_answers(artefact: Path) -> None:
    """The served model names the right FAQ first and refuses what has nothing to do with any."""
    found = match(artefact, "let vs var, which keyword should a beginner use?")
    assert found["matches"][0]["id"] == 1
    assert found["matched"]
    assert not match(artefact, "tomatoes in a small greenhouse")["matched"]


def test_manifest_holds_what_was_measured(artefact: Path) -> None:
    """Evaluation, limits and defaults stand in the manifest."""
    manifest = json.loads((artefact / "manifest.json").read_text())
    measured = manifest["evaluation"]
    assert measured["faqs"] == 8
    assert measured["test_share"] == 0.2
    assert {"accuracy@1", "accuracy@5", "mrr", "mean_rank", "majority_floor"} <= measured.keys()
    assert {"in_scope_kept", "out_of_scope_refused"} <= measured.keys()
    assert 0 < manifest["parameters"]["min_score"] < 1
    assert manifest["preprocessing"] == {"text_cleaning": 1, "max_characters": 20_000}


def test_report_is_complete(artefact: Path) -> None:
    """The stored report shows data, evaluation, the choice of min_score, parity and files."""
    report = json.loads((artefact / "report.json").read_text())
    assert report.keys() >= {
        "Data",
        "Evaluation on withheld questions",
        "What other values of min_score would do",
        "Score and share of right answers",
        "FAQs found least",
        "Model",
        "Parity with the original model",
        "Artefact",
    }


def test_add(artefact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """New FAQs are found, changed ones replaced in place, all others kept; a version of its own."""
    changed = {"id": 2, "title": "How do I brew an espresso?"}
    faqs = write_lines(tmp_path / "new.jsonl", [NEW, changed])
    given = {"--faqs": faqs, "--output": tmp_path / "models"}
    assert main(["faq", "add", str(artefact), *flags(given)]) == 0
    added = tmp_path / "models" / "js" / "1"
    assert match(added, "calling webassembly modules")["matches"][0]["id"] == "wasm"
    assert match(added, "espresso brewing")["matches"][0]["id"] == 2
    assert match(added, "let vs var")["matches"][0]["id"] == 1
    names = [faq["id"] for faq in json.loads((added / "faqs.json").read_text())["faqs"]]
    before = [faq["id"] for faq in json.loads((artefact / "faqs.json").read_text())["faqs"]]
    assert names == [*before, "wasm"]
    manifest = json.loads((added / "manifest.json").read_text())
    assert manifest["evaluation"]["added"] == manifest["evaluation"]["replaced"] == 1
    assert "Serve it:" in capsys.readouterr().out


def test_added_artefacts_can_be_added_to(artefact: Path, tmp_path: Path) -> None:
    """`faq add` works on its own results, as the next version of the same repository."""
    faqs = write_lines(tmp_path / "new.jsonl", [NEW])
    assert main(["faq", "add", str(artefact), "--faqs", faqs, "--output", str(tmp_path)]) == 0
    again = write_lines(tmp_path / "again.jsonl", [{**NEW, "title": "How do I brew tea?"}])
    assert main(["faq", "add", str(tmp_path / "js" / "1"), "--faqs", again]) == 0
    assert match(tmp_path / "js" / "2", "tea brewing")["matches"][0]["id"] == "wasm"


def test_options(tmp_path: Path) -> None:
    """Evaluation and answers can be left out, the limit and the version set."""
    given = {
        "--name": "js",
        "--output": tmp_path / "models",
        "--version": 7,
        "--max-characters": 99,
    }
    rest = ["--no-evaluation", "--no-answers"]
    assert main(["faq", *flags({**given, **head_of_example(tmp_path, 4)}), *rest]) == 0
    artefact = tmp_path / "models" / "js" / "7"
    manifest = json.loads((artefact / "manifest.json").read_text())
    assert manifest["evaluation"] == {}
    assert manifest["preprocessing"]["max_characters"] == 99
    assert json.loads((artefact / "faqs.json").read_text())["new_row"]["answers"] is False


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda given: given.pop(name)


def with_(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda given: given.update({name: value})


FAILURES: dict[str, tuple[Callable[[dict[str, Any]], None], int, str]] = {
    "no FAQs": (without("--faqs"), 2, "--faqs is needed"),
    "no name": (without("--name"), 2, "--name is needed"),
    "a missing file": (with_("--faqs", "nowhere.jsonl"), 1, "nowhere.jsonl: cannot be read"),
    "a bad name": (with_("--name", "A B"), 2, "--name: expected 1 to 63"),
    "a share of one": (with_("--test-share", 1), 2, "--test-share: expected a number between"),
    "a negative seed": (with_("--seed", -1), 2, "--seed: expected a whole number >= 0"),
    "keeping all": (with_("--keep-share", 1), 2, "--keep-share: expected a number between"),
    "no characters": (with_("--max-characters", 0), 2, "--max-characters: expected a whole"),
}


@pytest.mark.parametrize(("change", "code", "message"), FAILURES.values(), ids=FAILURES)
def test_failures(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    code: int,
    message: str,
) -> None:
    """What cannot be done is said in words, with its exit code, and nothing is written."""
    given = {"--name": "js", "--output": tmp_path / "models", **head_of_example(tmp_path, 3)}
    change(given)
    assert main(["faq", *flags(given)]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where the repository should be is noticed before the training, not after it."""
    (tmp_path / "models").write_text("a file")
    given = {"--name": "js", "--output": tmp_path / "models", **head_of_example(tmp_path, 3)}
    assert main(["faq", *flags(given)]) == 2
    shown = capsys.readouterr().err
    assert f"{tmp_path}/models: is a file; expected a folder" in shown
    assert "training" not in shown


def test_version_that_exists(
    artefact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An artefact is never written over; the way out is named."""
    given = {"--name": "js", "--output": artefact.parent.parent, "--version": 1}
    assert main(["faq", *flags({**given, **head_of_example(tmp_path, 3)})]) == 2
    assert "js/1: is not a new version; leave --version out" in capsys.readouterr().err


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the list of commands is shown, as help that was asked for by accident."""
    assert main([]) == 2
    shown = capsys.readouterr().err
    assert "train a FAQ model" in shown
    assert "exit codes" in shown


def test_add_refuses_what_it_cannot_extend(
    artefact: Path, linear_artefact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only whole FAQ artefacts can be extended."""
    faqs = write_lines(tmp_path / "new.jsonl", [NEW])
    for folder, code, message in (
        (tmp_path / "nothing", 2, "no manifest.json in it; expected the folder of one version"),
        (artefact.parent, 2, "expected the folder of one version"),
        (linear_artefact, 2, "expected an artefact of task 'faq', got 'tensor'"),
    ):
        assert main(["faq", "add", str(folder), "--faqs", faqs]) == code
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", [["faq"], ["faq", "add"]], ids=" ".join)
def test_help_teaches(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """--help says what the command does and shows a command line that works."""
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert f"Example:\n    python -m converters {' '.join(command)}" in shown
    assert "--faqs FILE" in shown
