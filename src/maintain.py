"""For maintainers: everything that readers of the course never need.

python src/maintain.py run [NAME ...]              execute notebooks (or all), save their outputs
python src/maintain.py results LAB                 a lab's long run, for data/results.json
python src/maintain.py stamp [OWNER/NAME [BRANCH]] write the repository's name wherever it stands
python src/maintain.py check                       what can be checked without running anything
python src/maintain.py bench                       our loop against the usual tutorial loop
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "data/results.json"
FOLDERS = (ROOT / "notebooks", ROOT / "notebooks/labs")
NOTEBOOKS = [p for f in FOLDERS for p in sorted(f.glob("*.ipynb")) if ".run." not in p.name]
MAX_BYTES = 1_000_000  # GitHub stops showing much larger notebooks
MACHINE_PATH = re.compile(r"/(?:home|root|Users|work|tmp|var|mnt)/[\w.]|[A-Z]:\\\\?Users")
STAMP = re.compile(r'^REPOSITORY, BRANCH = "(.*?)", "(.*?)"', re.MULTILINE)
BADGE = "https://colab.research.google.com/github/{}/blob/{}/{}"


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def code_sha(notebook: NotebookNode) -> str:
    """Hash of the code that made the outputs.  The set-up cell is left out: stamping changes it."""
    setup = tagged(notebook, "setup")
    code = [cell.source for cell in code_cells(notebook) if cell not in setup]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


def execute(notebook: NotebookNode, folder: Path) -> float:
    """Run a notebook at full length, from no checkpoint, in its folder; the seconds it took."""
    from nbclient import NotebookClient

    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="course-runs-") as runs:
        os.environ |= {"COURSE_FAST": "0", "COURSE_RUNS": runs}
        where = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=None, kernel_name="python3", resources=where,
                       record_timing=False, coalesce_streams=True).execute()  # fmt: skip
    return time.perf_counter() - started


def run(paths: list[Path]) -> None:
    """Execute and save notebooks, and the picture of each that the README shows."""
    import torch

    from genmnist.training import device_name

    for path in paths:
        print(f"{path.name} …", flush=True)
        notebook = nbformat.read(path, as_version=4)
        seconds = execute(notebook, path.parent)
        for key in ("widgets", "language_info"):
            notebook.metadata.pop(key, None)
        run = {"seconds": round(seconds), "device": device_name(), "torch": torch.__version__}
        notebook.metadata.course = {"code_sha": code_sha(notebook), **run}
        if problems := check_outputs(notebook):
            sys.exit(f"{path.name} was executed but not saved:\n  " + "\n  ".join(problems))
        write(notebook, path)
        for cell in tagged(notebook, "readme"):
            shown = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
            (ROOT / f"data/pictures/{path.stem}.png").write_bytes(base64.b64decode(shown[-1]))
        print(f"{path.name}: {seconds:.0f} s, {path.stat().st_size / 1000:.0f} kB", flush=True)


def results(path: Path) -> None:
    """A lab with `long = True`: its dictionary `results` goes to data/results.json."""
    from genmnist.training import device_name

    notebook = nbformat.read(path, as_version=4)
    found = [cell for cell in code_cells(notebook) if "\nlong = False" in cell.source]
    settings = found[0] if found else sys.exit(f"{path.name} has no line long = False")
    settings.source = settings.source.replace("\nlong = False", "\nlong = True")
    notebook.cells.append(new_code_cell("import json\nprint(json.dumps(results))"))
    seconds = execute(notebook, path.parent)
    found = json.loads(notebook.cells[-1].outputs[0].text)
    commit = git("rev-parse", "--short", "HEAD")
    run = {"device": device_name(), "minutes": round(seconds / 60), "commit": commit}
    kept = json.loads(RESULTS.read_text("utf-8")) | {name: row | run for name, row in found.items()}
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (ROOT / "data/RESULTS.md").write_text(results_page(kept), "utf-8")


def results_page(entries: dict) -> str:
    """data/RESULTS.md: a row for each entry of data/results.json."""
    head = (
        "# Measured results\n\nEach row is one full run on the test images, beside what others "
        "published or what needs no network. `src/maintain.py results LAB` writes this page from "
        "`results.json`.\n\n| | ours | unit | beside it | run |\n| --- | --- | --- | --- | --- |\n"
    )
    for name, e in sorted(entries.items()):
        more = "".join(f"; {k} {v:.4g}" for k, v in e.get("detail", {}).items())
        run = f"{e['device']}, {e['minutes']:g} min, commit {e['commit']}"
        ours = f"**{name}** {e['what']} | {e['value']:.4g}{more} | {e['unit']}"
        head += f"| {ours} | {'; '.join(e['beside']) or '–'} | {run} |\n"
    return head


def write(notebook: NotebookNode, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def git(*words: str) -> str:
    found = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    return found.stdout.strip()


def stamped(notebook: NotebookNode) -> tuple[str, str] | None:
    found = [STAMP.search(cell.source) for cell in tagged(notebook, "setup")]
    return found[0].groups() if len(found) == 1 and found[0] else None


def stamp(repository: str, branch: str) -> None:
    """Write owner/name and branch into the set-up cells, the badges and the README."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        sys.exit(f"{repository!r} is no owner/name: give one as an argument")
    badge = re.compile(BADGE.format("[^/]+/[^/]+", "([^)\n]+?)", "notebooks/").replace(".", r"\."))

    def restamp(text: str) -> str:
        text = STAMP.sub(f'REPOSITORY, BRANCH = "{repository}", "{branch}"', text)
        return badge.sub(BADGE.format(repository, branch, "notebooks/"), text)

    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.source = restamp(cell.source)
        write(notebook, path)
    README.write_text(restamp(README.read_text("utf-8")), "utf-8")
    print(f"stamped {repository}, {branch}")


def origin() -> str:
    """owner/name of the `origin` remote, from its https or its ssh form; empty without one."""
    match = re.search(r"[:/]([^/:]+/[^/]+?)(?:\.git)?/?$", git("remote", "get-url", "origin"))
    return match[1] if match else ""


def default_branch() -> str:
    return git("symbolic-ref", "--short", "refs/remotes/origin/HEAD").partition("/")[2] or "main"


def check() -> list[str]:
    """Every problem found in the stored notebooks and in the links, as lines to print."""
    problems, setups = [], {}
    readme = README.read_text("utf-8")
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        found = check_format(notebook, path) + check_outputs(notebook)
        if (where := stamped(notebook)) is None:
            found.append("no set-up cell with REPOSITORY and BRANCH")
        else:
            setups[path.name] = [c.source for c in tagged(notebook, "setup")]
            own = BADGE.format(*where, path.relative_to(ROOT).as_posix())
            found += [f"no badge {own} in {place}" for place, text in
                      (("its first cell", notebook.cells[0].source), ("README.md", readme))
                      if own not in text]  # fmt: skip
        problems += [f"{path.name}: {problem}" for problem in found]
    if len({text[0].replace("src/old", "src") for text in setups.values()}) > 1:
        problems.append("the set-up cells of the notebooks differ")
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", readme)
    return problems + [f"README.md: no file {t}" for t in targets if not (ROOT / t).exists()]


def check_format(notebook: NotebookNode, path: Path) -> list[str]:
    """What GitHub's and Colab's viewers stumble over."""
    raw, metadata = json.loads(path.read_text("utf-8")), notebook.metadata
    faults = {
        "it is no valid notebook": list(nbformat.validator.iter_validate(notebook)),
        # nbformat gives new ids in silence; GitHub's viewer fails without them
        "a cell has no id": not all("id" in cell for cell in raw["cells"]),
        f"over {MAX_BYTES:,} bytes": path.stat().st_size > MAX_BYTES,
        "metadata ask for no GPU": metadata.get("accelerator") != "GPU",
        "metadata name another kernel": metadata.get("kernelspec", {}).get("name") != "python3",
    }
    return [fault for fault, found in faults.items() if found]


def check_outputs(notebook: NotebookNode) -> list[str]:
    """Outputs that come from one full run of this very code, and show nothing of the machine."""
    problems = []
    if notebook.metadata.get("course", {}).get("code_sha") != code_sha(notebook):
        problems.append("the outputs belong to other code: run `src/maintain.py run`")
    if "widgets" in notebook.metadata:
        problems.append("widget state is stored")
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        problems.append(f"execution counts are {counts}, not 1 to {len(counts)}")
    for number, cell in enumerate(notebook.cells):
        if re.search(r"!\[\s*\]\(|<img(?![^>]*alt=)", cell.source):
            problems.append(f"cell {number} has a picture without alternative text")
        for output in cell.get("outputs", []):
            problems += [f"cell {number} {problem}" for problem in check_output(output)]
    return problems


def check_output(output: NotebookNode) -> list[str]:
    data = output.get("data", {})
    texts = [output.get("text", ""), *(v for k, v in data.items() if k.startswith("text/"))]
    alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
    faults = {
        f"ended in {output.get('ename')}": output.output_type == "error",
        "wrote to stderr": output.get("name") == "stderr",
        "shows a widget": "application/vnd.jupyter.widget-view+json" in data,
        "shows a picture without alternative text": "image/png" in data and not alt.strip(),
        "prints a path of this machine": any(MACHINE_PATH.search(text) for text in texts),
        "was run in fast mode": any("FAST MODE" in text for text in texts),
    }
    return [fault for fault, found in faults.items() if found]


def bench(rounds: int = 3) -> None:
    """Seconds per epoch of one small VAE on 60,000 images: the usual tutorial loop, and `fit`."""
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    from genmnist import data, training

    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))
    weights = [*encoder.parameters(), *decoder.parameters()]
    ways = ("usual loop", "fit")  # Adam as it comes, and fused, as the notebooks have it
    optimizers = {name: torch.optim.Adam(weights, fused=name == "fit") for name in ways}

    def step(x):  # the network and the loss of most tutorials
        mu, logvar = encoder(x).chunk(2, dim=1)
        logits = decoder(mu + torch.randn_like(mu) * (0.5 * logvar).exp()).view_as(x)
        nll = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        loss = (nll + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()) / len(x)
        optimizers[name].zero_grad()
        loss.backward()
        optimizers[name].step()
        return {"loss": loss}

    with tempfile.TemporaryDirectory() as folder:  # torchvision unpacks its files there
        shutil.copytree(data.DATA / "MNIST", Path(folder) / "MNIST")
        usual = datasets.MNIST(folder, download=True, transform=transforms.ToTensor())
    images, loader = data.load("MNIST", "train"), DataLoader(usual, 128, shuffle=True)
    seconds = {name: [] for name in ways}
    for name in ways * rounds:  # by turns, so that a busy machine slows both
        started = time.perf_counter()
        if name == "fit":
            training.fit(step, data.Batches(images, 128, shuffle=True), epochs=1)
        else:
            print("usual loop:", sum(step(x)["loss"].item() for x, _ in loader) / len(loader))
        seconds[name].append(time.perf_counter() - started)
    usual, ours = (sorted(times)[rounds // 2] for times in seconds.values())
    print(f"an epoch: {usual:.2f} s and {ours:.2f} s, {usual / ours:.1f} times as fast; "
          f"{training.device_name()}, torch {torch.__version__}")  # fmt: skip


def main(words: list[str]) -> None:
    names = {Path(word).stem for word in words[1:]}
    chosen = [path for path in NOTEBOOKS if not names or path.stem in names]
    match words:
        case ["run", *_] if chosen:
            run(chosen)
        case ["results", _] if chosen:
            results(chosen[0])
        case ["stamp", *given] if len(given) <= 2:
            stamp(*[*given, *[origin(), default_branch()][len(given) :]])
        case ["check"]:
            if problems := check():
                sys.exit("\n".join(problems))
            print(f"{len(NOTEBOOKS)} notebooks: everything agrees")
        case ["bench"]:
            bench()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
