import pytest
import torch

from genmnist import calibration
from genmnist.calibration import calibrate
from genmnist.data import Images, load


def some_images(n, source="MNIST"):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(256, (n, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return Images(x, torch.arange(n) % 10, source)


def test_the_grey_floor_is_the_cross_entropy_of_a_perfect_reconstruction():
    images = some_images(20)
    x = images.x / 255
    perfect = torch.nn.functional.binary_cross_entropy(x, x, reduction="none").sum() / 20
    floor = calibration.grey_cross_entropy_floor((images, images))["grey cross-entropy floor"]
    assert floor == pytest.approx(perfect.item(), rel=1e-4)
    black = Images(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.zeros(3), "MNIST")
    assert calibration.grey_cross_entropy_floor((black, black)) == {"grey cross-entropy floor": 0}


def test_other_images_are_told_that_calibration_does_not_apply(capsys):
    images = some_images(5, source="samples")
    calibrate(images, images, [calibration.judge_accuracy])
    assert "does not apply to samples" in capsys.readouterr().out


def test_a_wrong_row_stops_with_both_numbers(capsys):
    images, name = some_images(5), "grey cross-entropy floor"
    with pytest.raises(ValueError, match=r"floor is 45\.5400, not 45\.53"):
        calibrate(images, images, [lambda pair: {name: 45.54}])
    assert "WRONG" in capsys.readouterr().out
    calibrate(images, images, [lambda pair: {name: 45.5349}])  # the same printed digits


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_the_official_files_give_the_known_floor(name):
    test = load(name, "test")
    calibrate(test, test, [calibration.grey_cross_entropy_floor])


def test_the_stored_judge_has_the_stored_accuracy():
    test = load("MNIST", "test")
    calibrate(test, test, [calibration.judge_accuracy])
