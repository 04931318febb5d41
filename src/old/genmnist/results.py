"""Headline numbers of a full run as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from genmnist.data import DEFAULT_ROOT

HEADLINES = {
    "A1": "autoencoder, 30 numbers per image",
    "A2": "autoencoder, 2 numbers per image",
    "A3": "denoising, noise 0.5",
    "A4": "anomalies, one class against nine",
    "A5": "MNIST recognised as foreign to Fashion-MNIST",
    "V1": "VAE with a mixture prior, −log p(x) on MNIST",
    "V2": "VAE, active units",
    "V3": "VAE with a mixture prior, −log p(x) on Fashion-MNIST",
    "V4": "conditional VAE with a mixture prior, −log p(x given y)",
    "V5": "autoencoder, Gaussian codes against a mixture",
    "G1": "modes of the grid of 25",
    "G2": "modes of stacked digits",
    "G3": "autoencoder and mixture, then GAN: sample quality",
    "G4": "conditional GAN, train on samples and test on real",
    "G5": "conditional GAN, label accuracy",
    "G6": "Parzen window",
}


def record(
    path: Path,
    headline: str,
    value: float,
    *,
    unit: str,
    n: int,
    source: str,
    device: str,
    seconds: float,
    std: float | None = None,
    seeds: int = 1,
    detail: Mapping[str, float] | None = None,
) -> None:
    """Write one headline number to a JSON file, beside those that are there.

    A headline's value is MNIST's: a run on other images leaves the file as it is.

    Args:
        n: images (or points) behind the value.
        std: standard deviation over seeds, if there are several.
        detail: further numbers, such as those of the other data set.

    Raises:
        ValueError: for an unknown headline, or a value that is not finite.
    """
    if headline not in HEADLINES:
        raise ValueError(f"no headline {headline!r}: there are {', '.join(HEADLINES)}")
    for name, number in {"value": value, "std": std or 0.0, **(detail or {})}.items():
        if not math.isfinite(number):
            raise ValueError(f"{headline}: {name} is {number}")
    if source != "MNIST":
        return
    entry = {
        "value": float(value), "std": std, "unit": unit, "n": n, "seeds": seeds,
        "device": device, "seconds": round(seconds, 1), "source": source,
        "detail": dict(detail or {}),
    }  # fmt: skip
    results = read(path) | {headline: entry}
    ordered = {name: results[name] for name in HEADLINES if name in results}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(temporary, path)


def read(path: Path) -> dict[str, dict]:
    """The results in a file; none if there is no file."""
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def other_seeds(headline: str, path: Path = DEFAULT_ROOT / "seeds.json") -> list[float]:
    """The same headline number in the course's own runs with other seeds; empty if none were made.

    `maintain.py seeds` makes them, on the device that data/results.json names.
    """
    return read(path).get(headline, {}).get("values", [])
