"""Headline numbers of a full run as JSON, and the table that shows them beside published ones."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from genmnist.published import PUBLISHED

HEADLINES = ("A1", "A2", "A3", "A4", "A5", "V1", "V2", "V3", "V4", "V5",
             "G1", "G2", "G3", "G4", "G5", "G6")  # fmt: skip


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


def table(results: Mapping[str, Mapping]) -> str:
    """A Markdown table: ours with spread, n, seeds, device and time, and what was published."""
    lines = [
        "| | ours | unit | n, seeds | run | published |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, entry in results.items():
        spread = f" ± {entry['std']:.2f}" if entry["std"] is not None else ""
        beside = "; ".join(
            f"{row.value:g} {row.what} ({row.source})" for row in PUBLISHED if row.headline == name
        )
        lines.append(
            f"| {name} | {entry['value']:.2f}{spread} | {entry['unit']} | {entry['n']:,}, "
            f"{entry['seeds']} | {entry['source']}, {entry['device']}, {entry['seconds']:.0f} s | "
            f"{beside or '–'} |"
        )
    return "\n".join(lines)
