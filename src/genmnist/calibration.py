"""Numbers that must come out the same everywhere: if one does not, the data or a formula is wrong.

No network is trained here.  Each function computes a baseline on the official files; `EXPECTED`
holds the digits that it has to print.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from genmnist.data import Images
from genmnist.evaluation import auroc, parzen_log_likelihood, psnr, squared_error, zlib_bytes
from genmnist.judge import accuracy, load_judge
from genmnist.modes import stack_digits

Pair = tuple[Images, Images]  # train, test


def pixels(images: Images) -> Tensor:
    """Flat images in [0, 1], on the CPU, where there is double precision.  -> (n, 784)"""
    return images.x.cpu().flatten(1) / 255


class PCA:
    """The k best directions of a set of vectors, by squared error.  x: (n, d)"""

    def __init__(self, x: Tensor) -> None:
        x = x.double()
        self.mean = x.mean(dim=0)
        self.variance, self.directions = torch.linalg.eigh(x.T.cov())
        self.variance, self.directions = self.variance.flip(0), self.directions.flip(1)

    def rebuild(self, x: Tensor, k: int) -> Tensor:
        """Through k numbers and back.  (n, d) -> (n, d), not clipped"""
        v = self.directions[:, :k]
        return (x.double() - self.mean) @ v @ v.T + self.mean

    def errors(self, x: Tensor, k: int) -> Tensor:
        """Squared error of each row, summed over pixels.  (n, d) -> (n,)"""
        return (x - self.rebuild(x, k)).square().sum(dim=1)


def pca_errors(pair: Pair) -> dict[str, float]:
    """Squared error per test image of PCA fitted to the 60,000 training images, k numbers kept."""
    train, test = map(pixels, pair)
    pca = PCA(train)
    found = {"mean image": (test - pca.mean).square().sum(dim=1).mean().item()}
    for k in (2, 10, 16, 20, 30, 32, 64):
        x_hat = pca.rebuild(test, k)
        found[f"PCA-{k}"] = squared_error(x_hat, test).mean().item()
        found[f"PCA-{k}, clipped to [0, 1]"] = squared_error(x_hat.clamp(0, 1), test).mean().item()
    return found


def grey_cross_entropy_floor(pair: Pair) -> dict[str, float]:
    """Cross-entropy of perfect reconstructions: the entropy of grey pixels, nats per test image."""
    x = pixels(pair[1]).double()
    entropy = -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))
    return {"grey cross-entropy floor": entropy.sum(dim=1).mean().item()}


def lossless_bytes(pair: Pair) -> dict[str, float]:
    """Mean bytes of a test image after zlib."""
    return {"zlib bytes": zlib_bytes(pair[1].x)}


def one_class_auroc(pair: Pair) -> dict[str, float]:
    """AUROC in % for one class against the other nine, for each class and in the mean.

    Scores: the error of a PCA-30 of the class's training images, and the mean distance to the 5
    nearest of them.  All test images are scored.
    """
    train, test = map(pixels, pair)
    scores: dict[str, list[float]] = {"PCA-30": [], "5-NN": []}
    for c in range(10):
        own, normal = train[pair[0].y.cpu() == c], pair[1].y.cpu() == c
        error = PCA(own).errors(test, 30)
        parts = [torch.cdist(t, own).topk(5, largest=False).values for t in test.split(2_000)]
        near = torch.cat(parts).mean(dim=1)
        scores["PCA-30"].append(100 * auroc(error[normal], error[~normal]))
        scores["5-NN"].append(100 * auroc(near[normal], near[~normal]))
    each = {f"one-class {k}, {c}": v for k, values in scores.items() for c, v in enumerate(values)}
    return {f"one-class {k}": sum(values) / 10 for k, values in scores.items()} | each


def out_of_distribution(pair: Pair, other: Images) -> dict[str, float]:
    """AUROC in % of this data set's test images against another's: PCA-30 error, and brightness."""
    train, test, strange = pixels(pair[0]), pixels(pair[1]), pixels(other)
    pca = PCA(train)
    return {
        "out of distribution, PCA-30": 100 * auroc(pca.errors(test, 30), pca.errors(strange, 30)),
        "out of distribution, brightness": 100 * auroc(test.mean(dim=1), strange.mean(dim=1)),
    }


def denoising(pair: Pair, sigmas: Sequence[float] = (0.25, 0.5, 1.0)) -> dict[str, float]:
    """Mean PSNR in dB, and squared error per pixel, of test images with noise N(0, sigma^2).

    LMMSE: on clipped images the best affine map from noisy to clean, fitted to the first 30,000
    training images; on unclipped ones C (C + sigma^2 I)^-1 with the covariance C of all of them.
    """
    train, test = map(pixels, pair)
    generator = torch.Generator().manual_seed(0)
    mean, covariance = train.double().mean(dim=0), train.double().T.cov()
    found = {}
    for sigma in sigmas:
        noisy = [x + sigma * torch.randn(x.shape, generator=generator)
                 for x in (train[:30_000], test)]  # fmt: skip
        clipped = [y.clamp(0, 1) for y in noisy]
        weights = torch.linalg.solve(covariance + sigma**2 * torch.eye(len(mean)), covariance)
        linear = ((noisy[1].double() - mean) @ weights + mean).clamp(0, 1).float()
        found |= {
            f"noise {sigma}": psnr(clipped[1], test).mean().item(),
            f"noise {sigma}, LMMSE": _denoised(clipped, train, test),
            f"noise {sigma}, LMMSE unclipped": psnr(linear, test).mean().item(),
            f"error of noise {sigma}": (clipped[1] - test).square().mean().item(),
            f"error of noise {sigma}, LMMSE unclipped": (linear - test).square().mean().item(),
        }
    return found


def salt_and_pepper(pair: Pair) -> dict[str, float]:
    """The same with a share of the pixels set to 0 or 1, evenly."""
    train, test = map(pixels, pair)
    generator = torch.Generator().manual_seed(0)
    found = {}
    for share in (0.3, 0.5):
        noisy = []
        for x in (train[:30_000], test):
            hit = torch.rand(x.shape, generator=generator) < share
            noisy.append(torch.where(hit, torch.rand(x.shape, generator=generator).round(), x))
        found[f"salt and pepper {share:.0%}"] = psnr(noisy[1], test).mean().item()
        found[f"salt and pepper {share:.0%}, LMMSE"] = _denoised(noisy, train, test)
    return found


def _denoised(noisy: list[Tensor], train: Tensor, test: Tensor) -> float:
    return psnr(best_linear_map(noisy[0], train[:30_000])(noisy[1]), test).mean().item()


def super_resolution(pair: Pair) -> dict[str, float]:
    """Mean PSNR in dB of means over 4 x 4 or 2 x 2 pixels blown up again: nearest, linear map."""
    train, test = map(pixels, pair)
    found = {}
    for side, factor in ((7, 4), (14, 2)):
        small = [F.avg_pool2d(x.view(-1, 1, 28, 28), factor) for x in (train, test)]
        nearest = F.interpolate(small[1], scale_factor=factor).flatten(1)
        linear = best_linear_map(small[0].flatten(1), train)(small[1].flatten(1))
        found[f"{side} to 28, nearest"] = psnr(nearest, test).mean().item()
        found[f"{side} to 28, linear"] = psnr(linear, test).mean().item()
    return found


def best_linear_map(y: Tensor, x: Tensor) -> Callable[[Tensor], Tensor]:
    """The affine map from y to x with the least squared error, its output clipped to [0, 1]."""
    y_mean, x_mean = y.double().mean(dim=0), x.double().mean(dim=0)
    yc, xc = y.double() - y_mean, x.double() - x_mean
    # the pseudo-inverse: pixels that are always black have no variance
    weights = torch.linalg.pinv(yc.T @ yc, hermitian=True) @ (yc.T @ xc)
    return lambda new: ((new.double() - y_mean) @ weights + x_mean).clamp(0, 1).to(new.dtype)


def stacked_digits(pair: Pair) -> dict[str, float]:
    """KL to even shares of 26,000 real stacked digits by their labels: the floor for models."""
    kls = []
    for seed in range(10):
        _, modes = stack_digits(pair[0], 26_000, seed=seed)
        shares = torch.bincount(modes.cpu(), minlength=1000).double() / 26_000
        kls.append(torch.xlogy(shares, shares * 1000).sum().item())
    return {"stacked digits, KL": sum(kls) / 10}


def parzen(pair: Pair) -> dict[str, float]:
    """Parzen log-likelihood, nats, of real training images as samples, and of the same blurred."""
    train, test = map(pixels, pair)
    kernels, validation = train[:10_000], train[50_000:51_000]
    pca = PCA(train[:50_000])
    blurred = {f"PCA-{k}": pca.rebuild(kernels, k).clamp(0, 1).float() for k in (50, 30)}
    samples = {"real": kernels} | blurred
    found = {}
    for name, x in samples.items():
        sigmas = [0.05 + 0.01 * i for i in range(20)]
        fits = [parzen_log_likelihood(validation, x, sigma=s).mean().item() for s in sigmas]
        sigma = sigmas[max(range(len(sigmas)), key=fits.__getitem__)]
        found[f"Parzen, {name}"] = parzen_log_likelihood(test, x, sigma=sigma).mean().item()
    return found


def _pca(text: str) -> dict[str, str]:
    """Rows of pca_errors from pairs "error clipped", one for each k."""
    pairs = (pair.split() for pair in text.split(", "))
    return {
        f"PCA-{k}{suffix}": value
        for k, pair in zip((2, 10, 16, 20, 30, 32, 64), pairs, strict=True)
        for suffix, value in zip(("", ", clipped to [0, 1]"), pair, strict=True)
    }


def _classes(score: str, mean: str, text: str) -> dict[str, str]:
    """Rows of one_class_auroc: the mean, then one value for each class."""
    each = {f"one-class {score}, {c}": value for c, value in enumerate(text.split())}
    return {f"one-class {score}": mean, **each}


def judge_accuracy(pair: Pair) -> dict[str, float]:
    """Test accuracy in % of the judge that comes with the course."""
    test = pair[1]
    judge = load_judge(test.source, device=test.x.device)
    return {"judge accuracy": 100 * accuracy(judge, test)}


ONE_IMAGE = 0.015  # in %, of 10,000 test images, one of which may fall either way elsewhere
NOISE = 0.03  # dB, over 10,000 images with another draw of the noise

# Row -> value as printed, per data set.  Where a right result may differ by more than its printed
# digits, because noise was drawn or kernels were chosen, TOLERANCE says by how much.
EXPECTED: dict[str, dict[str, str]] = {
    "MNIST": {
        "mean image": "52.90", "zlib bytes": "190.4", "grey cross-entropy floor": "45.53",
        **_pca("43.64 43.49, 26.71 25.79, 21.06 19.90, 18.45 17.23, 13.87 12.59, 13.19 11.92, "
               "7.09 6.08"),
        **_classes("PCA-30", "95.73", "99.2 99.9 92.5 95.5 95.2 97.3 98.7 97.0 85.8 96.2"),
        **_classes("5-NN", "95.42", "99.5 99.9 92.4 93.7 94.5 95.3 97.9 96.2 88.7 96.0"),
        "out of distribution, PCA-30": "95.9", "out of distribution, brightness": "87.7",
        "noise 0.25": "14.86", "noise 0.25, LMMSE": "21.72", "noise 0.25, LMMSE unclipped": "20.96",
        "noise 0.5": "9.38", "noise 0.5, LMMSE": "17.68", "noise 0.5, LMMSE unclipped": "17.67",
        "error of noise 0.25": "0.03274", "error of noise 0.25, LMMSE unclipped": "0.00829",
        "error of noise 0.5": "0.11565", "error of noise 0.5, LMMSE unclipped": "0.01774",
        "error of noise 1.0": "0.25249", "error of noise 1.0, LMMSE unclipped": "0.03276",
        "noise 1.0": "5.98", "noise 1.0, LMMSE": "14.61", "noise 1.0, LMMSE unclipped": "15.01",
        "salt and pepper 30%": "8.42", "salt and pepper 30%, LMMSE": "17.56",
        "salt and pepper 50%": "6.20", "salt and pepper 50%, LMMSE": "15.49",
        "7 to 28, nearest": "13.97", "7 to 28, linear": "16.60",
        "14 to 28, nearest": "18.04", "14 to 28, linear": "22.74",
        "judge accuracy": "99.64", "stacked digits, KL": "0.0234",
        "Parzen, real": "243.8", "Parzen, PCA-50": "315.9", "Parzen, PCA-30": "295.3",
    },
    "FashionMNIST": {
        "mean image": "67.93", "zlib bytes": "457.0", "grey cross-entropy floor": "189.86",
        **_pca("36.14 35.79, 19.09 18.59, 16.03 15.54, 14.66 14.16, 12.24 11.73, 11.87 11.36, "
               "8.13 7.71"),
        **_classes("PCA-30", "90.50", "89.7 98.5 88.1 91.7 88.1 87.9 81.8 98.5 83.4 97.2"),
        **_classes("5-NN", "92.31", "91.9 98.9 89.7 94.2 90.7 91.3 83.1 98.6 88.0 96.7"),
        "out of distribution, PCA-30": "97.2", "out of distribution, brightness": "12.3",
        "error of noise 0.5": "0.11762", "error of noise 0.5, LMMSE unclipped": "0.01800",
        "noise 0.5": "9.30", "noise 0.5, LMMSE": "17.56", "noise 0.5, LMMSE unclipped": "17.73",
        "salt and pepper 30%": "9.03", "salt and pepper 30%, LMMSE": "17.83",
        "salt and pepper 50%": "6.80", "salt and pepper 50%, LMMSE": "16.19",
        "7 to 28, nearest": "15.22", "7 to 28, linear": "18.01",
        "14 to 28, nearest": "18.41", "14 to 28, linear": "21.48",
        "judge accuracy": "92.52",
    },
}  # fmt: skip
TOLERANCE = {
    "noise": NOISE,
    "error": 0.0002,
    "salt": NOISE,
    "judge": ONE_IMAGE,
    "stacked": 0.0011,  # one standard deviation over draws
    "Parzen": 2.0,  # its standard error
}

QUICK = (pca_errors, grey_cross_entropy_floor)
MORE = (one_class_auroc, lossless_bytes, denoising, salt_and_pepper, super_resolution,
        judge_accuracy)  # fmt: skip
MNIST_ONLY = (stacked_digits, parzen)


def calibrate(
    train: Images,
    test: Images,
    rows: Iterable[Callable[[Pair], dict[str, float]]] = QUICK,
    shown: Collection[str] | None = None,
) -> None:
    """Compute rows that are known, and print each, or those in `shown`, beside what it has to be.

    Raises:
        ValueError: if one differs in its printed digits: the data or a formula is wrong, and
            nothing that follows can be compared.
    """
    expected = EXPECTED.get(train.source)
    if expected is None:
        print(f"Calibration does not apply to {train.source}: it is for the official files.")
        return
    wrong, count = [], 0
    for compute in rows:
        found = compute((train, test))
        for name in [name for name in found if name in expected]:
            count += 1
            wanted = expected[name]
            agrees = abs(found[name] - float(wanted)) <= _tolerance(name, wanted) + 1e-9
            line = f"{name:>34}: {found[name]:9.4f}, expected {wanted}"
            if shown is None or name in shown or not agrees:
                print(line + ("" if agrees else "  WRONG"), flush=True)
            if not agrees:
                wrong.append(f"{name} is {found[name]:.4f}, not {wanted}")
    if wrong:
        raise ValueError(f"{train.source} or a formula is not as it should be: {'; '.join(wrong)}")
    if shown is not None:
        print(f"{count} baselines computed on {train.source}, all of them as they have to be")


def _tolerance(name: str, wanted: str) -> float:
    """Half of the last printed digit, or what TOLERANCE says."""
    digits = len(wanted.partition(".")[2])
    return TOLERANCE.get(name.partition(" ")[0].rstrip(","), 0.5 * 10**-digits)
