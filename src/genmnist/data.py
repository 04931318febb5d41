"""Images rest as uint8 on the device, MNIST in 47 MB; batches of them are float in [0, 1]."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision import datasets

DATA = Path(__file__).parents[2] / "data"
CLASS_NAMES = {
    "MNIST": tuple("0123456789"),
    "FashionMNIST": ("T-shirt", "Trouser", "Pullover", "Dress", "Coat",
                     "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images.  `images[a:b]` takes a part of them, `len(images)` counts them."""

    x: Tensor  # uint8 (n, c, h, w)
    y: Tensor  # int64 (n,): y[i] is image i's place in class_names
    name: str  # "MNIST", "FashionMNIST" or the folder's name
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, part: slice) -> Images:
        if not isinstance(part, slice):
            raise TypeError(f"images[{part!r}]: take a slice, such as images[:100]")
        return Images(self.x[part], self.y[part], self.name, self.class_names)


@dataclass(eq=False, repr=False)
class Batches:
    """Batches of images as float in [0, 1], put on the device once and cut by index.

    Yields x (b, c, h, w), or (x, y) with `labels=True`.  Every image comes once per pass; the last
    batch may be smaller, unless `drop_last`.  A `DataLoader` would unpack, convert and stack the
    same 60,000 images one by one on every pass.  Raises ValueError if there would be no batch.
    """

    images: Images
    batch_size: int
    _: KW_ONLY
    shuffle: bool = False
    drop_last: bool = False
    labels: bool = False

    def __post_init__(self) -> None:
        n = len(self.images)
        if n == 0:
            raise ValueError("there are no images to make batches of: the data set is empty")
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}; it must be at least 1")
        if self.drop_last and self.batch_size > n:
            raise ValueError(f"batch_size {self.batch_size} is larger than the {n} images, and "
                             "drop_last=True drops the only batch: take a smaller one")  # fmt: skip
        self.x, self.y = self.images.x / 255, self.images.y

    def __len__(self) -> int:
        whole, rest = divmod(len(self.x), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Tensor] | Iterator[tuple[Tensor, Tensor]]:
        # drawn on the CPU, so that every device sees the same order for the same seed
        order = (torch.randperm if self.shuffle else torch.arange)(len(self.x))
        for chosen in order.to(self.x.device).split(self.batch_size)[: len(self)]:
            yield (self.x[chosen], self.y[chosen]) if self.labels else self.x[chosen]


def binarize(x: Tensor, *, seed: int | None = None) -> Tensor:
    """One Bernoulli(x) draw per pixel: 0 or 1, of x's shape and type.

    With a seed the draw is the same on every machine and leaves the random state alone: the way to
    binarise a test set once.  Raises ValueError if a pixel is not in [0, 1] and so no probability.
    """
    outside = x[~((x >= 0) & (x <= 1))]  # true of NaN as well
    if len(outside):
        raise ValueError(f"pixel value {outside[0].item():.4g} is no probability: take [0, 1]")
    if seed is None:
        return torch.bernoulli(x)
    generator = torch.Generator().manual_seed(seed)
    return torch.bernoulli(x.cpu(), generator=generator).to(x.device)


def load(name: str, split: str, *, root: Path | str | None = None,
         device: torch.device | str | None = None) -> Images:  # fmt: skip
    """All of "MNIST" or "FashionMNIST", "train" (60,000) or "test" (10,000): x (n, 1, 28, 28).

    Reads the archives that come with the repository, or those in `root`/MNIST/raw.  Raises
    ValueError for an unknown name or split, OSError if an archive is missing, cut or another.
    """
    if name not in CLASS_NAMES:
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(CLASS_NAMES)}")
    if split not in ("train", "test"):
        raise ValueError(f"unknown split {split!r}: choose 'train' or 'test'")
    raw = Path(root or DATA, name, "raw")
    md5 = dict(getattr(datasets, name).resources)  # by file, as torchvision has them
    start = "train" if split == "train" else "t10k"
    x = _read_idx(raw / f"{start}-images-idx3-ubyte.gz", md5)
    y = _read_idx(raw / f"{start}-labels-idx1-ubyte.gz", md5)
    return Images(x[:, None].to(device), y.long().to(device), name, CLASS_NAMES[name])


def _read_idx(file: Path, md5: dict[str, str]) -> Tensor:
    """An IDX file: byte 3 counts the axes, then come their lengths in 4 bytes each, the values."""
    packed = file.read_bytes() if file.is_file() else b""
    found = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    if found != md5[file.name]:  # as when Git takes an archive for text, or leaves an LFS pointer
        wrong = f"is cut or another file ({len(packed):,} bytes, MD5 {found})"
        raise OSError(f"{file} {wrong if file.exists() else 'is missing'}: `git checkout -- data` "
                      "in the repository brings the original back, or a fresh clone")  # fmt: skip
    raw = bytearray(gzip.decompress(packed))
    shape = struct.unpack_from(f">{raw[3]}i", raw, 4)
    return torch.frombuffer(raw, dtype=torch.uint8, offset=4 + 4 * raw[3]).reshape(shape)
