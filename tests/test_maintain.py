import re
import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import maintain


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A copy of what is stamped and checked, which a test may spoil."""
    for name in ("notebooks", "src/genmnist", "data/pictures"):
        shutil.copytree(
            maintain.ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("README.md", "LICENSE", "data/README.md"):
        shutil.copy(maintain.ROOT / name, tmp_path / name)
    monkeypatch.setattr(maintain, "NOTEBOOKS", sorted(tmp_path.glob("notebooks/0*.ipynb")))
    monkeypatch.setattr(maintain, "PACKAGE", tmp_path / "src/genmnist/__init__.py")
    monkeypatch.setattr(maintain, "README", tmp_path / "README.md")
    return tmp_path


def good():
    """A stored notebook without a fault."""
    cell = new_code_cell("1 + 1", execution_count=1)
    alt = {"image/png": {"alt": "a picture"}}
    cell.outputs = [
        new_output("stream", name="stdout", text="2\n"),
        new_output("display_data", {"image/png": "x"}, metadata=alt),
    ]
    notebook = new_notebook(cells=[new_markdown_cell("# Title"), cell])
    notebook.metadata.course = {"code_sha": maintain.code_sha(notebook), "source": "MNIST"}
    return notebook


def problems(notebook):
    return "\n".join(maintain.check_outputs(notebook) + maintain.check_pictures(notebook))


def test_a_good_notebook_has_no_problems():
    assert problems(good()) == ""


def test_prose_and_the_setup_cell_may_change_but_code_may_not():
    notebook = good()
    notebook.cells.insert(0, new_code_cell("anything", metadata={"tags": ["setup"]}))
    notebook.cells[1].source = "# Another title"
    assert maintain.code_sha(notebook) == good().metadata.course.code_sha
    notebook.cells[2].source = "1 + 2"
    assert maintain.code_sha(notebook) != good().metadata.course.code_sha


def spoil_code(notebook):
    notebook.cells[1].source = "1 + 3"


def spoil_count(notebook):
    notebook.cells[1].execution_count = 7


def spoil_error(notebook):
    notebook.cells[1].outputs.append(new_output("error", ename="NameError", evalue="x"))


def spoil_stderr(notebook):
    notebook.cells[1].outputs.append(new_output("stream", name="stderr", text="UserWarning"))


def spoil_widget(notebook):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    notebook.cells[1].outputs.append(new_output("display_data", view))


def spoil_widget_state(notebook):
    notebook.metadata.widgets = {}


def spoil_printed_path(notebook):
    notebook.cells[1].outputs[0].text = "saved to /home/someone/x.pt"


def spoil_shown_path(notebook):
    shown = {"text/plain": "/Users/someone/x.pt"}
    notebook.cells[1].outputs.append(new_output("display_data", shown))


def spoil_path_in_code(notebook):
    notebook.cells[1].source = "open('/root/x')"
    notebook.metadata.course.code_sha = maintain.code_sha(notebook)


def spoil_fast(notebook):
    notebook.cells[1].outputs[0].text = "FAST MODE: 1 epochs"


def spoil_source(notebook):
    notebook.metadata.course.source = "drawn digits"


def spoil_alt(notebook):
    notebook.cells[1].outputs[1].metadata["image/png"]["alt"] = " "


def spoil_alt_in_prose(notebook):
    notebook.cells[0].source = "![](picture.png)"


def spoil_alt_in_html(notebook):
    notebook.cells[0].source = '<img src="picture.png">'


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_code, "other code"),
        (spoil_count, r"counts are [7]"),
        (spoil_error, "NameError"),
        (spoil_stderr, "stderr"),
        (spoil_widget, "widget"),
        (spoil_widget_state, "widget state"),
        (spoil_printed_path, "/home/someone"),
        (spoil_shown_path, "/Users/someone"),
        (spoil_path_in_code, "path of somebody's machine"),
        (spoil_fast, "fast mode"),
        (spoil_source, "real MNIST"),
        (spoil_alt, "alternative text"),
        (spoil_alt_in_prose, "alternative text"),
        (spoil_alt_in_html, "alternative text"),
    ],
)
def test_each_fault_is_named(spoil, message):
    notebook = good()
    spoil(notebook)
    assert message in problems(notebook)


def test_the_stored_notebooks_are_in_order():
    assert maintain.check() == []


def test_a_missing_id_and_a_large_file_are_faults(tmp_path):
    path = tmp_path / "x.ipynb"
    notebook = nbformat.read(maintain.NOTEBOOKS[0], as_version=4)
    notebook.cells[0].source += "x" * maintain.MAX_BYTES
    del notebook.cells[1]["id"]
    path.write_text(nbformat.v4.writes_json(notebook))
    found = maintain.check_format(nbformat.read(path, nbformat.NO_CONVERT), path)
    assert len(found) == 2 and "not a valid notebook" in found[0] and "bytes" in found[1]


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/owner-1/my.course.git",
        "https://github.com/owner-1/my.course",
        "git@github.com:owner-1/my.course.git",
        "ssh://git@github.com/owner-1/my.course.git",
    ],
)
def test_the_remote_is_read_in_every_form(url, monkeypatch):
    monkeypatch.setattr(maintain, "git", lambda *words: url)
    assert maintain.origin() == "owner-1/my.course"


def test_no_remote_is_an_error_that_says_what_to_give(monkeypatch):
    monkeypatch.setattr(maintain, "git", lambda *words: "")
    with pytest.raises(SystemExit, match="give one as an argument"):
        maintain.stamp(None, None)


def test_stamping_reaches_every_place_and_leaves_the_outputs_valid(course):
    maintain.stamp("teacher/fork", "spring/2027")
    assert maintain.stamped() == ("teacher/fork", "spring/2027")
    assert maintain.check() == []
    for path in [*maintain.NOTEBOOKS, maintain.README, maintain.PACKAGE]:
        text = path.read_text("utf-8")
        assert "teacher/fork" in text and "OWNER/REPO" not in text
    maintain.stamp("someone/else", None)  # and a second time
    assert maintain.check() == [] and maintain.stamped()[0] == "someone/else"


def test_a_badge_that_leads_elsewhere_is_found(course):
    first, second = maintain.NOTEBOOKS[:2]
    notebook = nbformat.read(first, as_version=4)
    notebook.cells[0].source = notebook.cells[0].source.replace(first.name, second.name)
    maintain.write(notebook, first)
    assert any("no Colab badge" in problem for problem in maintain.check())


def test_setup_cells_that_differ_are_found(course):
    path = maintain.NOTEBOOKS[1]
    notebook = nbformat.read(path, as_version=4)
    cell = next(c for c in notebook.cells if maintain.is_setup(c))
    cell.source += "\n# local change"
    maintain.write(notebook, path)
    assert "the set-up cells of the notebooks differ" in maintain.check()


def test_a_stale_stamp_and_a_dead_link_are_found(course):
    package = maintain.PACKAGE.read_text("utf-8")
    maintain.PACKAGE.write_text(package.replace(maintain.stamped()[0], "old/name"), "utf-8")
    maintain.README.write_text(maintain.README.read_text("utf-8") + "\n[x](gone.md)\n", "utf-8")
    found = "\n".join(maintain.check())
    assert "is stamped" in found and "no Colab badge" in found and "no file gone.md" in found


def test_an_interrupted_write_leaves_the_notebook_whole(course, monkeypatch):
    path = maintain.NOTEBOOKS[0]
    before = path.read_bytes()
    monkeypatch.setattr(maintain.os, "replace", lambda *paths: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError):
        maintain.write(nbformat.read(path, as_version=4), path)
    assert path.read_bytes() == before


def test_a_results_table_that_was_edited_by_hand_is_found(course):
    text = maintain.README.read_text("utf-8")
    assert maintain.with_results(text) == text
    edited = text.replace("<!-- results -->", "<!-- results -->\n| A1 | 0.01 |", 1)
    maintain.README.write_text(edited, "utf-8")
    assert any("results table" in problem for problem in maintain.check())
    assert maintain.with_results(edited) == text


def test_a_full_run_keeps_old_headlines_and_replaces_those_that_it_measured(course, monkeypatch):
    from genmnist.results import read, record

    monkeypatch.setattr(maintain, "ROOT", course)
    monkeypatch.setattr(maintain, "RESULTS", course / "data/results.json")
    monkeypatch.setattr(maintain, "SEEDS", course / "data/seeds.json")
    run = {"unit": "nats", "n": 1, "source": "MNIST", "device": "CPU", "seconds": 1}
    record(course / "data/results.json", "A1", 3.0, **run)
    record(course / "data/results.json", "V1", 90.0, **run)
    record(course / "runs/results.json", "V1", 85.0, **run)
    old, new = {"source": "MNIST", "n": 9, "rows": {"a": {"recall": [0.1]}}}, {"b": {}}
    maintain.write_json(old, course / "data/scoreboard-MNIST.json")
    maintain.write_json({**old, "rows": new}, course / "runs/scoreboard-MNIST.json")
    others = {"code_sha": "this", "values": [86.0, 87.0], "details": [{}, {}]}
    maintain.write_json({"A1": others, "V1": others}, maintain.SEEDS)
    maintain.keep_measurements(course / "runs", "this")
    kept = {name: entry["value"] for name, entry in read(course / "data/results.json").items()}
    assert kept == {"A1": 3.0, "V1": 85.0}
    board = maintain.read_json(course / "data/scoreboard-MNIST.json")
    assert board == {**old, "rows": {**old["rows"], **new}}
    assert list(board["rows"]) == ["b", "a"], "the rows of this run come first"
    assert (
        "| V1: VAE with a mixture prior, −log p(x) on MNIST | 86 ± 1 |"
        in maintain.README.read_text("utf-8")
    )
    maintain.keep_measurements(course / "runs", "other code")
    assert maintain.read_json(maintain.SEEDS) == {"A1": others}, "the numbers of the old code go"
    assert "| V1: VAE with a mixture prior, −log p(x) on MNIST | 85 |" in maintain.README.read_text(
        "utf-8"
    )


def test_a_picture_that_is_not_in_the_notebook_is_found(course, monkeypatch):
    pictures = course / "pictures"
    shutil.copytree(maintain.PICTURES, pictures)
    monkeypatch.setattr(maintain, "PICTURES", pictures)
    assert maintain.check() == []
    (pictures / f"{maintain.NOTEBOOKS[0].stem}.png").write_bytes(b"another picture")
    assert any("not the picture in the notebook" in problem for problem in maintain.check())


def test_the_picture_for_the_readme_is_the_last_of_the_tagged_cell():
    notebook = good()
    assert maintain.picture(notebook) == b""
    cell = notebook.cells[1]
    cell.metadata.tags = ["readme"]
    cell.outputs = [
        new_output("display_data", {"image/png": "Zmlyc3Q="}),
        new_output("display_data", {"image/png": "bGFzdA=="}),
    ]
    assert maintain.picture(notebook) == b"last"


@pytest.mark.parametrize("path", maintain.NOTEBOOKS, ids=lambda path: path.name)
def test_the_picture_for_the_readme_shows_what_a_model_made(path):
    """Real images that stood last in the tagged cell were once shown as samples."""
    cells = nbformat.read(path, as_version=4).cells
    tagged = [cell for cell in cells if "readme" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    alt = [
        o.metadata["image/png"]["alt"]
        for o in tagged[0].outputs
        if "image/png" in o.get("metadata", {})
    ][-1]
    assert re.search("decoded|Samples", alt) and not alt.startswith("Real")


def test_a_reduced_run_is_not_saved(course, monkeypatch):
    path = maintain.NOTEBOOKS[0]
    before = path.read_bytes()
    reduced = good()
    reduced.cells[1].outputs[0].text = "FAST MODE: 1 epochs"
    monkeypatch.setattr(maintain, "execute", lambda path: (reduced, 1.0))
    monkeypatch.setattr(maintain.os, "environ", dict(maintain.os.environ))
    with pytest.raises(SystemExit, match="executed but not saved"):
        maintain.run([path])
    assert path.read_bytes() == before


def test_more_seeds_stand_beside_the_first_and_give_mean_and_deviation(course, monkeypatch):
    from genmnist.results import other_seeds, read, record

    run = {"unit": "dB", "n": 1, "source": "MNIST", "device": "CPU", "seconds": 1}
    results = course / "data/results.json"
    monkeypatch.setattr(maintain, "RESULTS", results)
    monkeypatch.setattr(maintain, "SEEDS", course / "data/seeds.json")
    monkeypatch.setattr(maintain.os, "environ", dict(maintain.os.environ))
    record(results, "A3", 20.0, **run, detail={"FashionMNIST": 19.0})
    record(results, "V1", 85.0, **run)
    before = results.read_bytes()

    def execute(path, *, seed):
        runs = maintain.Path(maintain.os.environ["COURSE_RUNS"])
        assert maintain.os.environ["COURSE_FURTHER"] == "1", "as long as the stored run"
        record(runs / "results.json", "A3", 20.0 + seed, **run, detail={"FashionMNIST": 19 + seed})

    monkeypatch.setattr(maintain, "execute", execute)
    path = maintain.NOTEBOOKS[0]
    maintain.seeds([path])
    assert results.read_bytes() == before, (
        "the stored outputs and their numbers are those of seed 0"
    )
    assert read(maintain.SEEDS) == {
        "A3": {
            "code_sha": maintain.code_sha(nbformat.read(path, as_version=4)),
            "values": [21.0, 22.0],
            "details": [{"FashionMNIST": 20}, {"FashionMNIST": 21}],
        }
    }
    readme = maintain.README.read_text("utf-8")
    assert "| 21 ± 1; FashionMNIST 20 | dB | 1, 3 |" in readme
    assert "| 85 | dB | 1, 1 |" in readme
    assert other_seeds("A3", maintain.SEEDS) == [21.0, 22.0]
    assert other_seeds("V1", maintain.SEEDS) == other_seeds("V1", course / "none.json") == []


def test_a_seed_is_set_in_one_place(tmp_path, monkeypatch):
    path = tmp_path / "a.ipynb"
    monkeypatch.setattr("nbclient.NotebookClient.execute", lambda self: None)
    nbformat.write(new_notebook(cells=[new_code_cell("seed = 0    # why\nseeds = 0")]), path)
    notebook, _ = maintain.execute(path, seed=2)
    assert notebook.cells[0].source == "seed = 2    # why\nseeds = 0"
    nbformat.write(new_notebook(cells=[new_code_cell("seed = 3")]), path)
    with pytest.raises(SystemExit, match="0 cells set the seed"):
        maintain.execute(path, seed=2)


def test_sliders_are_dropped_and_the_line_beside_them_is_kept():
    notebook = good()
    slider = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "interactive(…)"}
    notebook.cells[1].outputs.append(new_output("display_data", slider))
    assert "shows a widget" in problems(notebook)
    maintain.clean(notebook)
    assert problems(notebook) == ""
    assert len(notebook.cells[1].outputs) == 2


def test_every_source_file_has_its_line_in_the_readme():
    readme = maintain.README.read_text("utf-8")
    files = [*maintain.ROOT.glob("src/*.py"), *maintain.ROOT.glob("src/genmnist/*.py")]
    names = [str(f.relative_to(maintain.ROOT)) for f in files if f.name != "__init__.py"]
    names += [f"{f.parent.relative_to(maintain.ROOT)}/" for f in
              maintain.ROOT.glob("src/genmnist/*/__init__.py")]  # fmt: skip
    assert [name for name in names if f"`{name}`" not in readme] == []


def test_the_readme_holds_the_two_commands_that_ci_and_readers_run():
    readme = maintain.README.read_text("utf-8")
    for marker, end in (("run", "jupyter lab notebooks"), ("test", "python -m pytest")):
        command = readme.split(f"<!-- {marker} -->\n```bash\n")[1].split("\n```")[0]
        assert "\n" not in command and command.endswith(end)
        assert command.startswith("python3 -m venv .venv && ")
        assert "pip install -q -r requirements.txt" in command
    assert "<!-- test -->" in (maintain.ROOT / ".ci/run").read_text("utf-8")
