"""What only the labs use: baselines without a network, one autoencoder a class, what is known."""

import json

import pytest
import torch

from genmnist import anomaly, baselines, plots, published
from genmnist.autoencoder import squared_error
from genmnist.networks import FullyConnected


def test_the_linear_code_leaves_the_squared_singular_values_that_it_drops():
    x = torch.rand(80, 1, 6, 6)
    left = torch.linalg.svdvals((x - x.mean(dim=0)).flatten(1))[10:].square().sum()
    code = baselines.LinearCode(x, 10)
    assert code.encode(x).shape == (80, 10) and code(x).shape == x.shape
    torch.testing.assert_close(squared_error(code(x), x).sum(), left, rtol=1e-3, atol=0)


def test_the_linear_map_finds_a_linear_map():
    x = torch.rand(4_100, 1, 4, 4)
    turned = 0.1 + 0.8 * x.flip(3)
    found = baselines.LinearMap(x[:4_000], turned[:4_000])(x[4_000:])
    torch.testing.assert_close(found, turned[4_000:], rtol=0, atol=0.02)


def test_the_filters_stay_within_an_image_and_remove_a_single_pixel():
    x = torch.zeros(3, 1, 9, 9)
    x[1, 0, 4, 4] = 1
    assert not baselines.median(x).any()
    blurred = baselines.blur(x, 1.0)
    assert not blurred[[0, 2]].any()
    y, sigma = torch.arange(9.0) - 4, 1.0
    kernel = (-(y**2) / (2 * sigma**2)).exp()
    expected = torch.outer(kernel, kernel) / kernel.sum() ** 2
    torch.testing.assert_close(blurred[1, 0], expected, rtol=0, atol=1e-3)


def test_each_image_goes_through_the_autoencoder_of_its_class_and_trains_it_alone():
    models, x, y = anomaly.OnePerClass(784, 5), torch.rand(6, 1, 28, 28), torch.tensor([3, 7] * 3)
    x_hat = models(x, y)
    torch.testing.assert_close(x_hat[1:2], models.members[7](x[1:2]))
    squared_error(x_hat, x).mean().backward()
    trained = [
        any(p.grad is not None and p.grad.any() for p in m.parameters()) for m in models.members
    ]
    assert [c for c, touched in enumerate(trained) if touched] == [3, 7]
    scores = models.scores(lambda x_hat, x, factor: factor * squared_error(x_hat, x), x, 2)
    torch.testing.assert_close(scores[:, 4], 2 * squared_error(models.members[4](x), x))


def test_auroc_counts_the_pairs_in_which_the_strange_image_scores_higher():
    normal, strange = torch.randn(40), torch.randn(30) + 1
    pairs = strange[:, None] > normal
    assert anomaly.auroc(normal, strange) == pytest.approx(100 * pairs.float().mean().item())


def test_one_and_nine_normal_classes_take_the_scores_that_they_should():
    y = torch.arange(10).repeat(5)
    scores = 1.0 - torch.nn.functional.one_hot(y, 10)  # only the own autoencoder is good
    assert anomaly.one_normal(scores, y) == 100
    assert anomaly.nine_normal(scores, y, strange=4) == 100
    scores[y == 4, 6] = 0  # class 4 is rebuilt as well by that of class 6
    assert anomaly.nine_normal(scores, y, strange=4) == 50
    assert anomaly.best_of_nine(scores, strange=6)[y == 6].eq(1).all()


def test_a_fully_connected_autoencoder_has_its_sizes_there_and_back():
    model, x = FullyConnected(784, 30, 3), torch.rand(4, 1, 28, 28)
    assert model.encode(x).shape == (4, 3) and model(x).shape == x.shape
    assert sum(p.numel() for p in model.parameters() if p.dim() == 2) == 2 * (784 * 30 + 30 * 3)


def test_results_carry_what_stands_beside_them(capsys):
    results = published.beside({"A3": 20.4, "A1": 2.9}, {"A3": {"FashionMNIST": 19.6}})
    assert json.loads(json.dumps(results)) == results and [*results] == ["A1", "A3"]
    assert results["A3"]["detail"] == {"FashionMNIST": 19.6}
    for row in results.values():
        assert row["what"] and row["unit"] and row["beside"]
        assert all(float(text.partition(":")[0]) > 0 for text in row["beside"])
    shown = capsys.readouterr().out
    assert "2.9" in shown and "Hinton and Salakhutdinov 2006" in shown
    with pytest.raises(KeyError, match="A9"):
        published.beside({"A9": 1.0}, {})


def test_groups_of_points_are_described(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "show", lambda fig, alt: shown.append(alt))
    group = torch.full((9,), 2.0), torch.full((9,), 5.0)
    plots.points({"few": group}, title="T", xlabel="size", ylabel="error")
    assert "few around 2, 5" in shown[0] and "error against size" in shown[0]
