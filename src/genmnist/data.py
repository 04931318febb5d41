"""Images and labels as tensors on the device, and batches of them.

Images rest as uint8, 47 MB for all of MNIST, and leave a `Batches` as float in [0, 1].
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from genmnist import drawn
from genmnist.display import show_message
from genmnist.download import Name, dataset_class, is_complete, obtain, work_folder
from genmnist.training import fast_mode

Split = Literal["train", "test"]

CLASS_NAMES: dict[Name, tuple[str, ...]] = {
    "MNIST": tuple("0123456789"),
    "FashionMNIST": (
        "T-shirt", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
}  # fmt: skip

DEFAULT_ROOT = Path(__file__).parents[2] / "data"


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images.  `images[a:b]` takes a part of them, `len(images)` counts them."""

    x: Tensor  # uint8 (n, 1, 28, 28)
    y: Tensor  # int64 (n,), classes 0 to 9
    source: str  # "MNIST", "FashionMNIST", "drawn digits" or "drawn garments"

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, part: slice) -> Images:
        if not isinstance(part, slice):
            raise TypeError(f"images[{part!r}]: take a slice, such as images[:100]")
        return Images(self.x[part], self.y[part], self.source)


class Batches:
    """Batches of images as float in [0, 1], put on the device once and cut by index.

    Yields x (b, 1, 28, 28), or (x, y) with `labels=True`.  Every image comes once per pass; the
    last batch may be smaller, unless `drop_last`.  A `DataLoader` would unpack, convert and stack
    the same 60,000 images one by one on every pass.

    Raises:
        ValueError: if there are no images, if `batch_size` < 1, or if `drop_last` would drop all.
    """

    def __init__(
        self,
        images: Images,
        batch_size: int,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        labels: bool = False,
    ) -> None:
        if len(images) == 0:
            raise ValueError("there are no images to make batches of: the data set is empty")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        if drop_last and batch_size > len(images):
            raise ValueError(
                f"batch_size {batch_size} is larger than the {len(images)} images, and "
                "drop_last=True drops the only batch: take a smaller batch_size"
            )
        self.x = images.x / 255
        self.y = images.y
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.labels = labels

    def __len__(self) -> int:
        count = len(self.x) / self.batch_size
        return math.floor(count) if self.drop_last else math.ceil(count)

    def __iter__(self) -> Iterator[Tensor] | Iterator[tuple[Tensor, Tensor]]:
        n = len(self.x)
        # drawn on the CPU, so that every device sees the same order for the same seed
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        order = order.to(self.x.device)
        for chosen in order.split(self.batch_size)[: len(self)]:
            x = self.x[chosen]
            yield (x, self.y[chosen]) if self.labels else x


def binarize(x: Tensor, *, seed: int | None = None) -> Tensor:
    """One Bernoulli(x) draw per pixel: 0 or 1, of x's shape and type.

    With a seed the draw is the same on every machine and leaves the random state alone: the way to
    binarise a test set once.

    Raises:
        ValueError: if a pixel is not in [0, 1] and so is no probability.
    """
    outside = x[~((x >= 0) & (x <= 1))]  # true of NaN as well
    if len(outside):
        raise ValueError(f"pixel value {outside[0].item():.4g} is no probability: take [0, 1]")
    if seed is None:
        return torch.bernoulli(x)
    generator = torch.Generator().manual_seed(seed)
    return torch.bernoulli(x.cpu(), generator=generator).to(x.device)


def load(
    name: Name,
    split: Split,
    *,
    root: Path | None = None,
    device: torch.device | str | None = None,
) -> Images:
    """All images of one split, as uint8 tensors on the device.

    Files that lie complete under `root` are used.  Otherwise they are unpacked from their archives
    or fetched, from each mirror in turn.  If that fails, the environment variable COURSE_DATA
    decides: unset, a bordered message says why and the images are *drawn* instead (`Images.source`
    says so); `mnist`, the failure is raised; `drawn`, the images are drawn without trying.

    Args:
        root: the folder that holds `MNIST/raw/`; by default the repository's `data/`.

    Raises:
        ValueError: for an unknown name, split or COURSE_DATA.
        OSError: with COURSE_DATA=mnist if no mirror gave the files; always if the files are not
            there and the folder cannot be written.
    """
    if name not in get_args(Name):
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(get_args(Name))}")
    if split not in get_args(Split):
        raise ValueError(f"unknown split {split!r}: choose 'train' or 'test'")
    wanted = os.environ.get("COURSE_DATA", "")
    if wanted not in ("", "mnist", "drawn"):
        raise ValueError(f"COURSE_DATA={wanted!r}: set it to 'mnist', to 'drawn', or not at all")

    root = Path(root or DEFAULT_ROOT)
    if wanted == "drawn" or not _available(name, split, root, must=wanted == "mnist"):
        return _draw(name, split, device)
    data = dataset_class(name)(root, train=split == "train", download=False)
    return Images(data.data.unsqueeze(1).to(device), data.targets.to(device), name)


# Which splits were drawn because a data set could not be had, by (name, root): the other split of
# the same run follows without trying again; asking for the same split anew is a new attempt.
_drawn_instead: dict[tuple[Name, Path], set[Split]] = {}


def _available(name: Name, split: Split, root: Path, *, must: bool) -> bool:
    """Whether the real files can be read, after fetching them if need be."""
    drawn_splits = _drawn_instead.setdefault((name, root), set())
    if drawn_splits and split not in drawn_splits and not must:
        drawn_splits.add(split)
        return False
    drawn_splits.clear()
    if is_complete(name, root):
        return True
    work = work_folder(name, root)
    try:
        obtain(name, root, work)
    except OSError as error:
        if must:
            raise
        drawn_splits.add(split)
        show_message(
            f"{name} could not be had: {error}.\n"
            f"This run uses {_drawn_source(name)} in its place: the same shape, simpler pictures. "
            "Everything below works; numbers and pictures will differ from the text.\n"
            f"To use {name}: go online and run this cell again, or put the four files into "
            f"{root / name / 'raw'}."
        )
        return False
    return True


def _drawn_source(name: Name) -> str:
    return "drawn digits" if name == "MNIST" else "drawn garments"


def _draw(name: Name, split: Split, device: torch.device | str | None) -> Images:
    n, seed = (60_000, 1) if split == "train" else (10_000, 2)
    if fast_mode():
        n //= 4  # still more than a fast run looks at
    x, y = drawn.draw(name, n, seed=seed)
    return Images(x.to(device), y.to(device), _drawn_source(name))
