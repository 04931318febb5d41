"""Every measure against a second way to get the same number."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from torch.distributions import Categorical, MultivariateNormal, kl

from genmnist import evaluation
from genmnist.evaluation import (
    class_histogram,
    frechet_distance,
    inception_score,
    kl_divergence,
    nearest_neighbours,
    parzen_log_likelihood,
    precision_recall,
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def correlated(n, d):
    """Features whose covariance is neither diagonal nor even."""
    return torch.randn(n, d) @ torch.randn(d, d) + torch.randn(d)


# --- Fréchet distance.


def frechet_by_sqrtm(a, b):
    a, b = a.double().numpy(), b.double().numpy()
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    shift = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return shift + np.trace(cov_a + cov_b - 2 * root)


@pytest.mark.parametrize("n, m, d", [(12, 12, 3), (40, 25, 6), (300, 200, 32)])
def test_the_frechet_distance_matches_the_matrix_square_root_of_scipy(n, m, d):
    a, b = correlated(n, d), correlated(m, d)
    assert frechet_distance(a, b) == pytest.approx(frechet_by_sqrtm(a, b), rel=1e-6)


def test_the_frechet_distance_matches_scipy_on_features_after_a_relu():
    a, b = correlated(400, 20).relu(), correlated(300, 20).relu()
    assert frechet_distance(a, b) == pytest.approx(frechet_by_sqrtm(a, b), rel=1e-6)


def test_dead_features_leave_the_frechet_distance_of_the_others():
    """A feature that is always 0 makes both covariances singular."""
    a, b = correlated(200, 4), correlated(200, 4)
    dead = torch.zeros(200, 3)
    with_dead = frechet_distance(torch.cat([a, dead], dim=1), torch.cat([b, dead], dim=1))
    assert with_dead == pytest.approx(frechet_distance(a, b), rel=1e-6)


def test_the_frechet_distance_of_two_known_gaussians_is_the_closed_form():
    """Diagonal covariances commute: |shift|^2 + sum (sigma_a - sigma_b)^2."""
    sigma_a, sigma_b = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([2.0, 0.5, 0.5])
    shift = torch.tensor([1.0, 0.0, -2.0])
    exact = (shift.square().sum() + (sigma_a - sigma_b).square().sum()).item()
    n = 100_000
    a, b = torch.randn(n, 3) * sigma_a, torch.randn(n, 3) * sigma_b + shift
    # the mean's shift and the standard deviations are known to about sigma / sqrt(n) = 0.6 %
    assert frechet_distance(a, b) == pytest.approx(exact, abs=0.1)


def test_the_frechet_distance_is_exact_for_commuting_covariances_that_are_not_diagonal():
    turn, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))
    white = torch.randn(50, 4, dtype=torch.float64)
    white = (white - white.mean(dim=0)) @ torch.linalg.inv(torch.linalg.cholesky(white.T.cov())).T
    sigma_a, sigma_b = torch.tensor([[1.0, 2, 3, 4], [4.0, 2, 1, 0.5]]).double()
    a, b = white * sigma_a @ turn, white * sigma_b @ turn
    exact = (sigma_a - sigma_b).square().sum().item()
    assert frechet_distance(a, b) == pytest.approx(exact, rel=1e-9)


def test_the_frechet_distance_is_zero_for_a_set_and_itself_in_any_order():
    a = correlated(200, 16)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(a, a.flip(0)) == pytest.approx(0, abs=1e-5)


def test_the_frechet_distance_is_symmetric_and_positive():
    a, b = correlated(100, 8), correlated(150, 8)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert frechet_distance(a, b) > 0.1


def test_a_shift_adds_its_squared_length_to_the_frechet_distance():
    a, c = correlated(100, 8).double(), torch.randn(8).double()
    length = c.square().sum().item()
    assert frechet_distance(a, a + c) == pytest.approx(length, rel=1e-6)


def test_the_frechet_distance_is_in_squared_units():
    a, b = correlated(100, 4), correlated(100, 4)
    assert frechet_distance(3 * a, 3 * b) == pytest.approx(9 * frechet_distance(a, b), rel=1e-5)


def test_the_frechet_distance_keeps_its_digits_far_from_the_origin():
    a, b = correlated(200, 4).double(), correlated(200, 4).double()
    far = frechet_distance(a + 1000, b + 1000)
    assert far == pytest.approx(frechet_distance(a, b), rel=1e-6)


@pytest.mark.parametrize("n, m", [(8, 100), (100, 8), (3, 3), (0, 0)])
def test_fewer_samples_than_features_have_no_frechet_distance(n, m):
    with pytest.raises(ValueError, match=f"8 features.*more samples than {n} and {m}"):
        frechet_distance(torch.randn(n, 8), torch.randn(m, 8))


def test_one_sample_more_than_features_is_enough_for_a_frechet_distance():
    assert math.isfinite(frechet_distance(torch.randn(9, 8), torch.randn(9, 8)))


@pytest.mark.parametrize("measure", [frechet_distance, precision_recall, nearest_neighbours])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", ["first", "second"])
def test_features_that_are_not_finite_are_named(measure, bad, which):
    good, spoilt = torch.randn(30, 4), torch.randn(30, 4)
    spoilt[17, 2] = bad
    pair = (spoilt, good) if which == "first" else (good, spoilt)
    with pytest.raises(ValueError, match=f"{which} features contain {bad}"):
        measure(*pair)


@pytest.mark.parametrize("measure", [frechet_distance, precision_recall, nearest_neighbours])
@pytest.mark.parametrize("shapes", [((30, 4), (30, 5)), ((30, 4), (30,)), ((30, 1, 4), (30, 4))])
def test_features_of_other_shapes_are_named(measure, shapes):
    with pytest.raises(ValueError) as error:
        measure(*(torch.randn(shape) for shape in shapes))
    assert all(str(shape) in str(error.value) for shape in shapes)


# --- Precision, recall, density, coverage.


def brute_manifold(real, fake, k):
    """From the definitions, one distance at a time, in double precision."""
    real, fake = ([np.array(row, dtype=float) for row in x.tolist()] for x in (real, fake))
    n = len(real)

    def distance(p, q):
        return math.sqrt(((p - q) ** 2).sum())

    def reach(points, i):
        others = [distance(points[i], points[j]) for j in range(n) if j != i]
        return sorted(others)[k - 1]

    real_reach, fake_reach = ([reach(points, i) for i in range(n)] for points in (real, fake))
    inside = [[distance(f, r) <= real_reach[i] for i, r in enumerate(real)] for f in fake]
    near_fake = [[distance(f, r) <= fake_reach[j] for r in real] for j, f in enumerate(fake)]
    precision = sum(any(row) for row in inside) / n
    recall = sum(any(row[i] for row in near_fake) for i in range(n)) / n
    density = sum(map(sum, inside)) / (k * n)
    coverage = sum(any(row[i] for row in inside) for i in range(n)) / n
    return precision, recall, density, coverage


@pytest.mark.parametrize("k", [1, 2, 5, 39])
@pytest.mark.parametrize("spread", [0.4, 1.0, 2.0])
def test_all_four_shares_match_loops_over_the_definitions(k, spread):
    real, fake = torch.randn(40, 3), spread * torch.randn(40, 3) + 0.5
    found = precision_recall(real, fake, k=k)
    assert found == pytest.approx(brute_manifold(real, fake, k), abs=1e-6)
    assert found._fields == ("precision", "recall", "density", "coverage")


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_all_four_shares_are_right_where_distances_tie(k):
    """Points on a lattice: many duplicates, and many fakes exactly on the edge of a ball."""
    for side in (3, 5, 9):
        real, fake = torch.randint(side, (2, 40, 2)).float()
        found = precision_recall(real, fake, k=k)
        assert found == pytest.approx(brute_manifold(real, fake, k), abs=1e-6)


@pytest.mark.parametrize("n", [20, 40])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_copies_of_the_real_images_are_exactly_within_reach(n, offset):
    """Each copy lies in its own ball and in those of the k images it is a neighbour of, on their
    edge: density (k + 1) / k, whatever the rounding, and wherever the features lie."""
    real = torch.randn(n, 16) + offset
    order = torch.randperm(n)
    expected = (1, 1, 4 / 3, 1)
    assert precision_recall(real, real[order], k=3) == pytest.approx(expected, abs=1e-6)


def test_images_that_come_more_than_k_times_have_a_reach_of_zero():
    real = torch.randn(8, 16).repeat(5, 1)
    assert precision_recall(real, real, k=3) == pytest.approx((1, 1, 5 / 3, 1), abs=1e-6)
    assert precision_recall(real, real + 1e-2, k=3) == (0, 0, 0, 0)


def test_the_shares_do_not_depend_on_the_size_of_a_block(monkeypatch):
    real, fake = torch.randn(40, 3), torch.randn(40, 3)
    whole = precision_recall(real, fake, k=3)
    for block in (1, 7, 39, 40):
        monkeypatch.setattr(evaluation, "BLOCK", block)
        assert precision_recall(real, fake, k=3) == pytest.approx(whole, abs=1e-6)


def test_the_neighbourhood_has_five_images_by_default():
    real, fake = torch.randn(40, 3), torch.randn(40, 3)
    assert precision_recall(real, fake) == precision_recall(real, fake, k=5)
    assert precision_recall(real, fake) != precision_recall(real, fake, k=4)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_two_samples_of_one_law_have_density_1_and_coverage_1_minus_2_to_the_minus_k(k):
    """Counting an image as its own neighbour would give the coverage of k - 1."""
    runs = [precision_recall(torch.randn(1000, 4), torch.randn(1000, 4), k=k) for _ in range(4)]
    density, coverage = (sum(run[i] for run in runs) / 4 for i in (2, 3))
    # over 50 seeds the mean of four runs spreads by 0.01 (coverage) and 0.03 (density) at most
    assert coverage == pytest.approx(1 - 2**-k, abs=0.04)
    assert density == pytest.approx(1, abs=0.12)


def two_clusters(n, share_of_second):
    x = 0.1 * torch.randn(n, 4)
    x[: int(share_of_second * n)] += 10
    return x


def test_a_missing_mode_lowers_recall_and_coverage_but_not_precision():
    real = two_clusters(400, 0.5)
    found = precision_recall(real, two_clusters(400, 0.0))
    assert found.precision > 0.9
    assert found.recall < 0.55 and found.coverage < 0.55
    both = precision_recall(real, two_clusters(400, 0.5))
    assert both.recall > 0.9 and both.coverage > 0.9


def test_an_invented_mode_lowers_precision_and_density_but_not_recall():
    found = precision_recall(two_clusters(400, 0.0), two_clusters(400, 0.5))
    assert found.recall > 0.9
    assert 0.4 < found.precision < 0.55 and 0.4 < found.density < 0.65


def test_collapsed_samples_are_precise_and_cover_nothing():
    real = torch.randn(400, 8)
    fake = real[:1] + 1e-3 * torch.randn(400, 8)
    found = precision_recall(real, fake)
    assert found.precision == 1
    assert found.recall <= 0.01 and found.coverage < 0.1


def test_one_far_fake_is_forgiven_by_coverage_but_not_by_recall():
    """Its ball reaches back over every real image: why density and coverage were proposed."""
    real, fake = torch.randn(2, 40, 3)
    fake = 0.01 * fake - 6
    before, fake[0] = precision_recall(real, fake, k=1), 100.0
    after = precision_recall(real, fake, k=1)
    assert before.recall == 0 and after.recall == 1
    assert before.coverage == after.coverage == 0


def test_the_four_shares_change_places_in_no_way():
    """Precision counts fakes and recall real images: exchanged sets exchange them."""
    real, fake = torch.randn(60, 3), 0.5 * torch.randn(60, 3) + 1
    one, other = precision_recall(real, fake), precision_recall(fake, real)
    assert one.precision == other.recall and one.recall == other.precision
    assert abs(one.precision - one.recall) > 0.2


@pytest.mark.parametrize("n", [29, 31, 60])
def test_sets_of_different_sizes_are_refused_with_both_numbers(n):
    with pytest.raises(ValueError, match=f"30 real and {n} fake"):
        precision_recall(torch.randn(30, 3), torch.randn(n, 3))


@pytest.mark.parametrize("n, k", [(10, 0), (10, -1), (10, 10), (10, 11), (5, 5), (0, 5)])
def test_a_neighbour_that_does_not_exist_is_refused(n, k):
    with pytest.raises(ValueError, match=f"k is {k}.* = {n - 1}"):
        precision_recall(torch.randn(n, 3), torch.randn(n, 3), k=k)


# --- Nearest neighbours.


@pytest.mark.parametrize("n, m", [(1, 1), (7, 30), (40, 5), (300, 90)])
def test_the_nearest_neighbour_is_the_one_that_a_loop_finds(n, m):
    x, among = torch.randn(n, 6), torch.randn(m, 6)
    distance, index = nearest_neighbours(x, among)
    table = np.linalg.norm(x.double().numpy()[:, None] - among.double().numpy()[None], axis=2)
    assert index.tolist() == table.argmin(axis=1).tolist()
    np.testing.assert_allclose(distance, table.min(axis=1), rtol=1e-4)


def test_nearest_neighbours_do_not_depend_on_the_size_of_a_block(monkeypatch):
    x, among = torch.randn(50, 6), torch.randn(40, 6)
    whole = nearest_neighbours(x, among)[1]
    for block in (4, 28, 400):
        monkeypatch.setattr(evaluation, "BLOCK", block)
        assert torch.equal(nearest_neighbours(x, among)[1], whole)


def test_a_memorised_image_is_at_distance_zero_from_the_training_image():
    among = 3 * torch.randn(300, 128).relu()
    order = torch.randperm(300)
    distance, index = nearest_neighbours(among[order], among)
    assert torch.equal(index, order)
    assert distance.max() < 1e-4


def test_nothing_has_no_nearest_neighbour():
    with pytest.raises(ValueError, match="0"):
        nearest_neighbours(torch.randn(3, 2), torch.randn(0, 2))


# --- Classes.


def test_the_class_histogram_holds_the_share_of_each_class():
    labels = torch.tensor([3, 3, 9, 0, 3])
    assert class_histogram(labels).tolist() == [0.2, 0, 0, 0.6, 0, 0, 0, 0, 0, 0.2]
    assert class_histogram(torch.tensor([1, 0, 1]), num_classes=2).tolist() == [1 / 3, 2 / 3]


@pytest.mark.parametrize("label, classes", [(10, 10), (-1, 10), (3, 3), (255, 10)])
def test_a_label_out_of_range_is_named(label, classes):
    with pytest.raises(ValueError, match=rf"label {label} .*0 to {classes - 1}"):
        class_histogram(torch.tensor([0, label, 1]), num_classes=classes)


def test_no_labels_have_no_histogram():
    with pytest.raises(ValueError, match="no labels"):
        class_histogram(torch.zeros(0, dtype=torch.int64))


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_the_kl_divergence_matches_scipy(classes):
    p, q = torch.rand(2, classes, dtype=torch.float64)
    p, q = p / p.sum(), q / q.sum()
    expected = scipy.stats.entropy(p.numpy(), q.numpy())
    assert kl_divergence(p, q) == pytest.approx(expected, rel=1e-9)
    torch_too = kl.kl_divergence(Categorical(p), Categorical(q)).item()
    assert kl_divergence(p, q) == pytest.approx(torch_too, rel=1e-6)


def test_the_kl_divergence_looks_at_p_first():
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.9, 0.1])
    assert kl_divergence(p, q) == pytest.approx(0.5 * math.log(0.25 / 0.09), rel=1e-6)
    assert kl_divergence(q, p) == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2), rel=1e-6)


def test_zero_times_log_zero_is_zero():
    p, q = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.5, 0.5])
    assert kl_divergence(p, q) == pytest.approx(math.log(2))
    assert kl_divergence(q, q) == 0
    one_class = torch.eye(10)[3]
    assert kl_divergence(one_class, torch.full((10,), 0.1)) == pytest.approx(math.log(10), rel=1e-6)


def test_a_class_that_the_reference_never_has_is_infinitely_far():
    assert kl_divergence(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])) == math.inf


def test_shares_that_are_not_a_number_are_not_a_distance_of_zero():
    """0 / 0 is what the shares of no images come to; a perfect 0 would be a wrong reading."""
    with pytest.raises(ValueError, match="nan"):
        kl_divergence(torch.full((3,), math.nan), torch.full((3,), 1 / 3))


def test_shares_of_different_numbers_of_classes_are_refused():
    with pytest.raises(ValueError, match=r"\(1,\).*\(3,\)"):
        kl_divergence(torch.ones(1), torch.full((3,), 1 / 3))


# --- Inception score.


@pytest.mark.parametrize("n, classes", [(7, 2), (50, 10)])
def test_the_inception_score_matches_its_definition(n, classes):
    logits = 2 * torch.randn(n, classes, dtype=torch.float64)
    p = torch.softmax(logits, dim=1).numpy()
    expected = math.exp(np.mean([scipy.stats.entropy(row, p.mean(axis=0)) for row in p]))
    assert inception_score(logits) == pytest.approx(expected, rel=1e-9)


def test_the_inception_score_is_1_where_every_image_gets_the_same_answer():
    assert inception_score(torch.randn(1, 10).expand(40, 10)) == pytest.approx(1, abs=1e-9)


def test_the_inception_score_is_the_number_of_classes_met_with_confidence():
    sure = 1e4 * torch.eye(10).repeat(5, 1)
    assert inception_score(sure) == pytest.approx(10, rel=1e-6)
    assert inception_score(sure[:4]) == pytest.approx(4, rel=1e-6)
    assert inception_score(sure + 500) == pytest.approx(10, rel=1e-6)


def test_the_inception_score_does_not_see_images_missing_within_a_class():
    """Ten images, one of each class, repeated: as good as it gets, which is its weakness."""
    assert inception_score(1e4 * torch.eye(10)) == pytest.approx(10, rel=1e-6)


@pytest.mark.parametrize("shape", [(0, 10), (10,), (4, 10, 1)])
def test_logits_of_no_images_or_of_another_shape_have_no_inception_score(shape):
    with pytest.raises(ValueError, match=r"\(" + str(shape[0])):
        inception_score(torch.zeros(shape))


# --- Parzen windows.


@pytest.mark.parametrize("sigma", [0.1, 0.5, 2.0])
def test_the_parzen_likelihood_matches_a_loop_with_torch_distributions(sigma):
    x, samples = torch.rand(7, 5, dtype=torch.float64), torch.rand(11, 5, dtype=torch.float64)
    eye = torch.eye(5, dtype=torch.float64)
    expected = []
    for image in x:
        kernels = [MultivariateNormal(s, sigma**2 * eye).log_prob(image).exp() for s in samples]
        expected.append(math.log(sum(kernels) / len(kernels)))
    found = parzen_log_likelihood(x, samples, sigma=sigma)
    torch.testing.assert_close(found, torch.tensor(expected).double())


def test_the_parzen_likelihood_stays_finite_where_every_kernel_underflows():
    found = parzen_log_likelihood(torch.ones(1, 784), torch.zeros(3, 784), sigma=0.1)
    expected = -784 / 2 / 0.01 - 784 / 2 * math.log(2 * math.pi * 0.01)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_parzen_likelihood_does_not_depend_on_the_size_of_a_block(monkeypatch):
    x, samples = torch.rand(30, 5), torch.rand(11, 5)
    whole = parzen_log_likelihood(x, samples, sigma=0.3)
    monkeypatch.setattr(evaluation, "BLOCK", 28)
    torch.testing.assert_close(parzen_log_likelihood(x, samples, sigma=0.3), whole)


def test_the_parzen_likelihood_integrates_to_one():
    axis = torch.linspace(-4, 5, 901)
    density = parzen_log_likelihood(axis.view(-1, 1), torch.rand(20, 1), sigma=0.3).exp()
    assert density.sum().item() * 0.01 == pytest.approx(1, abs=1e-4)


def test_no_samples_have_no_parzen_likelihood():
    with pytest.raises(ValueError, match=r"samples|\(0, 5\)"):
        parzen_log_likelihood(torch.rand(3, 5), torch.rand(0, 5), sigma=0.2)
