"""The encoder and the decoder that all three notebooks share, and the autoencoder made of them."""

from __future__ import annotations

from torch import Tensor, nn


class Encoder(nn.Module):
    """Image to a vector of numbers.  (b, c, 28, 28) -> (b, out_dim), c = 1 for grey images"""

    def __init__(self, out_dim: int, *, width: int = 32, channels: int = 1) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),  # (b, w, 14, 14)
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),  # (b, 2w, 7, 7)
            nn.SiLU(),
            nn.Flatten(),  # (b, 2w 7 7)
            nn.Linear(2 * width * 7 * 7, out_dim),  # (b, out_dim)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Decoder(nn.Module):
    """Code to pixel logits; their sigmoid is an image.  (b, z) -> (b, c, 28, 28)"""

    def __init__(self, latent_dim: int, *, width: int = 32, channels: int = 1) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, 2 * width * 7 * 7),  # (b, 2w 7 7)
            nn.Unflatten(1, (2 * width, 7, 7)),
            nn.SiLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),  # (b, w, 14, 14)
            nn.SiLU(),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),  # (b, c, 28, 28)
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)
