"""How good are images?  A fixed classifier, and measures of samples in its features."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms import RandomCrop

from genmnist.autoencoder import squared_error
from genmnist.data import Batches, Images
from genmnist.training import in_parts

WEIGHTS = Path(__file__).parents[2] / "data/classifiers"
BLOCK = 1_000  # rows of a distance matrix at a time: 10,000 columns of them take 40 MB


class Classifier(nn.Module):
    """The course's classifier of (b, 1, 28, 28) images in [0, 1].  forward -> (b, 10) logits

    Its weights come with the repository, so that everybody's distances can be compared.
    """

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
        """The last hidden layer, after its ReLU, without gradients.  (n, 1, 28, 28) -> (n, 128)"""
        return in_parts(self.body, _in_range(x), size=200)

    def labels(self, x: Tensor) -> Tensor:
        """The likeliest class of each image.  (n, 1, 28, 28) -> (n,)"""
        return in_parts(self, _in_range(x), size=200).argmax(dim=1)

    def accuracy(self, x: Tensor, y: Tensor) -> float:
        """The share of images that are read as the class y (n,)."""
        return (self.labels(x) == y).sum().item() / len(x)


def _in_range(x: Tensor) -> Tensor:
    if x.dim() != 4 or x.shape[1:] != (1, 28, 28):
        raise ValueError(f"images have shape {tuple(x.shape)}; (n, 1, 28, 28) is needed")
    outside = x[~((x >= 0) & (x <= 1))]  # true of NaN as well
    if len(outside):
        raise ValueError(f"pixel value {outside[0].item():.4g}: images in [0, 1] are needed")
    return x


def load_classifier(name: str, *, seed: int = 0, device: torch.device | None = None) -> Classifier:
    """The classifier of a data set; seed 1 is a second one, trained from another start.

    Raises:
        ValueError: if there is none of that name, or its file is not the one of the checksum.
    """
    sums = json.loads((WEIGHTS / "checksums.json").read_text("utf-8"))
    path = WEIGHTS / f"{name}-{seed}.pt"
    if path.name not in sums:
        raise ValueError(f"no classifier {path.name}: there are {', '.join(sums)}")
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != sums[path.name]:
        raise ValueError(
            f"{path} is missing or is not the file of the course (its SHA-256 differs). "
            "Get it anew: git checkout -- data"
        )
    classifier = Classifier()
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    classifier.load_state_dict({key: tensor.float() for key, tensor in state.items()})
    return classifier.to(device).eval().requires_grad_(False)


def train_classifier(images: Images, epochs: int, *, seed: int) -> Classifier:
    """A classifier trained with shifts of up to 2 pixels and one cycle of the learning rate.

    The stored weights are those after 6 epochs, fixed beforehand, on the first 50,000 training
    images, in half precision.
    """
    torch.manual_seed(seed)
    classifier = Classifier().to(images.x.device)
    batches = Batches(images, 128, shuffle=True, drop_last=True, labels=True)
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=4e-3, total_steps=epochs * len(batches)
    )
    shift = RandomCrop(28, padding=2)
    for _ in range(epochs):
        for x, y in batches:
            moved = torch.stack([shift(image) for image in x])
            loss = F.cross_entropy(classifier(moved), y, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier.eval()


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), in squared feature units.
    With the classifier's features it ranks models in this course; it is not FID, which is defined
    on Inception-v3 features.

    Args:
        a, b: (n, d) and (m, d).  Biased upwards for small n, so compare equal n only.

    Raises:
        ValueError: if n or m <= d, where a covariance cannot have full rank; if a value is not
            finite or the numbers of features differ.

    Heusel et al. (2017), equation 6.
    """
    _check_features(a, b)
    if min(len(a), len(b)) <= a.shape[1]:
        raise ValueError(f"{a.shape[1]} features need more samples than {len(a)} and {len(b)}")
    a, b = a.cpu().double(), b.cpu().double()  # Apple's GPUs have no double precision
    cov_a, cov_b = a.T.cov(), b.T.cov()  # (d, d)
    # cov_a cov_b is similar to a positive semi-definite matrix: its eigenvalues are real, >= 0
    cross = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    shift = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    return float(shift + cov_a.trace() + cov_b.trace() - 2 * cross)


def precision_recall(real: Tensor, fake: Tensor, *, k: int = 5) -> tuple[float, float]:
    """Precision and recall of features (n, d) each, by k-th nearest neighbours.

    Precision: the share of fakes within the ball of a real image, which reaches up to its k-th
    nearest other real image.  Recall: the share of real images within the ball of a fake.

    Raises:
        ValueError: if the numbers differ, since both measures depend on n; if k is not in
            1 … n - 1; if a value is not finite.

    Kynkäänniemi et al. (2019).
    """
    _check_features(real, fake)
    n = len(real)
    if len(fake) != n:
        raise ValueError(f"{n} real and {len(fake)} fake: take equally many, both depend on n")
    if not 1 <= k < n:
        raise ValueError(f"k is {k}: it must lie between 1 and n - 1 = {n - 1}")
    # distances stay the same, and round less, when the features lie around 0
    centre = real.mean(dim=0).round()
    real, fake = real - centre, fake - centre
    return _share_within(fake, real, k), _share_within(real, fake, k)


def _share_within(x: Tensor, among: Tensor, k: int) -> float:
    """The share of rows of x that lie in the k-th neighbour ball of a row of `among`."""
    near = (torch.cdist(part, among).topk(k + 1, largest=False) for part in among.split(BLOCK))
    radius = torch.cat([found.values[:, k] for found in near])  # the nearest is the row itself
    inside = [(torch.cdist(part, among) <= radius).any(dim=1) for part in x.split(BLOCK)]
    return torch.cat(inside).float().mean().item()


def _check_features(a: Tensor, b: Tensor) -> None:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features of shapes {tuple(a.shape)} and {tuple(b.shape)}: need (n, d)")
    for name, values in (("first", a), ("second", b)):
        if not values.isfinite().all():
            bad = values[~values.isfinite()][0].item()
            raise ValueError(f"the {name} features contain {bad}")


def scoreboard(
    samples: Mapping[str, Tensor], real: Tensor, train: Tensor, classifier: Classifier
) -> dict[str, dict[str, float]]:
    """name -> Fréchet distance, precision and recall of its samples, in the classifier's features.

    The distance is to `train`, divided by that of `real`: 1 is as close as held-out real images.

    Args:
        samples: name -> images (n, 1, 28, 28) in [0, 1].
        real: held-out real images, as many.  train: as many training images.
    """
    n = min(len(real), len(train))
    real, train = classifier.features(real[:n]), classifier.features(train[:n])
    floor, rows = frechet_distance(real, train), {}
    for name, x in samples.items():
        fake = classifier.features(x[:n])
        precision, recall = precision_recall(real, fake)
        distance = frechet_distance(fake, train) / floor
        rows[name] = {"Fréchet distance": distance, "precision": precision, "recall": recall}
    return rows


def psnr(x_hat: Tensor, x: Tensor) -> Tensor:
    """Peak signal-to-noise ratio -10 log10(mean squared error) in dB, for a peak of 1.

    x_hat, x: (b, ...).  Returns (b,); its mean over images is not the PSNR of the mean error.

    Raises:
        ValueError: if the shapes differ.
    """
    return -10 * (squared_error(x_hat, x) / x[0].numel()).log10()
