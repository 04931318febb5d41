"""Likelihood estimates of a VAE, on models whose log p(x) is known, and what is binary."""

import math

import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import nn
from torch.distributions import Bernoulli, Normal

from genmnist.data import binarize
from genmnist.vae import (
    VAE,
    active_units,
    gaussian_nll,
    importance_weighted_log_likelihood,
    likelihood_curve,
    mixture_log_prior,
    negative_elbo,
    require_binary,
)

CHUNK = 50  # the default


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class Toy(VAE):
    """A one-number code for images of 2 by 2 pixels, small enough to integrate over the code.

    The posterior has the same spread for every image; its mean is `shift` plus `slope` times the
    number of white pixels.  What is decoded is kept in `decoded`.
    """

    weight = torch.tensor([2.0, -1.5, 0.5, 1.0])
    bias = torch.tensor([0.5, 0.0, -1.0, 0.3])

    def __init__(self, *, shift=0.2, slope=0.3, sigma=0.8, gain=1.0):
        nn.Module.__init__(self)
        self.latent_dim = 1
        self.shift, self.slope, self.sigma, self.gain = shift, slope, sigma, gain
        self.decoded = []

    def encode(self, x):
        mu = self.shift + self.slope * (x.flatten(1).sum(dim=1, keepdim=True) - 2)
        return mu, torch.full_like(mu, 2 * math.log(self.sigma))

    def decode(self, z):
        assert len(z) > 0, "no draws to decode"
        self.decoded.append(z.clone())
        return (self.gain * z * self.weight + self.bias).view(-1, 1, 2, 2)

    def log_p_given(self, x, z):
        """log p(x | z) for every image and each of (n,) codes.  -> (n, b)"""
        logits = self.gain * z.view(-1, 1, 1) * self.weight + self.bias
        return Bernoulli(logits=logits).log_prob(x.flatten(1)).sum(dim=2)

    def log_p(self, x):
        """By integration over the code.  -> (b,)"""
        z = torch.linspace(-10, 10, 4001, dtype=torch.float64)
        log_joint = Normal(0, 1).log_prob(z)[:, None] + self.log_p_given(x.double(), z)
        return log_joint.logsumexp(dim=0).float() + math.log(20 / 4000)

    def elbo(self, x):
        """By integration over the posterior.  -> (b,)"""
        mu, logvar = self.encode(x)
        q = Normal(mu.squeeze(1), (0.5 * logvar).exp().squeeze(1))
        noise = torch.linspace(-8, 8, 4001)
        bound = 0
        for e in noise:
            z = q.mean + q.stddev * e
            logits = self.gain * z[:, None] * self.weight + self.bias
            nll = -Bernoulli(logits=logits).log_prob(x.flatten(1)).sum(dim=1)
            bound += Normal(0, 1).log_prob(e).exp() * -nll * 16 / 4000
        return bound - torch.distributions.kl_divergence(q, Normal(0, 1))


def all_images():
    """Every image of 2 by 2 binary pixels.  -> (16, 1, 2, 2)"""
    bits = torch.arange(16)[:, None] >> torch.arange(4) & 1
    return bits.float().view(16, 1, 2, 2)


def some_images(repeats=1):
    return all_images()[[0, 3, 6, 15]].repeat(repeats, 1, 1, 1)


def each_image(values):
    """(repeats 4,) or (k, repeats 4) -> (…, repeats, 4): one column for each of `some_images`"""
    return values.unflatten(-1, (-1, 4))


def within_five_errors(values, expected):
    """Whether the mean of each column lies within five standard errors of what is expected."""
    error = values.std(dim=0) / len(values) ** 0.5
    return ((values.mean(dim=0) - expected).abs() < 5 * error).all()


def test_the_toy_model_is_a_distribution_over_images():
    assert Toy().log_p(all_images()).exp().sum().item() == pytest.approx(1, abs=1e-5)


# --- The importance-weighted bound.


def by_definition(model, x, z):
    """The estimate from codes z (k, b, 1), term by term, with torch.distributions."""
    mu, logvar = model.encode(x)
    weights = []
    for draw in z:
        logits = (model.gain * draw * model.weight + model.bias).view_as(x)
        log_p = Bernoulli(logits=logits).log_prob(x).flatten(1).sum(dim=1)
        log_prior = Normal(0, 1).log_prob(draw).sum(dim=1)
        log_q = Normal(mu, (0.5 * logvar).exp()).log_prob(draw).sum(dim=1)
        weights.append((log_p + log_prior - log_q).double().exp())
    return (sum(weights) / len(weights)).log().float()


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.7])
@pytest.mark.parametrize("k, chunk", [(1, 50), (3, 50), (50, 50), (51, 50), (20, 7), (9, 1)])
def test_the_estimate_is_the_mean_weight_of_the_draws_that_were_decoded(k, chunk, sigma):
    model, x = Toy(sigma=sigma), all_images()
    found = importance_weighted_log_likelihood(model, x, k, chunk=chunk)
    z = torch.cat(model.decoded).view(k, 16, 1)
    assert found.shape == (16,)
    torch.testing.assert_close(found, by_definition(model, x, z), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("k, chunk", [(1, 50), (49, 50), (50, 50), (120, 50), (20, 7), (6, 1)])
def test_exactly_k_codes_per_image_are_decoded_and_no_more_than_a_chunk_at_a_time(k, chunk):
    model, x = Toy(), some_images()
    importance_weighted_log_likelihood(model, x, k, chunk=chunk)
    sizes = [len(z) / 4 for z in model.decoded]
    assert sum(sizes) == k
    assert sizes == [chunk] * (k // chunk) + [k % chunk] * (k % chunk > 0)


def test_every_image_and_every_draw_gets_a_code_of_its_own():
    model = Toy()
    importance_weighted_log_likelihood(model, some_images(), 120)
    z = torch.cat(model.decoded)
    assert z.unique().numel() == z.numel()
    spread = z.view(120, 4).std(dim=0)
    assert (spread / model.sigma - 1).abs().max() < 5 / 240**0.5
    assert (z.view(120, 4).mean(dim=0) - model.encode(some_images())[0][:, 0]).abs().max() < 0.4


@pytest.mark.parametrize("sigma, shift", [(0.8, 0.0), (1.3, 0.4), (1.6, -0.5)])
@pytest.mark.parametrize("k", [1, 3, 12])
def test_the_mean_weight_is_p_of_x_at_every_k(k, sigma, shift):
    """Only the logarithm makes a bound of it: before, the estimate has no bias at all."""
    model = Toy(sigma=sigma, shift=shift, slope=0.1)
    x = some_images(8000 // k)
    weights = importance_weighted_log_likelihood(model, x, k, chunk=5).exp()
    assert within_five_errors(each_image(weights), model.log_p(some_images()).exp())


@pytest.mark.parametrize("sigma", [0.6, 0.9, 1.5])
def test_many_draws_give_log_p_of_x(sigma):
    """A sigma taken for a sigma^2 anywhere would leave its mark at every spread but 1."""
    model, x = Toy(sigma=sigma), some_images()
    found = importance_weighted_log_likelihood(model, x, 40_000, chunk=10_000)
    # the weights spread by 1.5 times their mean at most: 40,000 of them leave less than 0.01
    assert (found - model.log_p(x)).abs().max() < 0.04


@pytest.mark.parametrize("k, chunk", [(1, 50), (7, 50), (130, 50), (10, 3)])
def test_a_posterior_that_is_the_true_one_gives_log_p_of_x_with_any_number_of_draws(k, chunk):
    """A decoder that ignores the code leaves the prior as the posterior: all weights are equal."""
    model = Toy(gain=0.0, shift=0.0, slope=0.0, sigma=1.0)
    x = all_images()
    found = importance_weighted_log_likelihood(model, x, k, chunk=chunk)
    exact = Bernoulli(logits=model.bias).log_prob(x.flatten(1)).sum(dim=1)
    torch.testing.assert_close(found, exact, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shift, sigma", [(0.0, 1.5), (0.5, 1.3), (-0.3, 2.0)])
def test_a_decoder_that_ignores_the_code_has_one_likelihood_whatever_the_posterior(shift, sigma):
    """The posterior is wider than the prior, so that no weight is large."""
    model = Toy(gain=0.0, shift=shift, slope=0.1, sigma=sigma)
    x = some_images()
    found = importance_weighted_log_likelihood(model, x, 20_000, chunk=5000)
    exact = Bernoulli(logits=model.bias).log_prob(x.flatten(1)).sum(dim=1)
    assert (found - exact).abs().max() < 0.04


def test_the_bound_grows_with_k_on_average_and_stays_below_log_p():
    model = Toy(sigma=0.6, gain=2.0)
    x, exact = some_images(1500), model.log_p(some_images())
    curve = each_image(likelihood_curve(model, x, [1, 2, 5, 20])).mean(dim=1)  # (ks, 4)
    assert (curve.diff(dim=0) > 0).all()
    assert (curve < exact + 0.01).all()
    assert (curve[0] < exact - 0.05).all(), "one draw must leave a gap to see"


def test_a_bound_at_one_draw_is_the_elbo_on_average():
    model = Toy()
    found = importance_weighted_log_likelihood(model, some_images(4000), 1)
    assert within_five_errors(each_image(found), model.elbo(some_images()))


def test_the_size_of_a_chunk_does_not_change_the_law_of_the_estimate():
    model, x = Toy(sigma=0.5, gain=2.0), some_images(2000)
    one, other = (
        each_image(importance_weighted_log_likelihood(model, x, 10, chunk=chunk))
        for chunk in (7, 10)
    )
    error = ((one.var(dim=0) + other.var(dim=0)) / 2000).sqrt()
    assert ((one.mean(dim=0) - other.mean(dim=0)).abs() < 5 * error).all()
    assert (one.std(dim=0) / other.std(dim=0) - 1).abs().max() < 0.25


def test_the_same_seed_gives_the_same_estimate():
    values = []
    for _ in range(2):
        torch.manual_seed(5)
        values.append(importance_weighted_log_likelihood(Toy(), some_images(), 30))
    assert torch.equal(*values)


def test_the_estimate_survives_weights_that_no_number_can_hold():
    """784 pixels of -log p = 20 each: exp(-15,680) is 0 in any precision."""
    model = Toy(gain=0.0, shift=0.0, slope=0.0, sigma=1.0)
    model.decode = lambda z: torch.full((len(z), 1, 28, 28), -20.0)
    found = importance_weighted_log_likelihood(model, torch.ones(2, 1, 28, 28), 60)
    torch.testing.assert_close(found, torch.full((2,), -784 * 20.0), rtol=1e-5, atol=0)


# --- Another prior.


def two_bumps(z):
    """log p(z) of a mixture of N(-1, 0.5) and N(2, 0.8), weights 0.3 and 0.7.  (n, 1) -> (n,)"""
    bumps = Normal(torch.tensor([-1.0, 2.0]), torch.tensor([0.5, 0.8]))
    weights = torch.tensor([0.3, 0.7])
    return (bumps.log_prob(z) + weights.log()).logsumexp(dim=1)


def test_many_draws_give_log_p_of_x_with_another_prior():
    model, x = Toy(sigma=1.5), some_images()
    z = torch.linspace(-10, 10, 4001)
    log_joint = two_bumps(z[:, None])[:, None] + model.log_p_given(x, z)
    exact = log_joint.logsumexp(dim=0) + math.log(20 / 4000)
    found = importance_weighted_log_likelihood(model, x, 40_000, chunk=10_000, log_prior=two_bumps)
    assert (found - exact).abs().max() < 0.04
    assert (exact - model.log_p(x)).abs().max() > 0.3, "the two priors must differ"


@pytest.mark.parametrize("k, chunk", [(1, 50), (20, 7)])
def test_the_usual_prior_may_be_given_too(k, chunk):
    def usual(z):
        return Normal(0, 1).log_prob(z).sum(dim=1)

    model, x, found = VAE(3, width=2), binarize(torch.rand(4, 1, 28, 28)), []
    for prior in (None, usual):
        torch.manual_seed(3)
        found.append(importance_weighted_log_likelihood(model, x, k, chunk=chunk, log_prior=prior))
    torch.testing.assert_close(*found, atol=1e-3, rtol=1e-6)


def test_a_prior_that_forgets_to_sum_over_the_numbers_of_a_code_is_named():
    with pytest.raises(ValueError, match=r"\(8, 1\) for 8 codes.*summed over its numbers"):
        importance_weighted_log_likelihood(Toy(), some_images(), 2, log_prior=Normal(0, 1).log_prob)


@pytest.mark.parametrize("size, components", [(1, 1), (3, 1), (3, 4), (40, 6)])
def test_a_fitted_mixture_as_a_prior_has_the_density_that_its_library_gives(size, components):
    z = torch.randn(800, size) @ torch.randn(size, size) + torch.randn(size)
    z[::3] = 0.3 * z[::3] + 4
    mixture = GaussianMixture(components, random_state=0, reg_covar=1e-3).fit(z.double().numpy())
    elsewhere = torch.cat([z[:50], 10 * torch.randn(50, size)])
    exact = torch.as_tensor(mixture.score_samples(elsewhere.double().numpy())).float()
    found = mixture_log_prior(mixture)(elsewhere)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, atol=5e-3, rtol=1e-4)


@pytest.mark.parametrize("kind", ["diag", "spherical", "tied"])
def test_a_mixture_of_another_kind_is_refused_by_name(kind):
    mixture = GaussianMixture(2, covariance_type=kind).fit(torch.randn(50, 2).numpy())
    with pytest.raises(ValueError, match=f"'{kind}'.*'full'"):
        mixture_log_prior(mixture)


# --- The curve.


def test_each_point_of_the_curve_is_the_estimate_from_the_draws_so_far():
    model, x = Toy(), all_images()
    ks = [1, 2, 7, 50, 61]
    curve = likelihood_curve(model, x, ks, chunk=5)
    assert curve.shape == (5, 16)
    z = torch.cat(model.decoded).view(61, 16, 1)
    for k, values in zip(ks, curve, strict=True):
        expected = by_definition(model, x, z[:k])
        torch.testing.assert_close(values, expected, atol=1e-4, rtol=1e-5)


def test_a_point_of_the_curve_is_what_the_estimate_alone_gives():
    model, x = Toy(), some_images()
    torch.manual_seed(3)
    curve = likelihood_curve(model, x, [10, 30], chunk=10)
    for k, values in zip([10, 30], curve, strict=True):
        torch.manual_seed(3)
        assert torch.equal(importance_weighted_log_likelihood(model, x, k, chunk=10), values)


@pytest.mark.parametrize("ks", [[5, 5], [5, 3], [0], [0, 1], [-1], []])
def test_numbers_of_draws_that_do_not_grow_from_1_are_named(ks):
    with pytest.raises(ValueError) as error:
        likelihood_curve(Toy(), some_images(), ks)
    assert str(ks) in str(error.value)


@pytest.mark.parametrize("k", [0, -3])
def test_an_estimate_from_no_draws_is_refused(k):
    with pytest.raises(ValueError, match=str(k)):
        importance_weighted_log_likelihood(Toy(), some_images(), k)


@pytest.mark.parametrize("chunk", [0, -1])
def test_a_chunk_of_no_draws_is_refused_instead_of_running_for_ever(chunk):
    with pytest.raises(ValueError, match=f"chunk.*{chunk}"):
        importance_weighted_log_likelihood(Toy(), some_images(), 3, chunk=chunk)


# --- The negative ELBO.


def test_the_negative_elbo_is_on_average_the_integral_over_the_posterior():
    """Decoding the mean instead gives a number with no spread, and another one."""
    model = Toy(sigma=1.2, gain=2.0)
    found = each_image(negative_elbo(model, some_images(4000)))
    assert within_five_errors(found, -model.elbo(some_images()))
    assert found.std(dim=0).min() > 0.1


def test_decoding_the_mean_would_promise_more_than_the_model_can_give():
    """Here it goes below -log p(x), which no bound may; the negative ELBO stays above."""
    model = Toy(shift=0.5, slope=0.0, sigma=1.0, gain=4.0)
    x = (model.weight > 0).float().view(1, 1, 2, 2)
    mu, logvar = model.encode(x)
    divergence = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum()
    of_mean = divergence - model.log_p_given(x, mu.flatten()).sum()
    least = -model.log_p(x).item()
    assert of_mean < least - 0.02
    found = negative_elbo(model, x.expand(4000, 1, 2, 2))
    assert found.mean() > least + 0.02


@pytest.mark.parametrize("sigma, gain", [(0.3, 1.0), (0.8, 2.0), (1.5, 1.0)])
def test_the_negative_elbo_bounds_minus_log_p_from_above_on_average(sigma, gain):
    model = Toy(sigma=sigma, gain=gain)
    found = negative_elbo(model, all_images().repeat(2000, 1, 1, 1)).view(2000, 16)
    error = found.std(dim=0) / 2000**0.5
    assert (found.mean(dim=0) + 5 * error > -model.log_p(all_images())).all()


def test_the_negative_elbo_is_exact_where_the_posterior_is():
    model, x = Toy(gain=0.0, shift=0.0, slope=0.0, sigma=1.0), all_images()
    torch.testing.assert_close(negative_elbo(model, x), -model.log_p(x), atol=1e-4, rtol=0)


def test_the_estimates_build_no_graph_and_go_through_a_real_network():
    vae, x = VAE(3, width=4), torch.randint(2, (5, 1, 28, 28)).float()
    curve, bound = likelihood_curve(vae, x, [1, 4], chunk=3), negative_elbo(vae, x)
    assert curve.shape == (2, 5) and bound.shape == (5,)
    assert not curve.requires_grad and not bound.requires_grad
    # one pixel costs log 2 before any training
    assert (bound / (784 * math.log(2)) - 1).abs().max() < 0.3
    assert (curve[1] + bound).abs().max() < 100


# --- Active units.


def test_units_whose_mean_moves_from_image_to_image_are_active():
    n, deviations = 20_000, torch.tensor([1.0, 0.2, 0.12, 0.08, 0.03, 0.0])
    mu = torch.randn(n, 6) * deviations + torch.tensor([0.0, 5, 0, 5, 0, 5])
    assert active_units(mu) == 3, "variances 1, 0.04 and 0.0144 exceed 0.01; 0.0064 does not"
    assert active_units(mu, threshold=0.03) == 2
    assert active_units(mu, threshold=0.001) == 4
    assert active_units(mu, threshold=2.0) == 0


def test_a_code_that_is_large_and_constant_is_not_active():
    assert active_units(torch.full((50, 4), 7.0)) == 0


def test_active_units_are_counted_over_images_and_not_over_units():
    mu = torch.arange(3.0).expand(100, 3) * 10
    assert active_units(mu) == 0
    assert active_units(mu.T) == 100


# --- Binary images.


@pytest.mark.parametrize("estimate", [negative_elbo, likelihood_curve, None])
@pytest.mark.parametrize("value", [0.5, 0.25, 0.9961, 1.5, -1.0, 255.0, math.nan])
def test_a_grey_pixel_is_named_because_it_has_no_likelihood(estimate, value):
    x = some_images()
    x[2, 0, 1, 1] = value
    with pytest.raises(ValueError, match=f"pixel value {value:.4g}.*binarize"):
        if estimate is likelihood_curve:
            likelihood_curve(Toy(), x, [3])
        elif estimate:
            estimate(Toy(), x)
        else:
            importance_weighted_log_likelihood(Toy(), x, 3)


def test_binary_images_are_let_through():
    require_binary(all_images())
    require_binary(torch.zeros(2, 1, 28, 28))
    require_binary(binarize(torch.rand(2, 1, 28, 28)))


def test_binarized_pixels_are_one_as_often_as_they_are_bright():
    x = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0]).repeat(20_000, 1)
    share = binarize(x, seed=0).mean(dim=0)
    assert share[0] == 0 and share[4] == 1
    assert (share - x[0]).abs().max() < 5 * 0.5 / 20_000**0.5


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_binarizing_with_a_seed_repeats_itself_and_leaves_the_random_state_alone(seed):
    x = torch.rand(4, 1, 28, 28)
    state = torch.get_rng_state()
    first = binarize(x, seed=seed)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(binarize(x, seed=seed), first)
    assert not torch.equal(binarize(x, seed=seed + 1), first)
    assert first.shape == x.shape and first.dtype == x.dtype


def test_binarizing_without_a_seed_draws_anew():
    x = torch.rand(4, 1, 28, 28)
    assert not torch.equal(binarize(x), binarize(x))


class LinearGaussian:
    """x = W z + b + noise, W with orthogonal columns: p(x) and p(z | x) are known exactly."""

    def __init__(self, variance):
        orthogonal = torch.linalg.qr(torch.randn(6, 2, dtype=torch.float64)).Q
        self.w, self.variance = orthogonal * torch.tensor([2.0, 0.5]).double(), variance
        self.b = torch.randn(6, dtype=torch.float64)

    def encode(self, x):
        precision = 1 + self.w.square().sum(dim=0) / self.variance
        mu = (x.flatten(1) - self.b) @ self.w / self.variance / precision
        return mu, (-precision.log()).expand_as(mu)

    def decode(self, z):
        return (z @ self.w.T + self.b).view(-1, 1, 2, 3)

    def log_p(self, x):
        covariance = self.w @ self.w.T + self.variance * torch.eye(6, dtype=torch.float64)
        law = torch.distributions.MultivariateNormal(self.b, covariance)
        return law.log_prob(x.flatten(1))


@pytest.mark.parametrize("k", [1, 7])
def test_with_the_true_posterior_of_a_linear_gaussian_model_every_draw_gives_p_of_x(k):
    torch.manual_seed(0)
    model, x = LinearGaussian(0.3), torch.randn(5, 1, 2, 3, dtype=torch.float64)
    nll = lambda x_hat, x: gaussian_nll(x_hat, x, math.log(0.3))  # noqa: E731
    estimate = importance_weighted_log_likelihood(model, x, k, chunk=3, nll=nll)
    torch.testing.assert_close(estimate, model.log_p(x), atol=1e-5, rtol=0)


def test_with_a_wrong_posterior_the_bound_closes_with_k():
    torch.manual_seed(0)
    model, x = LinearGaussian(0.3), torch.randn(5, 1, 2, 3, dtype=torch.float64)
    true = model.encode
    model.encode = lambda x: (true(x)[0] + 0.3, true(x)[1] + 0.5)  # shifted, and wider
    nll = lambda x_hat, x: gaussian_nll(x_hat, x, math.log(0.3))  # noqa: E731
    curve = likelihood_curve(model, x, [1, 20_000], chunk=5_000, nll=nll)
    gap = (model.log_p(x) - curve).abs().mean(dim=1)
    assert gap[1] < 0.02 < gap[0]
