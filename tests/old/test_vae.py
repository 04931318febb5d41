import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from genmnist.vae import VAE, bernoulli_nll, gaussian_nll, kl_to_standard_normal, reparameterize


def test_kl_matches_torch_distributions_away_from_zero():
    mu, logvar = torch.randn(5, 3) * 2, torch.randn(5, 3) * 2
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0, 1)).sum(dim=1)
    torch.testing.assert_close(kl_to_standard_normal(mu, logvar), expected)


def test_kl_is_zero_at_the_prior_and_nowhere_less():
    assert kl_to_standard_normal(torch.zeros(4, 3), torch.zeros(4, 3)).abs().max() == 0
    assert kl_to_standard_normal(torch.randn(999, 3), torch.randn(999, 3)).min() > 0


def test_bernoulli_nll_matches_torch_distributions():
    logits, x = torch.randn(5, 1, 4, 4) * 3, torch.randint(2, (5, 1, 4, 4)).float()
    expected = -Bernoulli(logits=logits).log_prob(x).flatten(1).sum(dim=1)
    torch.testing.assert_close(bernoulli_nll(logits, x), expected)


def test_bernoulli_nll_stays_finite_where_a_sigmoid_would_be_0_or_1():
    logits = torch.tensor([-1000.0, 1000.0]).view(2, 1, 1, 1)
    assert bernoulli_nll(logits, 1 - logits.gt(0).float()).tolist() == [1000.0, 1000.0]


@pytest.mark.parametrize("logvar", [-3.0, 0.0, 1.5])
def test_gaussian_nll_matches_torch_distributions(logvar):
    x_hat, x = torch.rand(5, 1, 4, 4), torch.rand(5, 1, 4, 4)
    expected = -Normal(x_hat, math.exp(logvar / 2)).log_prob(x).flatten(1).sum(dim=1)
    torch.testing.assert_close(gaussian_nll(x_hat, x, logvar), expected)
    torch.testing.assert_close(gaussian_nll(x_hat, x, torch.full_like(x, logvar)), expected)


def test_with_variance_one_half_the_gaussian_nll_is_the_squared_error_up_to_a_constant():
    x_hat, x = torch.rand(6, 1, 4, 4), torch.rand(6, 1, 4, 4)
    rest = gaussian_nll(x_hat, x, math.log(0.5)) - (x - x_hat).square().flatten(1).sum(dim=1)
    torch.testing.assert_close(rest, torch.full((6,), 16 * 0.5 * math.log(math.pi)))


@pytest.mark.parametrize("sigma", [0.1, 1.0, 3.0])
def test_reparameterize_draws_with_the_right_mean_and_spread(sigma):
    torch.manual_seed(0)
    n = 40_000
    mu, logvar = torch.full((n, 2), 0.7), torch.full((n, 2), 2 * math.log(sigma))
    z = reparameterize(mu, logvar)
    # five standard errors: one false alarm in a million
    assert (z.mean(dim=0) - 0.7).abs().max() < 5 * sigma / n**0.5
    assert (z.std(dim=0) / sigma - 1).abs().max() < 5 / (2 * n) ** 0.5
    correlation = torch.corrcoef(z.T)[0, 1].abs()
    assert correlation < 5 / n**0.5, "dimensions must get noise of their own"


def test_gradients_reach_mu_and_logvar_as_the_formula_says():
    mu = torch.randn(6, 3, requires_grad=True)
    logvar = torch.randn(6, 3, requires_grad=True)
    z = reparameterize(mu, logvar)
    z.sum().backward()
    torch.testing.assert_close(mu.grad, torch.ones_like(mu))
    torch.testing.assert_close(logvar.grad, 0.5 * (z - mu).detach())  # d z / d logvar = sigma eps/2


def test_reparameterize_draws_anew_each_time():
    mu = torch.zeros(4, 3)
    assert not torch.equal(reparameterize(mu, mu), reparameterize(mu, mu))


def test_the_encoder_gives_mu_and_logvar_as_two_halves():
    vae, x = VAE(5), torch.rand(4, 1, 28, 28)
    mu, logvar = vae.encode(x)
    assert mu.shape == logvar.shape == (4, 5)
    torch.testing.assert_close(torch.cat([mu, logvar], dim=1), vae.encoder(x))


def test_forward_decodes_a_draw_and_not_the_mean():
    vae, x = VAE(5), torch.rand(4, 1, 28, 28)
    assert not torch.equal(vae(x)[0], vae(x)[0])


def test_samples_are_images_without_a_gradient():
    x = VAE(3).sample(7)
    assert x.shape == (7, 1, 28, 28) and not x.requires_grad
    assert x.min() >= 0 and x.max() <= 1


def test_the_two_terms_bound_the_log_likelihood_from_below():
    """On a model whose log p(x) is known by summing over a fine grid of codes."""
    torch.manual_seed(0)
    vae = VAE(1, width=4)
    x = torch.randint(2, (3, 1, 28, 28)).float()
    grid = torch.linspace(-8, 8, 4001).view(-1, 1)
    with torch.no_grad():
        log_prior = Normal(0, 1).log_prob(grid).squeeze(1)
        logits = vae.decode(grid)
        log_joint = torch.stack([log_prior - bernoulli_nll(logits, i.expand_as(logits)) for i in x])
        log_p = torch.logsumexp(log_joint, dim=1) + math.log(16 / 4000)
        draws = []
        for _ in range(200):
            mu, logvar = vae.encode(x)
            nll = bernoulli_nll(vae.decode(reparameterize(mu, logvar)), x)
            draws.append(-(nll + kl_to_standard_normal(mu, logvar)))
        elbo = torch.stack(draws).mean(dim=0)
    assert (elbo < log_p).all()
