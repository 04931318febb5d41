"""One table for every model: the same measures, the same real images, floors beside them."""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genmnist.data import DEFAULT_ROOT, Images
from genmnist.display import in_notebook
from genmnist.evaluation import (
    class_histogram,
    frechet_distance,
    inception_score,
    kl_divergence,
    nearest_neighbours,
    precision_recall,
)
from genmnist.judge import Judge

# column -> heading, and whether higher (+1) or lower (-1) is better; 0 where neither is
COLUMNS: dict[str, tuple[str, int]] = {
    "frechet": ("Fréchet distance, × real's ↓", -1),
    "precision": ("precision ↑", +1),
    "recall": ("recall ↑", +1),
    "density": ("density ↑", +1),
    "coverage": ("coverage ↑", +1),
    "class_kl": ("class KL, nats ↓", -1),
    "inception": ("inception score, % of real's ↑", +1),
    "nearest": ("nearest training image, × real's", 0),
    "seconds": ("training, s", 0),
}
REAL = "real test images"  # the row that the others are divided by; never marked as best


@dataclass(frozen=True)
class RealImages:
    """What every sample is compared with, computed once: see `look_at_real_images`."""

    judge: Judge
    train_features: Tensor  # (60000, 128)
    neighbours: Tensor  # (n, 128): as many training images as there are samples in a row
    class_share: Tensor  # (10,)
    frechet: float  # of the test images to the training images
    inception: float  # of the test images
    nearest: float  # median distance of a test image to its nearest training image
    source: str

    @property
    def n(self) -> int:
        return len(self.neighbours)


@torch.no_grad()
def look_at_real_images(judge: Judge, train: Images, test: Images) -> RealImages:
    """Features and floors of the real images, n = as many as there are test images.

    Samples are compared with the training images.  The test images are read here only, as the row
    that says how far *real* images are from the training images at the same n.
    """
    train_features, test_features = (judge.features(images.x / 255) for images in (train, test))
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[: len(test)]
    return RealImages(
        judge=judge,
        train_features=train_features,
        neighbours=train_features[chosen.to(train_features.device)],
        class_share=class_histogram(train.y),
        frechet=frechet_distance(test_features, train_features),
        inception=inception_score(judge.head(test_features)),
        nearest=nearest_neighbours(test_features, train_features)[0].median().item(),
        source=train.source,
    )


@torch.no_grad()
def score(samples: Tensor, real: RealImages) -> dict[str, float]:
    """Every column of the scoreboard but the seconds, for samples (n, 1, 28, 28) in [0, 1].

    Raises:
        ValueError: if there are not exactly `real.n` samples, or if a pixel leaves [0, 1].
    """
    if len(samples) != real.n:
        raise ValueError(f"{len(samples)} samples: every row of the scoreboard takes {real.n}")
    features = real.judge.features(samples)
    logits = real.judge.head(features)
    manifold = precision_recall(real.neighbours, features)
    distance, _ = nearest_neighbours(features, real.train_features)
    return {
        "frechet": frechet_distance(features, real.train_features) / real.frechet,
        **manifold._asdict(),
        "class_kl": kl_divergence(class_histogram(logits.argmax(dim=1)), real.class_share),
        "inception": 100 * inception_score(logits) / real.inception,
        "nearest": distance.median().item() / real.nearest,
    }


class Scoreboard:
    """Rows of scores that outlive a notebook: the next one goes on with the same file.

    Where there is no such file yet, the rows that come with the course are the start, unless
    `shipped` is False.

    Args:
        path: a JSON file; its folder is made.
        source: `Images.source`.  Rows of other images are refused.
        n: images per row, stated in the heading.
    """

    def __init__(self, path: Path, *, source: str, n: int, shipped: bool = True) -> None:
        self.path, self.source, self.n = path, source, n
        self.rows: dict[str, dict[str, list[float]]] = {}
        stored = DEFAULT_ROOT / f"scoreboard-{source}.json"
        for file in (path, stored) if shipped else (path,):
            if file.exists():
                content = json.loads(file.read_text("utf-8"))
                if (content["source"], content["n"]) == (source, n):
                    self.rows = content["rows"]
                    break
                if file == path:
                    raise ValueError(
                        f"{path} holds scores of {content['n']} images of {content['source']}, not "
                        f"of {n} of {source}: give another file name, or delete it to start over"
                    )

    def add(self, name: str, *scores: Mapping[str, float]) -> None:
        """Set a row, from one score or from one for each seed, and save the table.

        Raises:
            ValueError: for a column that the table does not have, or a value that is not finite.
        """
        if not scores:
            raise ValueError(f"row {name!r}: give at least one score")
        for values in scores:
            if values.keys() != scores[0].keys():
                different = sorted(values.keys() ^ scores[0].keys())
                raise ValueError(f"row {name!r}: not every seed has {', '.join(different)}")
            for column, value in values.items():
                if column not in COLUMNS:
                    raise ValueError(f"no column {column!r}: there are {', '.join(COLUMNS)}")
                if not math.isfinite(value):
                    raise ValueError(f"row {name!r}: {column} is {value}")
        columns = [column for column in COLUMNS if column in scores[0]]
        self.rows[name] = {c: [float(values[c]) for values in scores] for c in columns}
        self._save()

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        content = {"source": self.source, "n": self.n, "rows": self.rows}
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
        os.replace(temporary, self.path)

    def best(self) -> dict[str, str]:
        """For each column that has a better side, the best row; the real row is no rival."""
        best = {}
        for column, (_, sign) in COLUMNS.items():
            rivals = {
                name: sign * _mean(values[column])
                for name, values in self.rows.items()
                if sign and column in values and name != REAL
            }
            if rivals:
                best[column] = max(rivals, key=rivals.get)
        return best

    def show(self) -> None:
        """Show the table; the best value of a column is bold and starred."""
        best = self.best()
        cells = [
            [name, *(_text(values.get(c), best.get(c) == name) for c in COLUMNS)]
            for name, values in self.rows.items()
        ]
        headings = [f"{self.source}, n = {self.n:,}", *(text for text, _ in COLUMNS.values())]
        plain = _plain_table([headings, *cells])
        if not in_notebook():
            print(plain)
            return
        from IPython.display import display

        display({"text/html": _html_table(headings, cells), "text/plain": plain}, raw=True)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _text(values: list[float] | None, is_best: bool) -> str:
    if values is None:
        return "–"
    mean, digits = _mean(values), 0 if abs(_mean(values)) >= 100 else 2
    text = f"{mean:,.{digits}f}"
    if len(values) > 1:
        text += f" ± {torch.tensor(values).std().item():.{digits}f}"
    return text + (" *" if is_best else "")


def _plain_table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *values in rows:
        numbers = [text.rjust(width) for text, width in zip(values, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *numbers]))
    return "\n".join(lines)


def _html_table(headings: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in headings)
    body = ""
    for row in rows:
        name, *values = (html.escape(text) for text in row)
        cells = [name, *(f"<b>{text}</b>" if text.endswith("*") else text for text in values)]
        body += "<tr>" + "".join(f"<td>{text}</td>" for text in cells) + "</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
