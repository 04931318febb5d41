"""The maintainers' commands, on small notebooks of their own."""

import json
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

import maintain  # noqa: E402

SETUP = 'REPOSITORY, BRANCH = "OWNER/REPO", "main"  # where'


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository with one lab, run and stored."""
    path = tmp_path / "notebooks/labs/1_tiny.ipynb"
    path.parent.mkdir(parents=True)
    (tmp_path / "data").mkdir()
    badge = maintain.BADGE.format("OWNER/REPO", "main", "notebooks/labs/1_tiny.ipynb")
    cells = [
        new_markdown_cell(f"[![Open]({badge})]({badge})"),
        new_code_cell(SETUP, metadata={"tags": ["setup"]}),
        new_code_cell("import os\nlong = False\nprint(os.environ['COURSE_FAST'], long)"),
        new_code_cell("results = {'A1': {'what': 'error', 'value': 1 + long, 'unit': 'u', "
                      "'beside': ['3: a paper']}}"),
    ]  # fmt: skip
    metadata = {"accelerator": "GPU", "kernelspec": {"name": "python3", "display_name": "Python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    readme = tmp_path / "README.md"
    readme.write_text(f"[badge]({badge}) [data](data)\n", "utf-8")
    for name, value in {"ROOT": tmp_path, "README": readme, "NOTEBOOKS": [path],
                        "RESULTS": tmp_path / "data/results.json"}.items():  # fmt: skip
        monkeypatch.setattr(maintain, name, value)
    for name in ("COURSE_FAST", "COURSE_RUNS"):
        monkeypatch.setenv(name, "1")
    maintain.run([path])
    return path


def test_a_stored_run_is_whole_and_any_change_of_code_is_noticed(course):
    assert maintain.check() == []
    notebook = nbformat.read(course, as_version=4)
    assert notebook.cells[2].outputs[0].text == "0 False\n"  # at full length
    notebook.cells[2].source += " "
    nbformat.write(notebook, course)
    assert any("other code" in problem for problem in maintain.check())


def test_stamping_reaches_set_up_cells_badges_and_readme_and_leaves_the_outputs(course):
    maintain.stamp("someone/their.fork", "feature/x")
    assert maintain.check() == []
    text = course.read_text("utf-8") + maintain.README.read_text("utf-8")
    assert "OWNER/REPO" not in text and text.count("someone/their.fork/blob/feature/x/") == 3
    maintain.stamp("OWNER/REPO", "main")
    assert maintain.check() == []
    with pytest.raises(SystemExit, match="owner/name"):
        maintain.stamp("", "main")


def test_a_long_run_is_kept_beside_older_results_and_the_lab_is_left_alone(course):
    maintain.RESULTS.write_text('{"V1": {"what": "x", "value": 3.0, "unit": "nats", "beside": [], '
                                '"device": "d", "minutes": 1, "commit": "c"}}')  # fmt: skip
    before = course.read_bytes()
    maintain.results(course)
    kept = json.loads(maintain.RESULTS.read_text("utf-8"))
    assert kept["A1"]["value"] == 2 and kept["V1"]["value"] == 3
    page = (maintain.ROOT / "data/RESULTS.md").read_text("utf-8")
    assert "3: a paper" in page and "V1" in page
    assert course.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"output_type": "stream", "name": "stderr", "text": "Warning"}, "stderr"),
        ({"output_type": "stream", "name": "stdout", "text": "see /home/me/x"}, "path"),
        ({"output_type": "stream", "name": "stdout", "text": "FAST MODE"}, "fast"),
        (
            {"output_type": "display_data", "metadata": {}, "data": {"image/png": "x"}},
            "alternative",
        ),
        ({"output_type": "error", "ename": "E", "evalue": "v", "traceback": []}, "ended in E"),
    ],
)
def test_an_output_that_should_not_be_stored_is_named(output, words):
    (found,) = maintain.check_output(nbformat.from_dict(output))
    assert words in found


def test_the_stored_notebooks_links_and_badges_agree():
    assert maintain.check() == []
