"""For maintainers: everything that readers of the course never need.

python src/maintain.py run [NOTEBOOK ...]          execute in full, on real data; save the outputs
python src/maintain.py seeds [NOTEBOOK ...]        two more seeds, for mean and deviation
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
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(path for path in ROOT.glob("notebooks/*.ipynb") if ".run." not in path.name)
PACKAGE = ROOT / "src/genmnist/__init__.py"
README = ROOT / "README.md"
PICTURES = ROOT / "data/pictures"  # for the README, out of the notebooks' own outputs
RESULTS = ROOT / "data/results.json"
SEEDS = ROOT / "data/seeds.json"  # the same numbers with other seeds
RESULTS_TABLE = re.compile(r"(<!-- results -->)\n.*?(<!-- end of results -->)", re.DOTALL)
MAX_BYTES = 1_000_000  # GitHub stops showing much larger notebooks
MACHINE_PATH = re.compile(r"/(?:home|root|Users|work|tmp|var|mnt)/[\w.]|[A-Z]:\\\\?Users")
STAMP = re.compile(r'^STAMPED_REPO, STAMPED_REF = "(.*)", "(.*)"$', re.MULTILINE)
SEED = re.compile(r"^seed = 0\b", re.MULTILINE)
CONSTANTS = re.compile(r'^REPOSITORY = "(.*)"\nBRANCH = "(.*)"$', re.MULTILINE)


# -- what a notebook holds -----------------------------------------------------------------------


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_setup(cell: NotebookNode) -> bool:
    return "setup" in cell.metadata.get("tags", [])


def code_sha(notebook: NotebookNode) -> str:
    """Hash of the code that made the outputs.  The set-up cell is left out: stamping changes it."""
    code = [cell.source for cell in code_cells(notebook) if not is_setup(cell)]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


def stamped() -> tuple[str, str]:
    """Repository and branch as the package has them."""
    return CONSTANTS.search(PACKAGE.read_text("utf-8")).groups()


# -- run -----------------------------------------------------------------------------------------


def run(paths: list[Path]) -> None:
    """Execute notebooks at full length on real data, from no checkpoint, and save what they made.

    That is their outputs, the README's pictures, the scoreboard and the headline numbers.
    """
    with tempfile.TemporaryDirectory(prefix="course-runs-") as runs:
        os.environ |= {"COURSE_FAST": "0", "COURSE_DATA": "mnist", "COURSE_RUNS": runs,
                       "COURSE_FURTHER": "1"}  # fmt: skip
        for path in paths:
            print(f"{path.name} …", flush=True)
            notebook, seconds = execute(path)
            notebook.metadata.course = {
                "code_sha": code_sha(notebook),
                "source": "MNIST",
                "seconds": round(seconds),
                **versions(),
            }
            problems = check_outputs(notebook)
            if problems:
                sys.exit(f"{path.name} was executed but not saved:\n  " + "\n  ".join(problems))
            write(notebook, path)
            PICTURES.mkdir(exist_ok=True)
            (PICTURES / f"{path.stem}.png").write_bytes(picture(notebook))
            keep_measurements(Path(runs), code_sha(notebook))
            size = path.stat().st_size / 1000
            print(f"{path.name}: {seconds:.0f} s, {size:.0f} kB", flush=True)


def seeds(paths: list[Path], others: tuple[int, ...] = (1, 2)) -> None:
    """Run notebooks with other seeds, side by side, and keep their headline numbers.

    The stored outputs stay those of seed 0.  Optional sections run as well, since the length of
    other runs hangs on them.  A later `run` of the same code leaves these numbers where they are;
    one of other code drops them.
    """
    for path in paths:
        print(f"{path.name}, seeds {', '.join(map(str, others))} …", flush=True)
        sha = code_sha(nbformat.read(path, as_version=4))
        # processes: each has an environment of its own
        with ProcessPoolExecutor(len(others)) as pool:
            found = [*pool.map(partial(headline_numbers, path, workers=len(others)), others)]
        entries = {
            name: {
                "code_sha": sha,
                "values": [one[name]["value"] for one in found],
                "details": [one[name]["detail"] for one in found],
            }
            for name in found[0]
        }
        write_json(read_json(SEEDS) | entries, SEEDS)
    README.write_text(with_results(README.read_text("utf-8")), "utf-8")


def headline_numbers(path: Path, seed: int, *, workers: int = 1) -> dict:
    """What a run with this seed records; `workers` such runs share the machine."""
    with tempfile.TemporaryDirectory(prefix="course-runs-") as runs:
        threads = max(1, (os.cpu_count() or 1) // workers)
        os.environ |= {"COURSE_FAST": "0", "COURSE_DATA": "mnist", "COURSE_RUNS": runs,
                       "COURSE_FURTHER": "1", "OMP_NUM_THREADS": str(threads)}  # fmt: skip
        execute(path, seed=seed)
        return read_json(Path(runs) / "results.json")


def keep_measurements(runs: Path, sha: str) -> None:
    """Take over the scoreboard and the headline numbers, and renew the README's table."""
    for new in runs.glob("scoreboard-*.json"):
        # a run of one notebook has only its own rows; those of the others follow them
        board, kept = read_json(new), read_json(ROOT / "data" / new.name)
        board["rows"] |= {k: v for k, v in kept.get("rows", {}).items() if k not in board["rows"]}
        write_json(board, ROOT / "data" / new.name)
    new = read_json(runs / "results.json")
    write_json(read_json(RESULTS) | new, RESULTS)
    others = read_json(SEEDS)
    stale = [name for name in new if others.get(name, {}).get("code_sha", sha) != sha]
    if stale:
        print(f"{', '.join(stale)}: other seeds came from other code and are dropped", flush=True)
        write_json({name: others[name] for name in others if name not in stale}, SEEDS)
    README.write_text(with_results(README.read_text("utf-8")), "utf-8")


def read_json(path: Path) -> dict:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def write_json(content: dict, path: Path) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def with_results(readme: str) -> str:
    """The README's text with its results table made anew from data/results.json."""
    from genmnist.results import read, table

    return RESULTS_TABLE.sub(
        lambda found: f"{found[1]}\n{table(read(RESULTS), read(SEEDS))}\n{found[2]}", readme
    )


def execute(path: Path, *, seed: int = 0) -> tuple[NotebookNode, float]:
    """The executed notebook and the seconds it took."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    if seed:
        cells = [cell for cell in code_cells(notebook) if SEED.search(cell.source)]
        if len(cells) != 1:
            sys.exit(f"{path.name}: {len(cells)} cells set the seed, not 1")
        cells[0].source = SEED.sub(f"seed = {seed}", cells[0].source)
    started = time.perf_counter()
    NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    ).execute()
    clean(notebook)
    return notebook, time.perf_counter() - started


def clean(notebook: NotebookNode) -> None:
    """Drop what differs from run to run and what GitHub's viewer stumbles over."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "scrolled", "outputId", "colab"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not is_widget(output)]


def is_widget(output: NotebookNode) -> bool:
    """A slider: a stored notebook cannot show one, and the same images stand above it."""
    return "application/vnd.jupyter.widget-view+json" in output.get("data", {})


def picture(notebook: NotebookNode) -> bytes:
    """The last picture of the cell that is tagged for the README."""
    shown = [
        output.data["image/png"]
        for cell in code_cells(notebook)
        if "readme" in cell.metadata.get("tags", [])
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    return base64.b64decode(shown[-1]) if shown else b""


def versions() -> dict[str, str]:
    import torch
    import torchvision

    from genmnist.training import device_name

    return {
        "device": device_name(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


def write(notebook: NotebookNode, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


# -- stamp ---------------------------------------------------------------------------------------


def stamp(repository: str | None, branch: str | None) -> None:
    """Write owner/name and branch into the package, the set-up cells, the badges and the README."""
    repository, branch = repository or origin(), branch or default_branch()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        sys.exit(f"{repository!r} is no owner/name: give one as an argument")
    old_repository, old_branch = stamped()

    def restamp(text: str) -> str:
        text = STAMP.sub(f'STAMPED_REPO, STAMPED_REF = "{repository}", "{branch}"', text)
        text = CONSTANTS.sub(f'REPOSITORY = "{repository}"\nBRANCH = "{branch}"', text)
        text = text.replace(f"{old_repository}/blob/{old_branch}/", f"{repository}/blob/{branch}/")
        return text.replace(f"github.com/{old_repository}", f"github.com/{repository}")

    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.source = restamp(cell.source)
        write(notebook, path)
    for path in (README, PACKAGE):
        path.write_text(restamp(path.read_text("utf-8")), "utf-8")
    print(f"stamped {repository}, {branch}")


def git(*words: str) -> str:
    found = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    return found.stdout.strip()


def origin() -> str:
    """owner/name of the `origin` remote, from its https or its ssh form; empty without one."""
    match = re.search(r"[:/]([^/:]+/[^/]+?)(?:\.git)?/?$", git("remote", "get-url", "origin"))
    return match[1] if match else ""


def default_branch() -> str:
    return git("symbolic-ref", "--short", "refs/remotes/origin/HEAD").partition("/")[2] or "main"


# -- check ---------------------------------------------------------------------------------------


def check() -> list[str]:
    """Every problem found in the stored notebooks and in the links, as lines to print."""
    problems = [] if NOTEBOOKS else ["there are no notebooks"]
    setup_cells = {}
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        found = [
            *check_format(notebook, path),
            *check_outputs(notebook),
            *check_pictures(notebook),
            *check_badges(notebook.cells[0].source, path, alone=True),
        ]
        file = PICTURES / f"{path.stem}.png"
        if not file.exists() or file.read_bytes() != picture(notebook):
            found.append(f"{file.name} is not the picture in the notebook: run it")
        problems += [f"{path.name}: {problem}" for problem in found]
        setup_cells[path.name] = [c.source for c in code_cells(notebook) if is_setup(c)]
    problems += check_setup_cells(setup_cells)
    problems += [
        f"README.md: {problem}"
        for path in NOTEBOOKS
        for problem in check_badges(README.read_text("utf-8"), path)
    ]
    if with_results(README.read_text("utf-8")) != README.read_text("utf-8"):
        problems.append("README.md: its results table is not that of data/results.json")
    return problems + check_relative_links(README)


def check_format(notebook: NotebookNode, path: Path) -> list[str]:
    problems = []
    try:
        nbformat.validate(notebook)
    except Exception as error:
        problems.append(f"not a valid notebook: {str(error).splitlines()[0]}")
    # nbformat gives new ids in silence; GitHub's viewer fails without them
    if not all("id" in cell for cell in json.loads(path.read_text("utf-8"))["cells"]):
        problems.append("not a valid notebook: a cell has no id")
    if path.stat().st_size > MAX_BYTES:
        problems.append(f"{path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are readable")
    wanted = {"accelerator": "GPU", "kernelspec": "python3", "colab": "T4"}
    metadata = notebook.metadata
    got = {
        "accelerator": metadata.get("accelerator"),
        "kernelspec": metadata.get("kernelspec", {}).get("name"),
        "colab": metadata.get("colab", {}).get("gpuType"),
    }
    return problems + [f"metadata {k} is {got[k]!r}, not {wanted[k]!r}"
                       for k in wanted if got[k] != wanted[k]]  # fmt: skip


def check_outputs(notebook: NotebookNode) -> list[str]:
    """Outputs that come from one full run of this very code, and show nothing of the machine."""
    problems = []
    course = notebook.metadata.get("course", {})
    if course.get("code_sha") != code_sha(notebook):
        problems.append("the outputs belong to other code: run `src/maintain.py run`")
    if course.get("source") != "MNIST":
        problems.append("the outputs do not come from the real MNIST")
    if "widgets" in notebook.metadata:
        problems.append("widget state is stored")
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        problems.append(f"execution counts are {counts}, not 1 to {len(counts)}")
    for number, cell in enumerate(notebook.cells):
        if MACHINE_PATH.search(cell.source):
            problems.append(f"cell {number} names a path of somebody's machine")
        for output in cell.get("outputs", []):
            problems += [f"cell {number} {problem}" for problem in check_output(output)]
    return problems


def check_output(output: NotebookNode) -> list[str]:
    problems = []
    if output.output_type == "error":
        problems.append(f"ended in {output.ename}: {output.evalue}")
    if output.get("name") == "stderr":
        problems.append(f"wrote to stderr: {output.text[:80]!r}")
    data = output.get("data", {})
    if is_widget(output):
        problems.append("shows a widget, which a stored notebook cannot")
    texts = [output.get("text", ""), *(v for k, v in data.items() if k.startswith("text/"))]
    for text in texts:
        if found := MACHINE_PATH.search(text):
            problems.append(f"prints a path of this machine: {text[found.start() :][:40]!r}")
        if "FAST MODE" in text:
            problems.append("was run in fast mode")
    return problems


def check_pictures(notebook: NotebookNode) -> list[str]:
    """Every picture has an alternative text, in the prose and in the outputs."""
    problems = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and re.search(r"!\[\s*\]\(|<img(?![^>]*alt=)", cell.source):
            problems.append(f"cell {number} has a picture without alternative text")
        for output in cell.get("outputs", []):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            if "image/png" in output.get("data", {}) and not alt.strip():
                problems.append(f"cell {number} shows a picture without alternative text")
    return problems


def check_badges(text: str, path: Path, *, alone: bool = False) -> list[str]:
    """A badge for this notebook, naming this repository and branch; `alone`, and no other."""
    repository, branch = stamped()
    own = (
        f"https://colab.research.google.com/github/{repository}/blob/{branch}/notebooks/{path.name}"
    )
    links = re.findall(r"https://colab\.research\.google\.com/github/[^\s)\"]+", text)
    if own not in links:
        return [f"no Colab badge for {path.name} at {repository}, {branch}"]
    return [f"a badge leads to {link}" for link in links if alone and link != own]


def check_setup_cells(cells: dict[str, list[str]]) -> list[str]:
    """One set-up cell in each notebook, the same text in all, stamped as the package is."""
    problems = [f"{name}: {len(c)} set-up cells, not 1" for name, c in cells.items() if len(c) != 1]
    texts = {c[0] for c in cells.values() if c}
    if len(texts) > 1:
        problems.append("the set-up cells of the notebooks differ")
    for text in texts:
        if (match := STAMP.search(text)) is None or match.groups() != stamped():
            problems.append(f"a set-up cell is stamped {match and match.groups()}, not {stamped()}")
    return problems


def check_relative_links(path: Path) -> list[str]:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text("utf-8"))
    return [f"{path.name}: no file {t}" for t in targets if not (path.parent / t).exists()]


# -- bench ---------------------------------------------------------------------------------------


def bench(rounds: int = 3) -> None:
    """Seconds per epoch of one small VAE on 60,000 images: the usual tutorial loop, and `fit`."""
    import resource

    os.environ["COURSE_DATA"] = "mnist"
    from genmnist.data import load
    from genmnist.training import set_seed

    load("MNIST", "train")  # fetched now, so that it does not count below
    seconds: dict[str, list[float]] = {"usual loop": [], "fit": []}
    for _ in range(rounds):  # by turns, so that a busy machine slows both
        for name, epoch in (("usual loop", usual_epoch), ("fit", fit_epoch)):
            set_seed(0)
            seconds[name].append(epoch())
            print(f"{name}: {seconds[name][-1]:.2f} s", flush=True)
    usual, ours = (sorted(times)[len(times) // 2] for times in seconds.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"medians {usual:.2f} s and {ours:.2f} s: {usual / ours:.1f} times faster; "
          f"peak memory of both {peak:.2f} GB; {versions()}")  # fmt: skip


def small_vae():
    """784-400-20-400-784, the network of the most copied VAE example."""
    import torch
    from torch import nn

    class SmallVAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU())
            self.mu, self.logvar = nn.Linear(400, 20), nn.Linear(400, 20)
            self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

        def forward(self, x):
            h = self.encoder(x)
            mu, logvar = self.mu(h), self.logvar(h)
            z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
            return self.decoder(z).view_as(x), mu, logvar

    return SmallVAE()


def usual_epoch() -> float:
    """DataLoader, ToTensor on every image, `.item()` on every batch."""
    import torch
    import torch.nn.functional as F
    from torchvision import datasets, transforms

    images = datasets.MNIST(ROOT / "data", transform=transforms.ToTensor())
    loader = torch.utils.data.DataLoader(images, batch_size=128, shuffle=True)
    model = small_vae()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    started, total = time.perf_counter(), 0.0
    for x, _ in loader:
        optimizer.zero_grad()
        logits, mu, logvar = model(x)
        bce = F.binary_cross_entropy(logits.sigmoid(), x, reduction="sum")
        loss = bce - 0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum()
        loss.backward()
        total += loss.item()
        optimizer.step()
    return time.perf_counter() - started


def fit_epoch() -> float:
    """The same network and loss through the course's own data and loop."""
    import torch

    from genmnist.data import Batches, load
    from genmnist.training import fit
    from genmnist.vae import bernoulli_nll, kl_to_standard_normal

    model = small_vae()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step(x):
        logits, mu, logvar = model(x)
        loss = (bernoulli_nll(logits, x) + kl_to_standard_normal(mu, logvar)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    batches = Batches(load("MNIST", "train"), 128, shuffle=True)
    started = time.perf_counter()
    fit(step, batches, epochs=1, title="fit")
    return time.perf_counter() - started


# -- judge ---------------------------------------------------------------------------------------


def judge(names: tuple[str, ...], epochs: int = 6) -> None:
    """Train both judges of a data set on the first 50,000 training images, and store them.

    The number of epochs was fixed beforehand; the last 10,000 training images are only watched.
    The test images are read once, when the weights are final.
    """
    import torch

    from genmnist.data import load
    from genmnist.judge import accuracy, judge_file, load_judge, train_judge

    os.environ["COURSE_DATA"] = "mnist"
    for name in names:
        images, test = load(name, "train"), load(name, "test")
        for seed in (0, 1):
            trained = train_judge(images[:-10_000], images[-10_000:], epochs=epochs, seed=seed)
            path = judge_file(name, seed)
            path.parent.mkdir(exist_ok=True)
            torch.save({key: t.half() for key, t in trained.state_dict().items()}, path)
            write_checksums(path.parent)
            share = accuracy(load_judge(name, seed=seed), test)
            print(
                f"{path.name}: test accuracy {share:.2%}, {path.stat().st_size:,} bytes", flush=True
            )


def calibrate(names: tuple[str, ...]) -> None:
    """Every known row of the data sets, computed anew; ends in an error if one differs."""
    from genmnist import calibration
    from genmnist.data import load

    os.environ["COURSE_DATA"] = "mnist"
    for name in names:
        other = "MNIST" if name == "FashionMNIST" else "FashionMNIST"
        print(name, flush=True)
        strange = partial(calibration.out_of_distribution, other=load(other, "test"))
        rows = (*calibration.QUICK, strange, *calibration.MORE)
        rows += calibration.MNIST_ONLY if name == "MNIST" else ()
        calibration.calibrate(load(name, "train"), load(name, "test"), rows)


def write_checksums(folder: Path) -> None:
    sums = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.pt")
    }
    (folder / "checksums.json").write_text(json.dumps(sums, indent=1, sort_keys=True), "utf-8")


def main(words: list[str]) -> None:
    match words:
        case ["run", *names]:
            run([path for path in NOTEBOOKS if not names or path.stem in map(_stem, names)])
        case ["seeds", *names]:
            seeds([path for path in NOTEBOOKS if not names or path.stem in map(_stem, names)])
        case ["stamp", *names] if len(names) <= 2:
            stamp(*names, *[None] * (2 - len(names)))
        case ["check"]:
            problems = check()
            if problems:
                sys.exit("\n".join(problems))
            print(f"{len(NOTEBOOKS)} notebooks: everything agrees")
        case ["bench"]:
            bench()
        case ["calibrate", *names]:
            calibrate(tuple(names) or ("MNIST", "FashionMNIST"))
        case ["judge", *names]:
            judge(tuple(names) or ("MNIST", "FashionMNIST"))
        case _:
            sys.exit(__doc__)


def _stem(name: str) -> str:
    return Path(name).stem


if __name__ == "__main__":
    main(sys.argv[1:])
