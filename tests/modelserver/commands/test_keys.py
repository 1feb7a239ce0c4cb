"""`python -m modelserver keys`: keys that are shown once and recorded as digests."""

from pathlib import Path

import pytest

from modelserver.__main__ import main
from modelserver.auth.keys import KeyDirectory


def test_a_new_key_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is the key, alone on standard output, and the folder knows its client."""
    folder = tmp_path / "keys"
    assert main(["keys", "new", "webshop", "--into", str(folder)]) == 0
    printed = capsys.readouterr()
    key = printed.out.removesuffix("\n")
    assert KeyDirectory(folder).client(key) == "webshop"
    assert key not in printed.err + (folder / "webshop").read_text()


def test_older_keys_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second key of a client stands beside the first, also when the last line is unfinished."""
    keys = []
    for _ in range(3):
        main(["keys", "new", "webshop", "--into", str(tmp_path)])
        printed = capsys.readouterr()
        keys.append(printed.out.strip())
        path = tmp_path / "webshop"
        path.write_text(path.read_text().removesuffix("\n"))
    assert "beside 2 older" in printed.err
    known = KeyDirectory(tmp_path)
    assert [known.client(key) for key in keys] == ["webshop"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["webshop"]


@pytest.mark.parametrize("client", ["", "web shop", "../up", ".hidden", "a/b", "x" * 64, "é"])
def test_names_that_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], client: str
) -> None:
    """A name that is no file, no label or no key of a Secret is refused; nothing is written."""
    assert main(["keys", "new", client, "--into", str(tmp_path)]) == 2
    assert "CLIENT: expected letters" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key is not added to a folder that the server would refuse."""
    (tmp_path / "other").write_text("oops")
    assert main(["keys", "new", "webshop", "--into", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "other:1" in printed.err
