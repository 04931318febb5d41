import json

import pytest
import torch

from genmnist.data import DEFAULT_ROOT, load
from genmnist.judge import (
    Judge,
    label_accuracy,
    load_judge,
    random_shift,
    train_on_synthetic,
)


class ReadsTheFirstPixel(Judge):
    """A judge that is right by construction: the class is written in the corner, times ten."""

    def forward(self, x):
        return torch.nn.functional.one_hot((x[:, 0, 0, 0] * 10).round().long(), 10).float()


def marked(labels):
    x = torch.zeros(len(labels), 1, 28, 28)
    x[:, 0, 0, 0] = labels / 10
    return x


def test_label_accuracy_counts_samples_that_are_what_was_asked_for():
    y = torch.arange(10)
    asked = y.clone()
    asked[:3] = (asked[:3] + 1) % 10
    assert label_accuracy(ReadsTheFirstPixel(), marked(y), y) == 1
    assert label_accuracy(ReadsTheFirstPixel(), marked(y), asked) == pytest.approx(0.7)


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_named(label):
    with pytest.raises(ValueError, match=f"label {label} is out of range"):
        label_accuracy(Judge(), torch.zeros(2, 1, 28, 28), torch.tensor([3, label]))


def test_as_many_labels_as_images_are_needed():
    with pytest.raises(ValueError, match="3 images and 2 labels"):
        label_accuracy(Judge(), torch.zeros(3, 1, 28, 28), torch.zeros(2).long())


def test_a_shift_moves_the_whole_image_and_brings_in_black():
    torch.manual_seed(0)
    x = torch.zeros(300, 1, 9, 9)
    x[:, 0, 4, 4] = 1
    x[:, 0, 4, 5] = 0.5
    shifted = random_shift(x, most=2)
    seen = set()
    for image in shifted[:, 0]:
        row, column = (image == 1).nonzero()[0].tolist()
        assert image[row, column + 1] == 0.5 and image.sum() == 1.5
        seen.add((row - 4, column - 4))
    assert seen == {(r, c) for r in range(-2, 3) for c in range(-2, 3)}


def test_training_on_samples_notices_labels_that_lie():
    train, test = load("MNIST", "train")[:1_000], load("MNIST", "test")[:500]
    honest = train_on_synthetic(train.x / 255, train.y, test)
    lying = train_on_synthetic(train.x / 255, (train.y + 1) % 10, test)
    assert honest > 0.3 > 0.2 > lying, "chance is 0.1"


def test_every_stored_judge_is_the_one_of_its_checksum():
    checksums = json.loads((DEFAULT_ROOT / "classifiers/checksums.json").read_text("utf-8"))
    assert set(checksums) == {f"{n}-{s}.pt" for n in ("MNIST", "FashionMNIST") for s in (0, 1)}
    for file in checksums:
        name, seed = file.removesuffix(".pt").split("-")
        judge = load_judge(name, seed=int(seed))
        assert not judge.training and judge.features(torch.rand(2, 1, 28, 28)).shape == (2, 128)
        assert (DEFAULT_ROOT / "classifiers" / file).stat().st_size < 1_000_000
