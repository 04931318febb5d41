"""The generative adversarial network: generator, discriminator and the two losses of the game."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from genmnist.autoencoder import Decoder


class Generator(nn.Module):
    """Noise to image, the decoder and a sigmoid.  (b, z) -> (b, 1, 28, 28) in [0, 1]"""

    def __init__(self, latent_dim: int, *, width: int = 32) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.decoder = Decoder(latent_dim, width=width)

    def forward(self, z: Tensor) -> Tensor:
        return self.decoder(z).sigmoid()


class Discriminator(nn.Module):
    """Image to one logit, the log odds that it is real.  (b, 1, 28, 28) in [0, 1] -> (b,)"""

    def __init__(self, *, width: int = 32) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1),  # (b, w, 14, 14)
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),  # (b, 2w, 7, 7)
            nn.LeakyReLU(0.2),
            nn.Flatten(),  # (b, 2w 7 7)
            nn.Linear(2 * width * 7 * 7, 1),  # (b, 1)
            nn.Flatten(0),  # (b,)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))), in nats per image pair.  (b,), (b,) -> (b,)

    2 log 2 when D cannot tell real from fake.  Goodfellow et al. (2014), equation 1.
    """
    return F.softplus(-real_logits) + F.softplus(fake_logits)


def generator_loss(fake_logits: Tensor) -> Tensor:
    """-log D(G(z)), in nats per image: the non-saturating loss.  (b,) -> (b,)

    log 2 when D cannot tell real from fake.  The minimax loss would be log(1 - D(G(z))), whose
    gradient vanishes where D is sure.  Goodfellow et al. (2014), section 3.
    """
    return F.softplus(-fake_logits)
