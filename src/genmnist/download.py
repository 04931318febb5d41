"""Fetching MNIST and Fashion-MNIST through torchvision, with what torchvision lacks.

A bounded wait, a check of the unpacked files, every mirror after any failure, and no half-written
file where a reader could find it.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import threading
import time
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Literal

import torchvision.datasets
import torchvision.datasets.utils

Name = Literal["MNIST", "FashionMNIST"]

# torchvision knows one host for Fashion-MNIST; the second is its authors' own repository.
MIRRORS: dict[Name, tuple[str, ...]] = {
    "MNIST": tuple(torchvision.datasets.MNIST.mirrors),
    "FashionMNIST": (
        *torchvision.datasets.FashionMNIST.mirrors,
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
}

# Bytes of the four unpacked files: a 16- or 8-byte header, then one byte per pixel or label.
# torchvision checks archives only, and reads a half-written unpacked file as if it were whole.
SIZES = {
    "train-images-idx3-ubyte": 16 + 60_000 * 784,
    "train-labels-idx1-ubyte": 8 + 60_000,
    "t10k-images-idx3-ubyte": 16 + 10_000 * 784,
    "t10k-labels-idx1-ubyte": 8 + 10_000,
}

# No bars from torchvision: one given up for its silence would print into a later cell on waking.
torchvision.datasets.utils.tqdm = partial(torchvision.datasets.utils.tqdm, disable=True)

PATIENCE = 20.0  # seconds without a new byte after which a host is given up


def is_complete(name: Name, root: Path) -> bool:
    """Whether all four unpacked files lie under `root` with their right sizes."""
    raw = root / name / "raw"
    return all(
        (raw / file).is_file() and (raw / file).stat().st_size == size
        for file, size in SIZES.items()
    )


def work_folder(name: Name, root: Path) -> Path:
    """A temporary folder beside the data, on the same disk, so that files can be renamed."""
    raw = root / name / "raw"
    try:
        raw.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".download-", dir=raw))
    except OSError as error:
        raise PermissionError(
            f"{name} is not complete in {root}, and that folder cannot be written ({error}). Make "
            f"it writable, put the four files into {raw}, or give load() another root"
        ) from error


def obtain(name: Name, root: Path, work: Path) -> None:
    """Bring the four unpacked files to `root`, from archives there or from the first good mirror.

    Works in the temporary folder and renames, so that nobody ever sees half a file.
    """
    raw = root / name / "raw"
    try:
        _fetch(name, raw, work)
        for file in (work / name / "raw").iterdir():
            os.replace(file, raw / file.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fetch(name: Name, raw: Path, work: Path) -> None:
    """Fill `work` with the complete data set, or raise OSError with every mirror's failure."""
    failures = []
    for number, mirror in enumerate(MIRRORS[name]):
        # a folder of its own for each mirror: a download that was given up may still be writing
        folder = work / str(number)
        (folder / name / "raw").mkdir(parents=True)
        for archive in [*raw.glob("*.gz"), *work.glob(f"*/{name}/raw/*.gz")]:
            if archive.parent != folder / name / "raw":
                shutil.copy(archive, folder / name / "raw")  # torchvision verifies it, or refetches
        try:
            _download(name, mirror, folder)
        except (OSError, RuntimeError, HTTPException, EOFError, ValueError) as error:
            failures.append(f"{mirror} ({error or type(error).__name__})")
            continue
        if is_complete(name, folder):
            os.replace(folder / name, work / name)
            return
        failures.append(f"{mirror} (the unpacked files have the wrong sizes)")
    raise OSError("; ".join(failures))


def _download(name: Name, mirror: str, folder: Path) -> None:
    """Let torchvision download, verify and unpack; give up after PATIENCE seconds of silence.

    torchvision sets no time limit, and a socket's own limit would count anew for each address of a
    host and not at all while its name is looked up.  So the download runs in a thread of its own,
    and silence is seen from outside: no new byte in the folder.
    """
    failure: list[Exception] = []

    def download() -> None:
        try:
            dataset_class(name, mirror)(folder, download=True)
        except Exception as error:  # whatever it is, it is raised again below
            failure.append(error)

    thread = threading.Thread(target=download, daemon=True)
    # what torchvision prints stays out of the notebook
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        thread.start()
        bytes_seen, seen_at = 0, time.monotonic()
        while thread.is_alive():
            thread.join(0.05)
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            if size != bytes_seen:
                bytes_seen, seen_at = size, time.monotonic()
            elif time.monotonic() - seen_at > PATIENCE:
                raise TimeoutError(f"no answer for {PATIENCE:g} s")
    if failure:
        raise failure[0]


def dataset_class(name: Name, mirror: str | None = None) -> type[torchvision.datasets.MNIST]:
    """torchvision's class for a data set, with one mirror.  It names its folder by its own name."""
    base = getattr(torchvision.datasets, name)
    return type(name, (base,), {"mirrors": [mirror]}) if mirror else base
