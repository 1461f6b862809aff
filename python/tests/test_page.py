"""docs/python.md does what it says: its blocks run one after the other. FIGURES=FOLDER keeps what they draw."""

import contextlib
import io
import os
import pathlib
import re
import shutil

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_blocks_of_the_page_run(tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "dsasim"  # the same figure is the same file
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    (tmp_path / "traces").symlink_to(ROOT / "traces")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            exec(compile(block, "docs/python.md", "exec"), names)
    shown = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert printed.getvalue() == "".join(shown)
    drawn = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert drawn == sorted(re.findall(r"\(figures/(.*?)\)", PAGE))
    if os.environ.get("FIGURES"):
        for name in drawn:
            shutil.copy(tmp_path / name, ROOT / os.environ["FIGURES"] / name)


def test_the_page_names_every_function():
    import dsasim

    functions = [name for name in dsasim.__all__ if name[0].islower()]
    assert [name for name in functions if f"`{name}`" not in PAGE] == []
