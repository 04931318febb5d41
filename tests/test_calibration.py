import numpy as np
import pytest
import torch
from sklearn import decomposition
from sklearn.linear_model import LinearRegression

from genmnist import calibration
from genmnist.calibration import PCA, best_linear_map, calibrate, denoising, pixels
from genmnist.data import DEFAULT_ROOT, Images, load

needs_mnist = pytest.mark.skipif(  # archives are unpacked by load()
    not [*DEFAULT_ROOT.glob("MNIST/raw/*-ubyte*")], reason="the official MNIST files are not here"
)


def some_images(n, seed=0, source="MNIST"):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(256, (n, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return Images(x, torch.arange(n) % 10, source)


def test_pca_agrees_with_scikit_learn():
    mixing = torch.randn(20, 20, dtype=torch.float64)
    x, new = (torch.randn(n, 20, dtype=torch.float64) @ mixing + 3 for n in (200, 50))
    theirs = decomposition.PCA(6).fit(x.numpy())
    rebuilt = theirs.inverse_transform(theirs.transform(new.numpy()))
    np.testing.assert_allclose(PCA(x).rebuild(new, 6), rebuilt, atol=1e-8)
    expected = ((new.numpy() - rebuilt) ** 2).sum(axis=1)
    np.testing.assert_allclose(PCA(x).errors(new, 6), expected, rtol=1e-6)


def test_pca_with_all_directions_loses_nothing():
    x = torch.randn(50, 8, dtype=torch.float64)
    assert PCA(x).errors(x, 8).max() < 1e-20


def test_the_best_linear_map_agrees_with_scikit_learn_and_is_clipped():
    y, x = torch.randn(300, 5), torch.rand(300, 4)
    theirs = LinearRegression().fit(y.numpy(), x.numpy())
    new = torch.randn(40, 5) * 5
    expected = theirs.predict(new.numpy()).clip(0, 1)
    np.testing.assert_allclose(best_linear_map(y, x)(new), expected, atol=1e-4)


def test_a_pixel_that_is_always_black_does_not_spoil_the_linear_map():
    y = torch.cat([torch.rand(100, 3), torch.zeros(100, 1)], dim=1)
    assert best_linear_map(y, y)(y).sub(y).abs().max() < 1e-5


def test_the_grey_floor_is_the_cross_entropy_of_a_perfect_reconstruction():
    images = some_images(20)
    x = pixels(images)
    perfect = torch.nn.functional.binary_cross_entropy(x, x, reduction="none").sum(dim=1).mean()
    floor = calibration.grey_cross_entropy_floor((images, images))["grey cross-entropy floor"]
    assert floor == pytest.approx(perfect.item(), rel=1e-4)
    black = Images(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.zeros(3), "MNIST")
    assert calibration.grey_cross_entropy_floor((black, black)) == {"grey cross-entropy floor": 0}


def test_noise_of_the_stated_size_is_added_before_clipping():
    images = Images(torch.full((800, 1, 28, 28), 128, dtype=torch.uint8), torch.zeros(800), "MNIST")
    found = denoising((images, images), sigmas=[0.1])
    assert found["noise 0.1"] == pytest.approx(20, abs=0.05), "-10 log10(0.1^2) = 20 dB"


def test_other_images_are_told_that_calibration_does_not_apply(capsys):
    images = some_images(5, source="drawn digits")
    calibrate(images, images)
    assert "does not apply to drawn digits" in capsys.readouterr().out


def test_a_wrong_row_stops_with_both_numbers(capsys):
    images = some_images(5)
    wrong = [lambda pair: {"PCA-2": 43.66}]
    with pytest.raises(ValueError, match=r"PCA-2 is 43.6600, not 43.64"):
        calibrate(images, images, wrong)
    assert "WRONG" in capsys.readouterr().out
    calibrate(images, images, [lambda pair: {"PCA-2": 43.6449}])  # the same printed digits
    with pytest.raises(ValueError, match=r"PCA-2 is 43.6600, not 43.64"):
        calibrate(images, images, wrong, shown=[])
    assert "WRONG" in capsys.readouterr().out, "what is wrong is printed in any case"


def test_of_many_rows_some_are_printed_and_all_are_counted(capsys):
    images = some_images(5)
    known = {k: float(calibration.EXPECTED["MNIST"][k]) for k in ("PCA-2", "PCA-30")}
    calibrate(images, images, [lambda pair: known | {"unknown": 1.0}], shown=["PCA-30"])
    first, last = capsys.readouterr().out.splitlines()
    assert first.strip().startswith("PCA-30: ")
    assert last.startswith("2 baselines computed on MNIST, all")


@needs_mnist
def test_the_official_files_give_the_known_digits():
    calibrate(load("MNIST", "train"), load("MNIST", "test"), calibration.QUICK)


@needs_mnist
def test_the_stored_judge_has_the_stored_accuracy():
    test = load("MNIST", "test")
    calibrate(test, test, [calibration.judge_accuracy])
