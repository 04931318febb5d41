"""Counting modes: of points in the plane, and of digits stacked in colour."""

import math

import pytest
import torch

from genmnist.data import Images
from genmnist.modes import (
    GRID_STD,
    PERFECT_SHARE,
    REACH,
    RING_STD,
    count_modes,
    count_stacked_modes,
    grid_of_25,
    ring_of_8,
    sample_mixture,
    stack_digits,
)

PLANES = [(ring_of_8, RING_STD), (grid_of_25, GRID_STD)]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


# --- Points in the plane.


def test_the_ring_has_eight_distinct_centres_on_the_unit_circle():
    ring = ring_of_8()
    assert ring.shape == (8, 2)
    torch.testing.assert_close(ring.norm(dim=1), torch.ones(8))
    # neighbours of a regular octagon are 2 sin(pi / 8) apart; no two centres are nearer
    apart = torch.pdist(ring)
    assert apart.min().item() == pytest.approx(2 * math.sin(math.pi / 8), rel=1e-5)
    assert (apart < 0.77).sum() == 8
    torch.testing.assert_close(ring[0], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(ring[1], torch.full((2,), 0.5**0.5))
    torch.testing.assert_close(ring.sum(dim=0), torch.zeros(2), atol=1e-5, rtol=0)


def test_the_grid_has_all_25_pairs_of_five_even_numbers():
    pairs = {tuple(centre) for centre in grid_of_25().tolist()}
    assert pairs == {(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)}
    assert grid_of_25().shape == (25, 2)


@pytest.mark.parametrize("centres, std", [(ring_of_8(), 0.01), (grid_of_25(), 0.05)])
def test_a_mixture_is_even_and_has_the_right_spread_around_each_centre(centres, std):
    n = 40_000
    points = sample_mixture(centres, std, n)
    assert points.shape == (n, 2)
    nearest = torch.cdist(points, centres).argmin(dim=1)
    share = torch.bincount(nearest, minlength=len(centres)) / n
    p = 1 / len(centres)
    assert (share - p).abs().max() < 5 * math.sqrt(p * (1 - p) / n)
    noise = points - centres[nearest]
    assert (noise.std(dim=0) / std - 1).abs().max() < 5 / (2 * n) ** 0.5
    assert noise.mean(dim=0).abs().max() < 5 * std / n**0.5
    assert torch.corrcoef(noise.T)[0, 1].abs() < 5 / n**0.5


def test_the_spreads_are_the_ones_of_the_protocol():
    assert (RING_STD, GRID_STD, REACH) == (0.01, 0.05, 3)
    assert PERFECT_SHARE == pytest.approx(0.98889, abs=1e-5)


@pytest.mark.parametrize("make, std", PLANES)
def test_a_perfect_sampler_reaches_every_mode_with_the_perfect_share(make, std):
    centres, n = make(), 50_000
    found = count_modes(sample_mixture(centres, std, n), centres, std)
    assert found.modes == len(centres)
    deviation = math.sqrt(PERFECT_SHARE * (1 - PERFECT_SHARE) / n)
    assert abs(found.high_quality - PERFECT_SHARE) < 5 * deviation
    # 2 n KL is chi-squared with one degree of freedom less than there are modes
    freedom = len(centres) - 1
    assert 0 < found.reverse_kl < (freedom + 5 * math.sqrt(2 * freedom)) / (2 * n)


@pytest.mark.parametrize("make, std", PLANES)
def test_a_sampler_collapsed_to_one_centre_is_all_high_quality_and_one_mode(make, std):
    centres = make()
    found = count_modes(centres[3].expand(500, 2), centres, std)
    assert found.modes == 1 and found.high_quality == 1 > PERFECT_SHARE
    assert found.reverse_kl == pytest.approx(math.log(len(centres)), rel=1e-6)


def test_a_ring_that_meets_itself_has_seven_modes():
    """linspace(0, 2 pi, 8) holds both 0 and 2 pi, and only one angle is shared with the ring."""
    angle = torch.linspace(0, 2 * math.pi, 8)
    mistaken = torch.stack([angle.cos(), angle.sin()], dim=1)
    found = count_modes(sample_mixture(ring_of_8(), RING_STD, 5000), mistaken, RING_STD)
    assert found.modes < 8
    closed = mistaken.unique(dim=0).mul(1e4).round().unique(dim=0)
    assert len(closed) == 7
    points = sample_mixture(mistaken, RING_STD, 5000)
    # points of the first and the last centre are told apart by rounding alone: with every pair of
    # equal centres merged, seven modes are left
    assert count_modes(points, closed / 1e4, RING_STD).modes == 7
    assert count_modes(points, ring_of_8(), RING_STD).modes == 1


def test_only_points_within_three_deviations_count():
    """Points at 2.9 and 3.1 deviations, in every direction, for every centre of the grid."""
    centres = grid_of_25()
    angle = torch.arange(16) * (2 * math.pi / 16)
    circle = GRID_STD * torch.stack([angle.cos(), angle.sin()], dim=1)
    for radius, share in [(0.0, 1.0), (2.9, 1.0), (3.1, 0.0)]:
        points = (centres[:, None] + radius * circle).flatten(0, 1)
        found = count_modes(points, centres, GRID_STD)
        assert found.high_quality == share
        assert found.modes == 25 * share


def test_one_high_quality_point_is_enough_for_a_mode():
    centres = ring_of_8()
    points = torch.cat([centres[:1].expand(97, 2), centres[2:3], centres[5:6], torch.zeros(1, 2)])
    found = count_modes(points, centres, RING_STD)
    assert found.modes == 3 and found.high_quality == 0.99
    p = torch.tensor([97.0, 1, 1]) / 99
    expected = (p * (p * 8).log()).sum().item()
    assert found.reverse_kl == pytest.approx(expected, rel=1e-5)


def test_points_between_the_modes_are_no_mode_and_infinitely_far():
    found = count_modes(torch.zeros(10, 2), ring_of_8(), RING_STD)
    assert found == (0, 0.0, math.inf)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_points_that_are_not_finite_are_refused(bad):
    points = torch.zeros(10, 2)
    points[4, 1] = bad
    with pytest.raises(ValueError, match="10 points, all finite: False"):
        count_modes(points, ring_of_8(), RING_STD)


def test_no_points_are_refused():
    with pytest.raises(ValueError, match="0 points"):
        count_modes(torch.zeros(0, 2), ring_of_8(), RING_STD)


# --- Stacked digits.


def digits(n, *, seed=0):
    """Images whose every pixel is their label, so that a stub can read them."""
    y = torch.randint(10, (n,), generator=torch.Generator().manual_seed(seed))
    x = y.to(torch.uint8).view(n, 1, 1, 1).expand(n, 1, 28, 28).contiguous()
    return Images(x, y, "noise")


class Reader:
    """A judge that reads the label off the first pixel: value = label / 255."""

    def labels(self, x):
        assert x.shape[1:] == (1, 28, 28), "the judge reads one channel at a time"
        return (x[:, 0, 0, 0] * 255).round().long()


def stacks(modes):
    """Colour images of given modes, in [0, 1]."""
    modes = torch.as_tensor(modes)
    channels = torch.stack([modes // 100, modes // 10 % 10, modes % 10], dim=1)
    return (channels / 255).view(-1, 3, 1, 1).expand(-1, 3, 28, 28)


def test_a_stack_is_numbered_by_hundreds_of_red_tens_of_green_and_units_of_blue():
    x, modes = stack_digits(digits(500), 2000, seed=0)
    assert x.shape == (2000, 3, 28, 28) and x.dtype == torch.uint8
    assert modes.shape == (2000,) and modes.dtype == torch.int64
    r, g, b = x[:, :, 0, 0].long().T
    assert torch.equal(modes, 100 * r + 10 * g + b)
    assert (x == x[:, :, :1, :1]).all(), "a channel holds one whole image"


def test_the_three_digits_of_a_stack_are_drawn_separately():
    _, modes = stack_digits(digits(500), 20_000, seed=0)
    r, g, b = modes // 100, modes // 10 % 10, modes % 10
    for one, other in ((r, g), (g, b), (r, b)):
        # a pair of even digits agrees once in ten, give or take five standard errors
        agree = (one == other).double().mean().item()
        assert agree == pytest.approx(0.1, abs=0.015)
    assert modes.unique().numel() == 1000


def test_stacks_repeat_with_the_seed_and_leave_the_random_state_alone():
    state = torch.get_rng_state()
    first, second = stack_digits(digits(500), 60, seed=1), stack_digits(digits(500), 60, seed=1)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(stack_digits(digits(500), 60, seed=2)[1], first[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_every_mode_seen_once_is_a_thousand_modes_and_no_divergence():
    found = count_stacked_modes(Reader(), stacks(torch.randperm(1000)))
    assert found.modes == 1000
    assert found.kl == pytest.approx(0, abs=1e-6)


def test_modes_are_counted_exactly():
    found = count_stacked_modes(Reader(), stacks([0, 0, 0, 7, 70, 700, 999, 999]))
    assert found.modes == 5
    p = torch.tensor([3, 1, 1, 1, 2]).double() / 8
    assert found.kl == pytest.approx((p * (p * 1000).log()).sum().item(), rel=1e-6)


def test_one_stack_over_and_over_is_one_mode_and_log_1000_away():
    found = count_stacked_modes(Reader(), stacks([123] * 50))
    assert found == (1, pytest.approx(math.log(1000), rel=1e-6))


def test_channels_are_read_in_their_order_and_stay_with_their_stack():
    """012, 120 and 201 are three modes; channels of different stacks must not be mixed."""
    assert count_stacked_modes(Reader(), stacks([12, 120, 201])).modes == 3
    seen = []

    class Spy(Reader):
        def labels(self, x):
            seen.append(super().labels(x))
            return seen[-1]

    count_stacked_modes(Spy(), stacks([123, 456]))
    assert torch.cat(seen).tolist() == [1, 2, 3, 4, 5, 6]
    # all r from 0 to 9 with g = b = 0: any mix of channels and stacks would change the number
    assert count_stacked_modes(Reader(), stacks([100 * r for r in range(10)])).modes == 10
    diagonal = count_stacked_modes(Reader(), stacks([123, 123, 123, 124]))
    assert diagonal.modes == 2


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_another_order_of_channels_is_another_mode(order):
    x = stacks([123])
    assert count_stacked_modes(Reader(), torch.cat([x, x[:, order]])).modes == 2


def test_the_modes_of_real_stacks_are_their_labels():
    x, modes = stack_digits(digits(500), 400, seed=3)
    found = count_stacked_modes(Reader(), x / 255)
    assert found.modes == modes.unique().numel()


def test_an_even_sampler_has_a_divergence_of_about_999_over_2_n():
    n = 26_000
    found = [torch.randint(1000, (n,)) for _ in range(3)]
    divergence = [count_stacked_modes(Flat(modes), small(n)).kl for modes in found]
    # 2 n KL is chi-squared with 999 degrees of freedom: 999 ± 45, and a little more at n this small
    assert sum(divergence) / 3 == pytest.approx(999 / (2 * n), rel=0.1)


class Flat(Reader):
    """A judge that has been told the modes, for many stacks without their pixels."""

    def __init__(self, modes):
        self.modes = modes

    def labels(self, x):
        assert x.shape[:2] == (3 * len(self.modes), 1)
        return torch.stack([self.modes // 100, self.modes // 10 % 10, self.modes % 10], 1).flatten()


def small(n):
    return torch.zeros(n, 3, 1, 1)


@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (5, 28, 28), (3, 28, 28), (5, 4, 28, 28)])
def test_images_without_three_channels_are_refused(shape):
    with pytest.raises(ValueError) as error:
        count_stacked_modes(Reader(), torch.zeros(shape))
    assert str(shape) in str(error.value)


def test_no_stacks_are_refused_instead_of_being_perfectly_even():
    with pytest.raises(ValueError, match="0"):
        count_stacked_modes(Reader(), torch.zeros(0, 3, 28, 28))
