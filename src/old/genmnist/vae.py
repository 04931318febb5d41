"""The variational autoencoder: its network, the two terms of its bound, its likelihoods."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmnist.autoencoder import Decoder, Encoder

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

Likelihood = Callable[[Tensor, Tensor], Tensor]  # what is decoded, x -> -log p(x | z), (b,)
Prior = Callable[[Tensor], Tensor]  # codes (n, z) -> log p(z) in nats, (n,)
LOG_2_PI = math.log(2 * math.pi)


class VAE(nn.Module):
    """q(z | x) = N(mu, diag(exp(logvar))) and p(x | z), whose logits the decoder gives.

    Kingma & Welling (2014).
    """

    def __init__(self, latent_dim: int, *, width: int = 32) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = Encoder(2 * latent_dim, width=width)
        self.decoder = Decoder(latent_dim, width=width)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, 1, 28, 28) -> mu (b, z) and logvar = log sigma^2 (b, z)"""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """(b, z) -> pixel logits (b, 1, 28, 28)"""
        return self.decoder(z)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x -> logits of one reconstruction, mu, logvar"""
        mu, logvar = self.encode(x)
        return self.decode(reparameterize(mu, logvar)), mu, logvar

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n images from the prior: z ~ N(0, I), then the mean of p(x | z).  -> (n, 1, 28, 28)"""
        device = next(self.parameters()).device
        return self.decode(torch.randn(n, self.latent_dim, device=device)).sigmoid()


def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
    """One draw z = mu + sigma epsilon from N(mu, diag(exp(logvar))), epsilon ~ N(0, I).

    mu, logvar: (b, z), logvar = log sigma^2.  Returns (b, z).  The randomness does not depend on
    mu and logvar, so gradients reach both.  Kingma & Welling (2014), section 2.4.
    """
    return mu + (0.5 * logvar).exp() * torch.randn_like(mu)


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL( N(mu, diag(exp(logvar))) || N(0, I) ) in nats, one value per image.

    mu, logvar: (b, z), logvar = log sigma^2.  Returns (b,), zero only at mu = logvar = 0.
    Kingma & Welling (2014), appendix B.
    """
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(dim=1)


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x | z) in nats for binary pixels, one value per image.

    logits, x: (b, 1, h, w).  Returns (b,).  On grey pixels the same formula is a cross-entropy
    whose least value is not zero, and no likelihood.
    """
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(dim=1)


def gaussian_nll(x_hat: Tensor, x: Tensor, logvar: Tensor | float) -> Tensor:
    """-log N(x; x_hat, exp(logvar) I) in nats, a density over grey values, one value per image.

    x_hat, x: (b, 1, h, w); logvar = log sigma^2, a number or anything that broadcasts to x.
    Returns (b,).  With logvar = log(1/2) it is the squared error, up to a constant.
    """
    logvar = torch.as_tensor(logvar, dtype=x.dtype, device=x.device)
    nll = 0.5 * ((x - x_hat).square() * (-logvar).exp() + logvar + math.log(2 * math.pi))
    return nll.flatten(1).sum(dim=1)


@torch.no_grad()
def importance_weighted_log_likelihood(
    model: VAE,
    x: Tensor,
    num_samples: int,
    *,
    chunk: int = 50,
    nll: Likelihood = bernoulli_nll,
    log_prior: Prior | None = None,
) -> Tensor:
    """log (1/k) sum_{i<=k} p(x | z_i) p(z_i) / q(z_i | x), z_i ~ q(z | x), in nats, per image.

    A lower bound of log p(x) that grows with k and is the ELBO, without its closed-form KL, at
    k = 1.  Draws go through the decoder `chunk` at a time, so memory does not grow with k.

    Args:
        x: (b, 1, h, w), binary unless another nll is given.  Returns (b,).
        nll: -log p(x | z) from what the model decodes and x, one value per image.
        log_prior: log p(z) of a density that adds up to 1; N(0, I) unless given.

    Raises:
        ValueError: if a pixel is grey, where the Bernoulli formula is no likelihood; if k < 1; if
            log_prior gives anything but one value per code.

    Burda et al. (2016).
    """
    curve = likelihood_curve(model, x, [num_samples], chunk=chunk, nll=nll, log_prior=log_prior)
    return curve[0]


@torch.no_grad()
def likelihood_curve(
    model: VAE,
    x: Tensor,
    ks: Sequence[int],
    *,
    chunk: int = 50,
    nll: Likelihood = bernoulli_nll,
    log_prior: Prior | None = None,
) -> Tensor:
    """`importance_weighted_log_likelihood` at several growing k, from one set of draws.

    Returns (len(ks), b).
    """
    if nll is bernoulli_nll:
        require_binary(x)
    if not ks or list(ks) != sorted(set(ks)) or ks[0] < 1:
        raise ValueError(f"numbers of samples {list(ks)}: they must grow, from 1 or more")
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}: it must be at least 1")
    mu, logvar = model.encode(x)  # (b, z)
    total = torch.full((len(x),), -math.inf, device=x.device)  # log of the sum of weights so far
    curve, drawn = [], 0
    for k in ks:
        while drawn < k:
            n = min(chunk, k - drawn)
            log_weights = _log_weights(model, x, mu, logvar, n, nll, log_prior)  # (n, b)
            total = torch.logaddexp(total, log_weights.logsumexp(dim=0))
            drawn += n
        curve.append(total - math.log(k))
    return torch.stack(curve)


def _log_weights(
    model: VAE,
    x: Tensor,
    mu: Tensor,
    logvar: Tensor,
    n: int,
    nll: Likelihood,
    log_prior: Prior | None,
) -> Tensor:
    """log p(x | z) + log p(z) - log q(z | x) for n draws of z.  -> (n, b)"""
    z = reparameterize(mu.expand(n, *mu.shape), logvar.expand(n, *logvar.shape))  # (n, b, z)
    decoded = model.decode(z.flatten(0, 1))  # (n b, 1, h, w)
    missed = nll(decoded, x.expand(n, *x.shape).flatten(0, 1)).view(n, -1)
    noise = (z - mu) * (-0.5 * logvar).exp()
    log_q = -0.5 * (noise.square() + logvar + LOG_2_PI).sum(dim=2)
    if log_prior is None:
        return -missed - 0.5 * (z.square() + LOG_2_PI).sum(dim=2) - log_q
    found = log_prior(z.flatten(0, 1))
    if found.shape != (n * len(x),):
        raise ValueError(
            f"log_prior gave shape {tuple(found.shape)} for {n * len(x)} codes: one value per code "
            "is needed, summed over its numbers"
        )
    return -missed + found.view(n, -1) - log_q


def mixture_log_prior(mixture: GaussianMixture, *, device: torch.device | str = "cpu") -> Prior:
    """log p(z) = log sum_k w_k N(z; m_k, S_k) of a fitted mixture, for use as a prior.

    Returns a function of codes (n, z) -> (n,) in nats, on `device`.

    Raises:
        ValueError: if the mixture's covariances are not full matrices.
    """
    if mixture.covariance_type != "full":
        raise ValueError(
            f"covariance_type is {mixture.covariance_type!r}: fit the mixture with 'full', the "
            "default"
        )
    log_weights, means, scale = (
        torch.as_tensor(values, dtype=torch.float32, device=device)
        for values in (mixture.weights_, mixture.means_, mixture.precisions_cholesky_)
    )  # (k,), (k, z), (k, z, z): the inverse of S_k is scale_k scale_k^T
    log_weights = log_weights.log()
    log_determinant = scale.diagonal(dim1=1, dim2=2).log().sum(dim=1)  # of S_k^(-1/2), (k,)
    centers = torch.einsum("kz,kzj->kj", means, scale)

    def log_prior(z: Tensor) -> Tensor:
        white = torch.einsum("nz,kzj->nkj", z, scale) - centers  # (n, k, z)
        log_normal = log_determinant - 0.5 * (white.square() + LOG_2_PI).sum(dim=2)
        return (log_weights + log_normal).logsumexp(dim=1)

    return log_prior


@torch.no_grad()
def negative_elbo(model: VAE, x: Tensor) -> Tensor:
    """One-draw estimate of E_q[-log p(x | z)] + KL( q(z | x) || p(z) ) in nats, per image.

    x: (b, 1, h, w), binary.  Returns (b,).  The draw belongs to the bound: decoding mu instead
    gives a smaller number that bounds nothing.

    Raises:
        ValueError: if a pixel is grey.
    """
    require_binary(x)
    logits, mu, logvar = model(x)
    return bernoulli_nll(logits, x) + kl_to_standard_normal(mu, logvar)


def active_units(mu: Tensor, *, threshold: float = 0.01) -> int:
    """How many code dimensions say something about the image: Var_x( E[z_u | x] ) > threshold.

    mu: (n, z), posterior means of many images.  Burda et al. (2016).
    """
    return int((mu.var(dim=0) > threshold).sum())


def require_binary(x: Tensor) -> None:
    """Raise a ValueError that names the first pixel that is neither 0 nor 1."""
    grey = x[(x != 0) & (x != 1)]
    if len(grey):
        raise ValueError(
            f"pixel value {grey[0].item():.4g}: a likelihood needs binary images, so binarize(x) "
            "first. On grey pixels the same formula is a cross-entropy, and no likelihood"
        )
