"""Published numbers, each with its source, to stand beside ours.

Only numbers that were read in the paper's own text or table, or in the code or README of a public
repository, are here, and baselines that `calibration.py` computes on the official files.  Beside
them stand their units and protocols, because most of them can be compared within a row only.
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    headline: str  # the id of the result of ours that it stands beside
    what: str
    value: float
    unit: str
    source: str


_HINTON = "Hinton and Salakhutdinov (2006), figure 2B"
_BURDA = "Burda et al. (2016), table 1"
_EXEMPLAR = "Norouzi et al. (2020), Exemplar VAE, table"
_NBIP = "repository nbip/IWAE, README"
_PACGAN1 = "Lin et al. (2018), PacGAN, table 1"
_PACGAN2 = "Lin et al. (2018), PacGAN, table 2"
_MMD = "Bińkowski et al. (2018), table 3: LeNet features, unequal numbers"
_SINKHORN = "Cao et al. (2021), DP-Sinkhorn, table"
_GOODFELLOW = "Goodfellow et al. (2014), table 1"
_SVDD = "repository mperezcarrasco/PyTorch-Deep-SVDD, README (mean of its ten digits)"
_KAUSTIC = (
    "repository Kaustic-user/PCA-PPCA-VAE-MNIST-Reconstruction-Generative-AI, README: "
    "0.0414 per pixel"
)
_HERE = "computed for this course, no network: `maintain.py calibrate`"
_OCGAN = "repository nuclearboy95/Anomaly-Detection-OCGAN-tensorflow, README (mean)"
_ERROR = "squared error per test image"
_NLL = "nats per binarised test image"

PUBLISHED = (
    Published("A1", "784-1000-500-250-30 autoencoder", 3.00, _ERROR, _HINTON),
    Published("A1", "logistic PCA, 30 numbers", 8.01, _ERROR, _HINTON),
    Published("A1", "PCA, 30 numbers", 13.87, _ERROR, _HINTON),
    Published("A2", "2-d VAE of a public repository", 32.5, _ERROR, _KAUSTIC),
    Published("A3", "best linear map, noisy image clipped", 17.68, "dB", _HERE),
    Published("A4", "error of PCA-30", 95.73, "mean AUROC, %", _HERE),
    Published("A4", "Deep SVDD, authors' code run again", 93.82, "mean AUROC, %", _SVDD),
    Published("A4", "OCGAN, implemented again", 96.02, "mean AUROC, %", _OCGAN),
    Published("A5", "error of PCA-30", 0.972, "AUROC", _HERE),
    Published("V1", "VAE, one layer, k = 1", 86.76, _NLL, _BURDA),
    Published("V1", "IWAE, one layer, k = 50", 84.78, _NLL, _BURDA),
    Published("V1", "IWAE, two layers, k = 50", 82.90, _NLL, _BURDA),
    Published("V1", "VAE, one layer, normal prior", 84.45, _NLL, _EXEMPLAR),
    Published("V1", "VAE, one layer, VampPrior", 82.43, _NLL, _EXEMPLAR),
    Published("V1", "PixelSNAIL decoder, VampPrior", 77.90, _NLL, _EXEMPLAR),
    Published("V2", "active units, VAE, one layer, k = 1", 19, "of its code", _BURDA),
    Published("V2", "active units, IWAE, one layer, k = 50", 25, "of its code", _BURDA),
    Published("V3", "Fashion-MNIST: VAE, normal prior", 228.70, _NLL, _EXEMPLAR),
    Published("V3", "Fashion-MNIST: VAE, VampPrior", 227.35, _NLL, _EXEMPLAR),
    Published("V3", "Fashion-MNIST: PixelSNAIL, Exemplar prior", 223.26, _NLL, _EXEMPLAR),
    Published("V4", "conditional IWAE, k = 1", 82.32, _NLL, _NBIP),
    Published("V4", "conditional IWAE, k = 50", 80.78, _NLL, _NBIP),
    Published("G1", "ring: GAN", 6.3, "of 8 modes", _PACGAN1),
    Published("G1", "ring: PacGAN2", 7.9, "of 8 modes", _PACGAN1),
    Published("G1", "grid: GAN", 17.3, "of 25 modes", _PACGAN1),
    Published("G1", "grid: PacGAN4", 24.8, "of 25 modes", _PACGAN1),
    Published("G2", "DCGAN", 78.9, "of 1,000 modes", _PACGAN2),
    Published("G2", "PacDCGAN2", 1000, "of 1,000 modes", _PACGAN2),
    Published("G2", "PacDCGAN2, KL", 0.06, "nats", _PACGAN2),
    Published("G3", "WGAN-GP", 1.61, "distance over the test set's", _MMD),
    Published("G3", "MMD GAN, rq kernel", 0.98, "distance over the test set's", _MMD),
    Published("G3", "Cramér GAN", 0.79, "distance over the test set's", _MMD),
    Published("G4", "CNN trained on a generator's images", 91.0, "% of real test", _SINKHORN),
    Published("G4", "CNN trained on real images", 99.3, "% of real test", _SINKHORN),
    Published("G6", "GAN", 225, "nats, Parzen window", _GOODFELLOW),
    Published("G6", "deep GSN", 214, "nats, Parzen window", _GOODFELLOW),
    Published("G6", "stacked CAE", 121, "nats, Parzen window", _GOODFELLOW),
    Published("G6", "DBN", 138, "nats, Parzen window", _GOODFELLOW),
)
