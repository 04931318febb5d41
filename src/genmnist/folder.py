"""Your own pictures, as `Images`: lab 10."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from genmnist.data import Images
from genmnist.messages import message
from genmnist.training import run_folder

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")


def load_folder(path: Path | str, *, size: int = 32,
                device: torch.device | str | None = None) -> Images:  # fmt: skip
    """Pictures in and below a folder: x uint8 (n, c, size, size), c = 1 if none has colour, else 3.

    The short side becomes `size`, then the middle square is taken; what is transparent is white.
    Each subfolder is a class, sorted; pictures in the folder itself are a class of its name.
    Hidden files are passed over; broken pictures are named in a message and left out.  The tensors
    are kept in a hidden file there, or else in the folder of runs, until a picture is changed.
    Raises FileNotFoundError without a folder, ValueError without a picture or with `size` < 1.
    """
    folder = Path(path).expanduser().resolve()
    if size < 1:
        raise ValueError(f"size is {size}; it must be at least 1 pixel")
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    pictures = _find(folder)
    state = hashlib.sha256(repr([size, pictures]).encode()).hexdigest()
    places = (folder / f".genmnist-{size}.pt", run_folder() / f"pictures-{state[:16]}.pt")
    for file in places:
        with suppress(Exception):  # missing, or not ours
            kept = torch.load(file, weights_only=True)
            if kept[0] == state:
                break
    else:
        kept = state, *_decode_all(folder, pictures, size)
        if not any("[Errno" in line for line in kept[-1]):  # an error of the disk may pass
            _keep(kept, places)
    _, x, y, names, broken = kept
    if broken:
        what = f"{len(broken)} of {len(pictures)} pictures in {folder} are left out:"
        message("\n".join([what, *broken[:10]]))
    return Images(x.to(device), y.to(device), folder.name, names)


def _find(folder: Path) -> list[tuple[str, str, int, int]]:
    """(class, file, bytes, time of change) of each picture, sorted.  Text is faster than Path."""
    found = []
    for where, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = os.path.relpath(where, folder)
        label = folder.name if inside == "." else inside.split(os.sep)[0]
        for name in files:
            if name.lower().endswith(PICTURES) and not name.startswith("."):
                file = os.path.join(where, name)
                info = os.stat(file) if os.path.exists(file) else os.lstat(file)  # a dead link
                name = file.removeprefix(f"{folder}{os.sep}")
                found.append((label, name, info.st_size, info.st_mtime_ns))
    if not found:
        raise ValueError(f"no pictures in {folder} and below it: looked for {', '.join(PICTURES)}")
    return sorted(found)


def _decode_all(folder: Path, pictures: list, size: int) -> tuple[Tensor, Tensor, tuple, list]:
    """x, y, names of the classes, and a line on each broken picture."""
    Image.init()  # threads that do this at the same time take good pictures for broken
    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(lambda picture: _decode(folder / picture[1], size), pictures))
    good = [i for i, x in enumerate(decoded) if isinstance(x, np.ndarray)]
    broken = [f"{pictures[i][1]}: {x}" for i, x in enumerate(decoded) if isinstance(x, Exception)]
    if not good:
        raise ValueError(f"no picture in {folder} can be read: {broken[0]}")
    x = torch.from_numpy(np.stack([decoded[i] for i in good])).movedim(3, 1)
    x = x[:, :1] if (x == x[:, :1]).all() else x
    labels = [label.encode(errors="replace").decode() for label, *_ in pictures]  # printable
    names, y = np.unique(labels, return_inverse=True)
    return x.contiguous(), torch.from_numpy(y)[good], tuple(names.tolist()), broken


def _decode(file: Path, size: int) -> np.ndarray | Exception:
    """A picture (size, size, 3) uint8, or what is wrong with it."""
    try:
        with Image.open(file) as image:
            image.draft("RGB", (2 * size, 2 * size))  # a large JPEG at a fraction of its size
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):  # 16 bits, which convert() would cut off at 255
                image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return np.asarray(ImageOps.fit(image.convert("RGB"), (size, size)))
    except Exception as error:  # Pillow raises nearly anything at a broken file
        return error


def _keep(kept: tuple, places: tuple[Path, ...]) -> None:
    """In the first place that can be written; saved aside and renamed, so never half a file."""
    for file in places:
        aside = file.with_suffix(".part")
        with suppress(OSError, RuntimeError):  # read-only, or full
            torch.save(kept, aside)
            os.replace(aside, file)
            return
        with suppress(OSError):
            aside.unlink()
