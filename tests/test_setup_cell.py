"""The set-up cell, alone in an empty folder as Colab opens it, with a local remote for GitHub."""

import os
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from maintain import NOTEBOOKS

ROOT = Path(__file__).parents[1]
SETUP = {
    path.name: next(
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if "setup" in cell.metadata.get("tags", [])
    )
    for path in NOTEBOOKS
}


def run(source, folder, *more):
    """The set-up cell in a fresh kernel, and what `more` printed."""
    cells = [new_code_cell(source), *map(new_code_cell, more)]
    notebook = new_notebook(cells=cells)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name="python3", timeout=60, resources=where).execute()
    return "".join(out.get("text", "") for cell in notebook.cells for out in cell.outputs)


WHERE = "import sys, genmnist; print('FILE', genmnist.__file__, 'PYTHON', sys.executable)"


@pytest.fixture
def lone(tmp_path, monkeypatch):
    """An empty folder; the address on GitHub leads to a repository on this disk."""
    remote, folder = tmp_path / "remote", tmp_path / "content"
    folder.mkdir()
    shutil.copytree(ROOT / "src", remote / "src", ignore=shutil.ignore_patterns("__pycache__"))
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", "-C", remote, *who, *words], check=True)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{remote}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/OWNER/REPO.git")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return folder


def test_a_lone_notebook_fetches_the_code_once_and_finds_it_again(lone):
    source = SETUP["01_autoencoder.ipynb"].replace(
        SETUP["01_autoencoder.ipynb"].split('REPOSITORY, BRANCH = "')[1].split('"')[0], "OWNER/REPO"
    )
    copy = lone / "generative-models-course"
    assert f"FILE {copy}" in run(source, lone, WHERE)
    mine = copy / "src/genmnist/mine.py"
    mine.write_text("")
    assert f"FILE {copy}" in run(source, lone, WHERE)
    assert mine.exists()


@pytest.mark.parametrize("missing", ["git", "remote"])
def test_what_cannot_be_fetched_is_named(lone, monkeypatch, missing):
    if missing == "git":
        monkeypatch.setenv("PATH", os.path.dirname(os.sys.executable))
    else:
        monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{lone}/nowhere.insteadOf")
    with pytest.raises(CellExecutionError, match="is git there"):
        run(SETUP["01_autoencoder.ipynb"], lone)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_checkout_is_used_as_it_is_by_the_kernel_of_the_tests(path):
    printed = run(SETUP[path.name], path.parent, WHERE)
    assert f"FILE {ROOT / 'src'}" in printed
    assert os.path.samefile(printed.split("PYTHON ")[1].strip(), os.sys.executable)
