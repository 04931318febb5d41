"""The variational autoencoder: its network, the two terms of its bound, its likelihoods."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmnist.autoencoder import Decoder, Encoder


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
