"""Notebooks with every exercise answered by a right answer that is written differently.

nbmake executes the notebooks as they stand, blanks and all; here the learner's answers run, on the
other data set, so that one changed name is tried as well.
"""

import importlib
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from genmnist.exercises import verdict

ROOT = Path(__file__).parents[1]
# notebook -> the module of genmnist.exercises; right answers are in tests/answers_<module>.py
EXERCISES = {"01_autoencoder": "autoencoder", "labs/1_autoencoder_jobs": "lab1"}
KEPT = re.compile(r"^(\w+) = check\.(\w+)\(\w+\)$", re.MULTILINE)


def read(name):
    return nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)


def blanks(name):
    """Exercise -> the cell with its blank, up to the check."""
    cells = [cell.source for cell in read(name).cells if cell.cell_type == "code"]
    return {
        found[1]: source[: KEPT.search(source).start()]
        for source in cells
        for found in KEPT.finditer(source)
    }


def solutions(name):
    prose = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    pattern = r"<summary>Solution.*?```python\n(.*?)```"
    return re.findall(pattern, prose, flags=re.DOTALL)


def namespace():
    names = {}
    exec("import numpy as np, torch, torch.nn.functional as F\nfrom torch import nn\n"
         "from genmnist.autoencoder import squared_error", names)  # fmt: skip
    return names


@pytest.mark.parametrize("name", EXERCISES)
def test_blanks_are_blank_and_folded_solutions_are_right(name):
    table = importlib.import_module(f"genmnist.exercises.{EXERCISES[name]}")
    answered = namespace()
    for source in solutions(name):
        exec(source, answered)
    assert blanks(name)
    for exercise, source in blanks(name).items():
        blank = namespace()
        exec(source, blank)
        assert verdict(getattr(table, exercise), blank[exercise])[0] == "Not attempted yet."
        assert verdict(getattr(table, exercise), answered[exercise])[0] == "Right.", exercise


@pytest.mark.parametrize("name", EXERCISES)
def test_a_notebook_runs_to_its_end_on_the_learners_answers(name, tmp_path, monkeypatch):
    notebook = read(name)
    answers = f"answers_{EXERCISES[name]}"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace('dataset = "MNIST"', 'dataset = "FashionMNIST"')
            found = KEPT.subn(rf'\1 = check.\2({answers}.RIGHT["\1"][-1])', cell.source)
            cell.source = f"import {answers}\n" * bool(found[1]) + found[0]
    folder = ROOT / "notebooks" / Path(name).parent
    environment = {"COURSE_FAST": "1", "COURSE_RUNS": str(tmp_path), "OMP_NUM_THREADS": "1",
                   "PYTHONPATH": str(ROOT / "tests")}  # fmt: skip
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=300, resources=where)
    client.execute(env={**os.environ, **environment})
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    texts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs]
    verdicts = [text for text in texts if re.match(r"Exercise \d", text)]
    assert len(verdicts) == len(blanks(name)) and all(". Right. " in text for text in verdicts)
    assert not [out for out in outputs if out.get("name") == "stderr"]
    assert [*tmp_path.rglob("*.pt")] and not [*tmp_path.rglob("*.tmp")]


@pytest.mark.parametrize("name", EXERCISES)
def test_the_training_step_stands_in_the_notebook_and_not_in_the_package(name):
    assert "loss.backward()" in "\n".join(cell.source for cell in read(name).cells)
    files = ROOT.glob("src/genmnist/*.py")
    training = {f.name for f in files if "backward()" in f.read_text("utf-8")}
    assert training == {"metrics.py"}  # the classifier's own
