"""Metrics against independent oracles: SciPy, brute force, cases that are known exactly."""

import math
import shutil

import pytest
import torch
from scipy.linalg import sqrtm

from genmnist import metrics
from genmnist.data import load
from genmnist.metrics import (
    frechet_distance,
    load_classifier,
    precision_recall,
    psnr,
    scoreboard,
)


def features(n, d=4, shift=0.0):
    return torch.randn(n, d) @ torch.randn(d, d) + shift


def test_the_frechet_distance_is_that_of_a_matrix_square_root():
    torch.manual_seed(0)
    a, b = features(60), features(50, shift=1.0)
    cov_a, cov_b = (torch.cov(x.T).double().numpy() for x in (a, b))
    cross = sqrtm(cov_a @ cov_b).real
    shift = (a.double().mean(0) - b.double().mean(0)).square().sum().item()
    expected = shift + (cov_a + cov_b - 2 * cross).trace()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)


def test_precision_and_recall_are_those_of_brute_force():
    torch.manual_seed(1)
    real, fake, k = torch.randn(30, 4), 0.8 * torch.randn(30, 4) + 1, 3

    def within(x, among):
        inside = 0
        for point in x:
            for center in among:
                radius = sorted((center - other).norm().item() for other in among)[k]
                if (point - center).norm().item() <= radius:
                    inside += 1
                    break
        return inside / len(x)

    expected = within(fake, real), within(real, fake)
    assert 0 < min(expected) < max(expected) < 1
    assert precision_recall(real, fake, k=k) == pytest.approx(expected)


def test_one_mode_has_precision_and_no_recall():
    torch.manual_seed(2)
    real = torch.cat([torch.randn(100, 2), torch.randn(100, 2) + 50])
    precision, recall = precision_recall(real, torch.randn(200, 2))
    assert precision > 0.9 and recall < 0.6


def test_bad_features_are_refused():
    a = torch.randn(9, 4)
    for other, words in ((a[:4], "more samples"), (a[:, :3], "need"), (a * math.nan, "nan")):
        with pytest.raises(ValueError, match=words):
            frechet_distance(a, other)
    with pytest.raises(ValueError, match="equally many"):
        precision_recall(a, a[:8])
    with pytest.raises(ValueError, match="k is 9"):
        precision_recall(a, a, k=9)


def test_psnr_of_a_known_error():
    x = torch.rand(2, 1, 5, 5)
    torch.testing.assert_close(psnr(x + 0.1, x), torch.full((2,), 20.0))
    with pytest.raises(ValueError, match="differ"):
        psnr(x, x[:1])


def test_the_classifier_reads_test_images_and_the_scoreboard_ranks():
    test = load("MNIST", "test")[:400]
    x, classifier = test.x / 255, load_classifier("MNIST")
    assert (classifier.labels(x) == test.y).float().mean() > 0.98
    noisy = (x + 0.3 * torch.randn_like(x)).clamp(0, 1)
    rows = scoreboard({"real": x[200:], "noisy": noisy[200:]}, x[200:], x[:200], classifier)
    assert rows["real"]["Fréchet distance"] == pytest.approx(1)
    assert rows["real"]["precision"] == rows["real"]["recall"] == 1
    real, fake = classifier.features(x[200:]), classifier.features(noisy[200:])
    assert fake.shape == (200, 128) and rows["noisy"]["Fréchet distance"] > 2
    assert (rows["noisy"]["precision"], rows["noisy"]["recall"]) == precision_recall(real, fake)
    for bad, words in ((x[:, 0], "shape"), (x + 0.01, "pixel value")):
        with pytest.raises(ValueError, match=words):
            classifier.features(bad)


def test_a_damaged_or_unknown_classifier_is_named(tmp_path, monkeypatch):
    shutil.copytree(metrics.WEIGHTS, tmp_path / "weights")
    monkeypatch.setattr(metrics, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(ValueError, match=r"KMNIST-0\.pt"):
        load_classifier("KMNIST")
    (tmp_path / "weights/MNIST-0.pt").write_bytes(b"cut")
    with pytest.raises(ValueError, match="git checkout"):
        load_classifier("MNIST")
