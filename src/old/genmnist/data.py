"""Images and labels as tensors on the device, and batches of them.

Images rest as uint8, 47 MB for all of MNIST, and leave a `Batches` as float in [0, 1].
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

Name = Literal["MNIST", "FashionMNIST"]
Split = Literal["train", "test"]

CLASS_NAMES: dict[Name, tuple[str, ...]] = {
    "MNIST": tuple("0123456789"),
    "FashionMNIST": (
        "T-shirt", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
}  # fmt: skip

DEFAULT_ROOT = Path(__file__).parents[3] / "data"


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images.  `images[a:b]` takes a part of them, `len(images)` counts them."""

    x: Tensor  # uint8 (n, 1, 28, 28)
    y: Tensor  # int64 (n,), classes 0 to 9
    source: str  # the data set's name

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
    """All images of one split, read from their archives, as uint8 tensors on the device.

    Args:
        root: the folder that holds `MNIST/raw/`; by default the repository's `data/`.

    Raises:
        ValueError: for an unknown name or split.
        OSError: if an archive is missing or damaged.
    """
    if name not in get_args(Name):
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(get_args(Name))}")
    if split not in get_args(Split):
        raise ValueError(f"unknown split {split!r}: choose 'train' or 'test'")
    raw = Path(root or DEFAULT_ROOT) / name / "raw"
    stem = "train" if split == "train" else "t10k"
    with gzip.open(raw / f"{stem}-images-idx3-ubyte.gz") as file:
        x = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8, offset=16)
    with gzip.open(raw / f"{stem}-labels-idx1-ubyte.gz") as file:
        y = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8, offset=8)
    return Images(x.view(len(y), 1, 28, 28).to(device), y.long().to(device), name)
