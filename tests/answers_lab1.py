"""Answers as students write them, right and wrong."""

import numpy as np
import torch
import torch.nn.functional as F

from genmnist.autoencoder import squared_error


def limits(z, dim=0):
    return z.amin(dim, keepdim=True), z.amax(dim, keepdim=True)


def between(z, low, high, steps, rounded=torch.round):
    step = ((high - low) / steps).clamp(min=1e-12)
    return rounded((z - low) / step) * step + low


def quantize_in_loops(z, bits):
    columns = []
    for column in z.unbind(1):
        levels = torch.linspace(column.min().item(), column.max().item(), 2**bits).to(z)
        columns.append(levels[(column[:, None] - levels).abs().argmin(1)])
    return torch.stack(columns, dim=1)


def quantize_by_midpoints(z, bits):
    low, high = limits(z)
    levels = low + (high - low) * torch.arange(2**bits, device=z.device)[:, None] / (2**bits - 1)
    middles = ((levels[1:] + levels[:-1]) / 2).T.contiguous()
    return levels.T.gather(1, torch.searchsorted(middles, z.T.contiguous())).T


def quantize_in_numpy(z, bits):
    a = z.detach().cpu().double().numpy()
    low, span = a.min(axis=0), np.ptp(a, axis=0)
    span[span == 0] = 1
    code = np.rint((a - low) / span * (2**bits - 1))
    return torch.from_numpy(low + code * span / (2**bits - 1)).to(z)


def quantize_with_where(z, bits):
    low, high = limits(z)
    part = (z - low) / (high - low)
    return torch.where(high > low, low + torch.round(part * (2**bits - 1)) / (2**bits - 1)
                       * (high - low), z)  # fmt: skip


def quantize_in_place(z, bits):
    low, high = limits(z)
    z -= low
    return between(z, 0 * low, high - low, 2**bits - 1) + low


def quantize_without_clamp(z, bits):
    low, high = limits(z)
    step = (high - low) / (2**bits - 1)
    return low + ((z - low) / step).round() * step


def quantize_without_zeros(z, bits):
    return quantize_without_clamp(z, bits).nan_to_num(0)


def level_numbers(z, bits):
    low, high = limits(z)
    return ((z - low) / ((high - low) / (2**bits - 1)).clamp(min=1e-12)).round()


def quantize_upwards(z, bits):
    low, high = limits(z)
    levels = (low + (high - low) * torch.linspace(0, 1, 2**bits)[:, None]).T.contiguous()
    k = torch.searchsorted(levels, z.T.contiguous()).clamp(max=2**bits - 1)
    return levels.gather(1, k).T


def norm(x, power=2):
    return x.flatten(1).norm(power, dim=1)


def score_in_a_loop(x_hat, x, power):
    pairs = [((a - b).pow(2).sum(), b.pow(2).sum().sqrt()) for a, b in zip(x_hat, x, strict=True)]
    return torch.stack([e / n**power if n > 0 else e for e, n in pairs])


def score_with_where(x_hat, x, power):
    size = torch.einsum("bchw,bchw->b", x, x)
    return squared_error(x_hat, x) / torch.where(size == 0, 1, size) ** (power / 2)


def score_by_logarithms(x_hat, x, power):
    size = torch.linalg.vector_norm(x, dim=(1, 2, 3)).clamp_min(1e-4)
    return squared_error(x_hat, x) * torch.exp(-power * size.log())


def score_scaled_first(x_hat, x, power):
    scale = (norm(x) + 1e-6) ** (power / 2)
    return squared_error(x_hat / scale[:, None, None, None], x / scale[:, None, None, None])


RIGHT = {
    "quantize": [
        quantize_in_loops,
        quantize_by_midpoints,
        quantize_in_numpy,
        quantize_with_where,
        lambda z, bits: between(z, *limits(z), 2**bits - 1),
    ],
    "anomaly_score": [
        score_in_a_loop,
        score_with_where,
        score_by_logarithms,
        score_scaled_first,
        lambda x_hat, x, power: squared_error(x_hat, x) / (norm(x) + 1e-6) ** power,
    ],
}
WRONG = {
    "quantize": [
        quantize_in_place,
        quantize_upwards,
        quantize_without_clamp,
        quantize_without_zeros,
        lambda z, bits: between(z, *limits(z), 2**bits),
        lambda z, bits: between(z, *limits(z), 2 * bits - 1),
        lambda z, bits: between(z, *limits(z), bits),
        lambda z, bits: between(z, *limits(z), 255),
        lambda z, bits: between(z, *limits(z), 2**bits - 1, torch.floor),
        lambda z, bits: between(z, *limits(z), 2**bits - 1, torch.trunc),
        lambda z, bits: between(z, *limits(z), 2**bits - 1, torch.ceil),
        lambda z, bits: between(z, *limits(z, 1), 2**bits - 1),
        lambda z, bits: between(z, z.min(), z.max(), 2**bits - 1),
        lambda z, bits: between(z, -z.abs().amax(0), z.abs().amax(0), 2**bits - 1),
        lambda z, bits: between(z, 0 * z, z.amax(0), 2**bits - 1),
        lambda z, bits: between(z, z.mean(0) - 3 * z.std(0), z.mean(0) + 3 * z.std(0), 2**bits - 1),
        lambda z, bits: level_numbers(z, bits),
        lambda z, bits: between(z, *limits(z), 2**bits - 1) - limits(z)[0],
        lambda z, bits: between(z, *limits(z), 2**bits - 1).double(),
        lambda z, bits: (z * 2**bits).round() / 2**bits,
        lambda z, bits: z.half().float(),
        lambda z, bits: between(z, *limits(z), 2**bits - 1, lambda code: code.round().char()),
    ],
    "anomaly_score": [
        lambda x_hat, x, power: squared_error(x_hat, x) / norm(x) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x) / norm(x_hat).clamp(min=1e-6) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x) / (norm(x) + 1) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x) / (norm(x).square() + 1e-6) ** power,
        lambda x_hat, x, power: (squared_error(x_hat, x) / (norm(x) + 1e-6)) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x) / (norm(x, 1) + 1e-6) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x) / (norm(x, power) + 1e-6),
        lambda x_hat, x, power: squared_error(x_hat, x) / (x.norm() + 1e-6) ** power,
        lambda x_hat, x, power: norm(x_hat - x) / (norm(x) + 1e-6) ** power,
        lambda x_hat, x, power: norm(x_hat - x) ** power / (norm(x) + 1e-6) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x) / (norm(x) + 1e-6) * power,
        lambda x_hat, x, power: squared_error(x_hat, x) / (norm(x) + 1e-6),
        lambda x_hat, x, power: squared_error(x_hat, x) / (norm(x) + 1e-6) ** int(power),
        lambda x_hat, x, power: squared_error(x_hat, x) / (x.norm(dim=1) + 1e-6) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x).mean() / (norm(x) + 1e-6) ** power,
        lambda x_hat, x, power: F.mse_loss(x_hat, x) / (norm(x) + 1e-6) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x) / 784 / (norm(x) + 1e-6) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x) / x.flatten(1).std(1).clamp(1e-6) ** power,
        lambda x_hat, x, power: squared_error(x_hat, x) / (norm(x).amax() + 1e-6) ** power,
    ],
}
