"""The requirements accept each of Colab's runtimes; the notebooks install next to nothing."""

import re
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
REQUIREMENTS = [
    Requirement(line.split("#")[0])
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    if line.split("#")[0].strip()
]

# What Colab's GPU runtimes hold, from the package lists in googlecolab/backend-info.
COLAB = {
    "2026-08-19": {
        "torch": "2.11.0", "torchvision": "0.26.0", "numpy": "2.1.3", "matplotlib": "3.10.0",
        "ipywidgets": "7.7.1", "ipykernel": "6.17.1", "pytest": "8.4.2",
    },
    "2026-04-15": {
        "torch": "2.10.0", "torchvision": "0.25.0", "numpy": "2.0.2", "matplotlib": "3.10.0",
        "ipywidgets": "7.7.1", "ipykernel": "6.17.1", "pytest": "8.4.2",
    },
    "2026-01-28": {
        "torch": "2.9.0", "torchvision": "0.24.0", "numpy": "2.0.2", "matplotlib": "3.10.0",
        "ipywidgets": "7.7.1", "ipykernel": "6.17.1", "pytest": "8.4.2",
    },
    "2025-08-19": {
        "torch": "2.8.0", "torchvision": "0.23.0", "numpy": "2.0.2", "matplotlib": "3.10.0",
        "ipywidgets": "7.7.1", "ipykernel": "6.17.1", "pytest": "8.4.1",
    },
    "2025.07": {
        "torch": "2.6.0", "torchvision": "0.21.0", "numpy": "2.0.2", "matplotlib": "3.10.0",
        "ipywidgets": "7.7.1", "ipykernel": "6.17.1", "pytest": "8.3.5",
    },
}  # fmt: skip


@pytest.mark.parametrize("runtime", COLAB)
def test_nothing_that_colab_has_would_be_moved(runtime):
    moved = [
        f"{requirement} against {COLAB[runtime][requirement.name]}"
        for requirement in REQUIREMENTS
        if requirement.name in COLAB[runtime]
        and not requirement.specifier.contains(COLAB[runtime][requirement.name])
    ]
    assert not moved


def test_every_package_of_the_course_is_required():
    names = {requirement.name for requirement in REQUIREMENTS}
    assert names >= {"torch", "torchvision", "torchinfo", "numpy", "matplotlib", "jupyter"}
    assert names >= {"nbmake", "pytest", "scikit-learn"}


def test_only_the_test_tools_have_an_upper_bound():
    bounded = {r.name for r in REQUIREMENTS if any(s.operator != ">=" for s in r.specifier)}
    assert bounded == {"pytest", "nbmake"}


def code_of(path):
    notebook = nbformat.read(path, as_version=4)
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize(
    "path",
    sorted(
        p
        for p in ROOT.glob("notebooks/**/[0-9]*[a-z].ipynb")
        if ".run." not in p.name and "-checkpoint" not in p.name
    ),
    ids=lambda p: p.name,
)
def test_a_notebook_installs_torchinfo_and_nothing_else(path):
    assert re.findall(r"pip\W+install.*", code_of(path)) == ["pip install -q torchinfo"]
