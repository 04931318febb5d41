"""Headline numbers of a full run as JSON, and the table that shows them beside published ones."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Mapping
from pathlib import Path

from genmnist.data import DEFAULT_ROOT
from genmnist.published import PUBLISHED

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


def table(results: Mapping[str, Mapping], seeds: Mapping[str, Mapping] | None = None) -> str:
    """A Markdown table: ours with spread, n, seeds, device and time, and what was published.

    seeds: headline -> {"values": […], "details": [{…}, …]} of runs with other seeds, which join the
    mean, and give the standard deviation.
    """
    lines = [
        "| | ours | unit | n, seeds | run | published |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in [name for name in HEADLINES if name in results]:
        entry = _over_seeds(results[name], (seeds or {}).get(name))
        spread = f" ± {entry['std']:.2g}" if entry["std"] is not None else ""
        beside = "; ".join(
            f"{row.value:g} {row.what} ({row.source})" for row in PUBLISHED if row.headline == name
        )
        more = "".join(f"; {k} {v:.4g}" for k, v in entry["detail"].items())
        took = f", {entry['seconds']:.0f} s" if entry["seconds"] else ""  # 0: nothing was trained
        lines.append(
            f"| {name}: {HEADLINES[name]} | {entry['value']:.4g}{spread}{more} | {entry['unit']} | "
            f"{entry['n']:,}, {entry['seeds']} | {entry['source']}, {entry['device']}{took} | "
            f"{beside or '–'} |"
        )
    return "\n".join(lines)


def _over_seeds(entry: Mapping, others: Mapping | None) -> Mapping:
    """Mean and standard deviation over this run and others; one that has a spread keeps it."""
    if not others or entry["std"] is not None:
        return entry
    values = [entry["value"], *others["values"]]
    details = [entry["detail"], *others["details"]]
    return {
        **entry,
        "value": statistics.mean(values),
        "std": statistics.stdev(values),
        "seeds": len(values),
        "detail": {k: statistics.mean(d[k] for d in details) for k in entry["detail"]},
    }
