"""The set-up cell, alone in an empty folder as Colab opens it.

The server answers as Colab's does; the remote is a repository on this disk.  No network is used.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("notebooks/0*.ipynb"))
FROM_GITHUB = (
    "fileId=https%3A%2F%2Fgithub.com%2Fsomeone%2Ftheir-fork%2Fblob%2Fmain%2Fnotebooks%2F{}"
)
CASES = {
    "main": (FROM_GITHUB, "main"),
    "a branch with a slash": (
        "fileId=https://github.com/someone/fork/blob/feature%2Fx/notebooks/{}", "feature/x",
    ),
    "Drive": ("fileId=1AbCdEfGhIjKlMnOpQrStUvWxYz", "main"),
}  # fmt: skip


def git(folder, *words):
    settings = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["git", "-C", str(folder), *settings, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """A repository with the package on two branches, each with a marker of its own."""
    folder = tmp_path_factory.mktemp("remote")
    git(folder, "init", "-q", "-b", "main")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".gitignore").write_text("__pycache__/\n")
    for branch in ("main", "feature/x"):
        git(folder, "checkout", "-q", "-B", branch)
        (folder / "src/genmnist/marker.py").write_text(f"branch = {branch!r}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", branch)
    return folder


@contextlib.contextmanager
def colab(monkeypatch, path):
    """A session server that knows two open notebooks, of which the second is this one."""
    own_kernel = ".json"  # occurs in every connection file's name, as the kernel's own id does
    sessions = [
        {"path": FROM_GITHUB.format("other.ipynb").replace("main", "wrong"), "kernel": {"id": "?"}},
        {"path": path, "kernel": {"id": own_kernel}},
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.path == "/api/sessions"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(sessions).encode())

        def log_message(self, *words):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("COLAB_JUPYTER_IP", "127.0.0.1")
    monkeypatch.setenv("KMP_TARGET_PORT", str(server.server_port))
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def setup_cell(path):
    cells = nbformat.read(path, as_version=4).cells
    return next(c.source for c in cells if "setup" in c.metadata.get("tags", []))


def run_setup(path, folder, *more):
    """Run the set-up cell of a notebook in `folder`, in a fresh kernel; what it printed."""
    probe = "import genmnist.marker as m; print('MARKER', m.branch, m.__file__)"
    notebook = new_notebook(
        cells=[new_code_cell(setup_cell(path)), *map(new_code_cell, more), new_code_cell(probe)]
    )
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=60, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return "".join(out.get("text", "") for cell in notebook.cells for out in cell.outputs)


@pytest.fixture
def lone(tmp_path, monkeypatch, remote):
    """An empty folder, with `remote` standing in for GitHub and no checkout in sight."""
    monkeypatch.setenv("COURSE_REPO", f"file://{remote}")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / "content"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_lone_notebook_finds_the_branch_that_it_was_opened_from(
    path, case, lone, remote, monkeypatch
):
    session_path, branch = CASES[case]
    shutil.copy(path, lone)
    with colab(monkeypatch, session_path.format(path.name)):
        for _ in range(2):  # a second run, in a new kernel, finds the folder of the first
            printed = run_setup(path, lone)
            commit = git(remote, "rev-parse", "--short", branch)
            assert re.search(rf"Course: .*, {re.escape(branch)}, commit {commit} ·", printed)
            assert f"MARKER {branch} {lone}" in printed
    assert {file.name for file in lone.iterdir()} == {path.name, "generative-models-course"}


def test_an_address_that_is_escaped_twice_is_read_too(lone, monkeypatch):
    with colab(monkeypatch, FROM_GITHUB.format("x.ipynb").replace("main", "feature%252Fx")):
        assert f"MARKER feature/x {lone}" in run_setup(NOTEBOOKS[0], lone)


def test_the_second_run_follows_the_branch_when_it_moved(lone, remote, monkeypatch):
    with colab(monkeypatch, CASES["Drive"][0]):
        run_setup(NOTEBOOKS[0], lone)
        git(remote, "checkout", "-q", "main")
        git(remote, "commit", "-q", "--allow-empty", "-m", "newer")
        printed = run_setup(NOTEBOOKS[0], lone)
    assert git(remote, "rev-parse", "--short", "main") in printed


def test_edits_in_the_fetched_copy_are_kept(lone, remote, monkeypatch):
    with colab(monkeypatch, CASES["Drive"][0]):
        run_setup(NOTEBOOKS[0], lone)
        edited = lone / "generative-models-course/src/genmnist/marker.py"
        edited.write_text("branch = 'mine'\n")
        printed = run_setup(NOTEBOOKS[0], lone)
    assert "edits of yours" in printed and "MARKER mine" in printed
    assert edited.read_text() == "branch = 'mine'\n"


def test_without_a_network_the_copy_of_last_time_serves(lone, monkeypatch):
    run_setup(NOTEBOOKS[0], lone)
    monkeypatch.setenv("COURSE_REPO", f"file://{lone}/gone")
    printed = run_setup(NOTEBOOKS[0], lone)
    assert "could not be reached" in printed and "MARKER main" in printed


def test_when_nothing_works_it_says_what_it_tried_and_what_to_type(lone, monkeypatch):
    monkeypatch.setenv("COURSE_REPO", f"file://{lone}/nowhere")
    with pytest.raises(CellExecutionError) as failure:
        run_setup(NOTEBOOKS[0], lone)
    assert f"tried file://{lone}/nowhere, main" in str(failure.value)
    assert 'COURSE_REPO = "owner/name"' in str(failure.value)


def test_a_checkout_is_used_as_it_is(monkeypatch):
    monkeypatch.setenv("COURSE_REPO", "file:///nowhere")
    probe = "import sys, genmnist; print('FILE', genmnist.__file__, 'PYTHON', sys.executable)"
    notebook = new_notebook(cells=[new_code_cell(setup_cell(NOTEBOOKS[0])), new_code_cell(probe)])
    where = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(notebook, kernel_name="python3", timeout=60, resources=where).execute()
    printed = "".join(out.get("text", "") for cell in notebook.cells for out in cell.outputs)
    assert "local checkout" in printed and f"FILE {ROOT / 'src/genmnist'}" in printed
    # the kernel runs in the tests' own environment, not in another one of this machine
    assert os.path.samefile(re.search(r"PYTHON (\S+)", printed)[1], os.sys.executable)
