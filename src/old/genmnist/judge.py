"""The judge: one small fixed classifier per data set, whose features and labels score samples."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmnist.data import DEFAULT_ROOT, Batches, Images, Name
from genmnist.training import in_parts

BATCH = 200  # larger ones are slower on a CPU


class Judge(nn.Module):
    """A classifier of (b, 1, 28, 28) images in [0, 1].  forward -> (b, 10) logits"""

    def __init__(self) -> None:
        super().__init__()

        def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
            conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]

        self.body = nn.Sequential(
            *block(1, 32, stride=1),  # (b, 32, 28, 28)
            *block(32, 32, stride=2),  # (b, 32, 14, 14)
            *block(32, 64, stride=1),  # (b, 64, 14, 14)
            *block(64, 64, stride=2),  # (b, 64, 7, 7)
            *block(64, 64, stride=2),  # (b, 64, 4, 4)
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 128),
            nn.ReLU(),  # (b, 128): the features
        )
        self.head = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer, after its ReLU.  (n, 1, 28, 28) in [0, 1] -> (n, 128)"""
        return in_parts(lambda part: self.body(_checked(part)), x, BATCH)

    def logits(self, x: Tensor) -> Tensor:
        """(n, 1, 28, 28) in [0, 1] -> (n, 10), in parts and without gradients"""
        return in_parts(lambda part: self(_checked(part)), x, BATCH)

    def labels(self, x: Tensor) -> Tensor:
        """The likeliest class of each image.  (n, 1, 28, 28) in [0, 1] -> (n,)"""
        return self.logits(x).argmax(dim=1)


def _checked(x: Tensor) -> Tensor:
    if x.dim() != 4 or x.shape[1:] != (1, 28, 28):
        raise ValueError(f"images have shape {tuple(x.shape)}; the judge needs (n, 1, 28, 28)")
    outside = x[~((x >= 0) & (x <= 1))]  # true of NaN as well
    if len(outside):
        raise ValueError(f"pixel value {outside[0].item():.4g}: the judge needs images in [0, 1]")
    return x


def judge_file(name: Name, seed: int) -> Path:
    return DEFAULT_ROOT / "classifiers" / f"{name}-{seed}.pt"


def load_judge(name: Name, *, seed: int = 0, device: torch.device | str = "cpu") -> Judge:
    """The judge that comes with the course; seed 1 is a second one, trained from another start.

    Raises:
        ValueError: if the file is not the one of `data/classifiers/checksums.json`.
        FileNotFoundError: if there is no such judge.
    """
    path = judge_file(name, seed)
    content = path.read_bytes()
    expected = json.loads((path.parent / "checksums.json").read_text("utf-8"))[path.name]
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(
            f"{path} is not the judge that the course was measured with: its SHA-256 is "
            f"{found[:12]}…, not {expected[:12]}…. Get the file anew: "
            "git checkout -- data/classifiers"
        )
    judge = Judge()
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    judge.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return judge.to(device).eval().requires_grad_(False)


def train_judge(train: Images, watched: Images | None, *, epochs: int, seed: int) -> Judge:
    """A judge trained with small random shifts and a learning rate that rises, then falls to 0.

    Prints its accuracy on the watched images after each epoch, if there are any; nothing is chosen
    by it.  This is the only training in the package.
    """
    torch.manual_seed(seed)
    judge = Judge().to(train.x.device)
    batches = Batches(train, 128, shuffle=True, drop_last=True, labels=True)
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=4e-3, total_steps=epochs * len(batches)
    )
    for epoch in range(epochs):
        judge.train()
        for x, y in batches:
            loss = F.cross_entropy(judge(random_shift(x, most=2)), y, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if watched is not None:
            share = accuracy(judge.eval(), watched)
            print(f"epoch {epoch + 1} of {epochs}: accuracy {share:.4f}", flush=True)
    return judge.eval()


def random_shift(x: Tensor, *, most: int) -> Tensor:
    """Each image moved by up to `most` pixels each way, black moving in.  (b, 1, h, w) -> same"""
    b, _, h, w = x.shape
    padded = F.pad(x, (most,) * 4)[:, 0]
    down, right = torch.randint(2 * most + 1, (2, b, 1, 1)).to(x.device)
    rows = down + torch.arange(h, device=x.device).view(1, h, 1)
    columns = right + torch.arange(w, device=x.device).view(1, 1, w)
    return padded[torch.arange(b, device=x.device).view(b, 1, 1), rows, columns].unsqueeze(1)


def accuracy(judge: Judge, images: Images) -> float:
    """Share of images whose likeliest class is their label."""
    x = images.x.float().div(255)
    return (judge.labels(x) == images.y).float().mean().item()


def label_accuracy(judge: Judge, x: Tensor, y: Tensor) -> float:
    """Share of conditional samples that the judge reads as the label that they were asked for.

    x: (n, 1, 28, 28) in [0, 1]; y: (n,), labels 0 to 9.

    Raises:
        ValueError: if a label is out of range or the numbers differ.
    """
    _check_labels(x, y)
    return (judge.labels(x) == y).float().mean().item()


def train_on_synthetic(
    x: Tensor, y: Tensor, test: Images, *, epochs: int = 3, seed: int = 0
) -> float:
    """Accuracy on real test images of a classifier that saw samples only.

    The classifier is the judge's network from a fresh start, with small random shifts, for a fixed
    number of epochs; nothing is chosen on the test images.

    Args:
        x, y: (n, 1, 28, 28) in [0, 1] and (n,): labelled samples, as many as there are real
            training images for the comparison with training on real ones.
    """
    _check_labels(x, y)
    samples = Images((x * 255).round().to(torch.uint8), y, "samples")
    return accuracy(train_judge(samples, None, epochs=epochs, seed=seed), test)


def _check_labels(x: Tensor, y: Tensor) -> None:
    if len(x) != len(y):
        raise ValueError(f"{len(x)} images and {len(y)} labels")
    if len(y) and not 0 <= y.min() <= y.max() <= 9:
        worst = y.min() if y.min() < 0 else y.max()
        raise ValueError(f"label {worst.item()} is out of range: 0 to 9")
