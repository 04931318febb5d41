"""Digits and garments drawn by formula: stand-ins for MNIST and Fashion-MNIST without a network.

Digits are pen strokes: smooth curves through jittered control points, thickened with ink.
Garments are soft-edged implicit shapes: a signed distance, positive inside, turned into grey.
No two images are alike, and small changes of the parameters change an image only a little,
so that autoencoders, VAEs and GANs find the same kind of structure as in the photographed data.
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

SIDE = 28
CHUNK = 500  # images drawn at a time: bounds memory, and keeps the working set near the caches

# Paths of the pen: control points "x,y", y downwards, in a box about 14 wide and 20 high, with "|"
# where the pen is lifted. A point written twice in a row makes a corner. Equal points move
# together; points slightly apart drift apart, so that loops may stay open. Each digit has one or
# more ways of being written, equally frequent.
DIGITS: list[list[str]] = [
    ["9,0 2,2 0,12 5,20 13,17 15,7 8,0.5"],
    [
        "7,0 7,7 7,13 7,20",
        "7,0 7.5,10 7,20",
        "3,4 8,0 8,0 8,10 8,20",
        "3,4 8,0 8,0 8,10 8,20 | 3,20 8,20 13,20",
    ],
    [
        "1,5 4,1 9,0 13,5 9,12 0,20 0,20 7,19.5 14,20",
        "1,4 6,0 12,3 10,10 5,17 1,19 1,16 6,16 14,19",
    ],
    [
        "1,2 6,0 11,3 9,8 5,9.5 5,9.5 10,10.5 13,15 9,19.5 4,20 0,17",
        "0,1 6,0 12,0 12,0 6,8 6,8 12,11 12,17 6,20 0,18",
    ],
    [
        "2,0 1,6 0,11 0,11 7,11 14,10 | 12,1 11,10 10,20",
        "10,0 5,6 0,14 0,14 7,14 14,13.5 | 10,0 10,9 9.5,20",
    ],
    [
        "13,0 8,0 3,0.5 3,0.5 2,8 2,8 8,7 13,12 11,18 5,20 0,18",
        "4,1 2,9 2,9 8,8 12,13 9,19 0,19 | 4,0 9,0 14,-1",
    ],
    [
        "11,0 5,4 1,11 2,17 6,20 11,18 11,13 7,11 2,14",
        "6,0 3,6 1,13 3,19 8,20 12,16 9,12 5,12 2,16",
    ],
    [
        "0,1 6,0.5 13,0 13,0 10,7 7,14 6,20",
        "0,4 1,1 6,1 13,0 13,0 9,8 6,20",
        "0,1 6,0.5 13,0 13,0 10,7 7,14 6,20 | 3,10 13,9",
    ],
    ["12,3 8,0 3,2 4,7 10,12 11,17 6,20 1,17 3,12 9,8 12,3.5"],
    [
        "12,4 8,0 3,2 1,7 5,10 10,8 12,4 12,11 11,20",
        "12,3 7,0 2,4 4,9 9,9 12,3 13,10 10,17 3,20",
    ],
]

# Sandals are paths as well: a sole, toe to the left, and its straps.
SANDALS: list[str] = [
    "0,10 8,10.5 17,10 26,9 | 0,11 8,11.5 17,11 26,10 | 4,10 7,5 12,5 16,10",
    "0,11 8,11.5 17,11 26,10 | 0,12 8,12.5 17,12 26,11 | 2,11 5,6 9,11 | 7,11 11,5 15,11"
    " | 16,11 19,4 24,3 25,10",
    "0,20 7,20 15,14 25,9 | 25,9 25,14 24.5,21 | 2,19 5,14 9,18 | 16,13 19,4 25,3 25,9",
]

# Ranges, in pixels, for the tops, which share one pattern: heights of the neck above and of the hem
# below the middle; half-widths; length, angle from the vertical, and half-width of the sleeves;
# neck hole; contrasts of an open front, of the collar and of buttons.
TOPS = ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")
MEASURES: dict[str, tuple[tuple[float, float], ...]] = {
    "rise": ((11, 13), (11, 13), (12, 13), (12, 13), (11, 13)),
    "hem": ((10, 13), (10, 13), (12, 13), (12, 13), (10, 13)),
    "chest": ((6.2, 8), (5.8, 7.2), (3.6, 5.4), (6, 7.2), (5.4, 7)),
    "waist": ((6, 7.8), (5.6, 7.2), (2.8, 4.6), (5.4, 7), (5, 6.6)),
    "flare": ((6.2, 8.2), (5.8, 7.2), (4.6, 9), (6.4, 8), (5.4, 7.2)),
    "sleeve": ((2.5, 5), (18, 21), (0, 5), (18, 21), (6, 20)),
    "angle": ((0.7, 1.1), (0.1, 0.3), (0.2, 0.6), (0.1, 0.24), (0.14, 0.35)),
    "arm": ((2.2, 3), (2.2, 3), (0.8, 2), (2.4, 3.2), (2, 2.7)),
    "neck": ((2, 4), (2, 3.5), (1.5, 3), (1.8, 3), (1.8, 2.8)),
    "depth": ((1.5, 4), (1, 3), (1.5, 4), (1.5, 5), (1.5, 3)),
    "open": ((0, 0), (0, 0), (0, 0), (0.5, 0.9), (0, 0.15)),
    "collar": ((0, 0.2), (0, 0.2), (0, 0.15), (-0.4, -0.1), (0.25, 0.5)),
    "buttons": ((0, 0), (0, 0), (0, 0), (0, 0), (0.3, 0.7)),
}

# Heights of a shoe's upper edge and of its sole, at evenly spaced places from toe (left) to heel.
SHOES: dict[str, tuple[list[float], list[float]]] = {
    "Sneaker": ([4.5, 2, 1, -1, -4, -6, -4.5, -3.5, -5], [6.5, 7, 7, 7, 7, 7, 7, 7, 6.5]),
    "Ankle boot": ([6, 3.5, 3, 2, 0, -8, -18, -20, -20], [10, 11, 11, 11, 10.5, 10, 11, 11.5, 11]),
}


def draw(name: Literal["MNIST", "FashionMNIST"], n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Draw ``n`` images of the ten digits, or of the ten garments in the order of Fashion-MNIST.

    Returns ``x``, uint8 of shape (n, 1, 28, 28), white (up to 255) on black (0), and ``y``, int64
    of shape (n,), labels 0 to 9: as balanced as ``n`` allows, and shuffled. The same ``seed`` gives
    the same images on the same machine, another seed gives others; the global random state is
    neither read nor changed. The first images of a larger ``n`` are not those of a smaller one.

    Raises ValueError for any other ``name`` and for a negative ``n``.
    """
    if name not in STYLES:
        raise ValueError(f"unknown name {name!r}: choose one of {', '.join(STYLES)}")
    if n < 0:
        raise ValueError(f"n is {n}: ask for 0 or more images")
    rng = Generator().manual_seed(seed)
    y = (torch.arange(n) % 10)[torch.randperm(n, generator=rng)]
    x = torch.zeros(n, 1, SIDE, SIDE, dtype=torch.uint8)
    for label, styles in enumerate(STYLES[name]):
        members = (y == label).nonzero().flatten()
        for k, style in enumerate(styles):
            for part in members[k :: len(styles)].split(CHUNK):
                x[part, 0] = (255 * style(len(part), rng)).round().to(torch.uint8)
    return x, y


def _uniform(n: int, rng: Generator, low: float, high: float) -> Tensor:
    """One number per image, of shape (n, 1, 1), ready to meet a picture's rows and columns."""
    return torch.empty(n, 1, 1).uniform_(low, high, generator=rng)


def _spline(knots: int, samples: int) -> Tensor:
    """(samples, knots) matrix of Catmull-Rom weights: a smooth curve through all the knots."""
    t = torch.linspace(0, knots - 1, samples)
    i = t.long().clamp(max=knots - 2)
    f = t - i
    cubic = torch.tensor([[0, -1, 2, -1], [2, 0, -5, 3], [0, 1, 4, -3], [0, 0, -1, 1]]) / 2
    basis = cubic @ torch.stack([f**0, f, f**2, f**3])
    weights = torch.zeros(samples, knots)
    for j in range(4):
        weights.scatter_add_(1, (i + j - 1).clamp(0, knots - 1)[:, None], basis[j][:, None])
    return weights


def _curve(path: str) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct control points (k, 2), matrix (s, k) to samples about 1 apart, and (s-1,) joints."""
    strokes = [
        [tuple(float(z) for z in point.split(",")) for point in stroke.split()]
        for stroke in path.split("|")
    ]
    points = sorted({point for stroke in strokes for point in stroke})
    rows, joints = [], []
    for stroke in strokes:
        length = sum(math.dist(a, b) for a, b in pairwise(stroke))
        pick = torch.tensor([[float(p == q) for q in points] for p in stroke])
        rows.append(_spline(len(stroke), round(length) + 2) @ pick)
        joints += [1.0] * (len(rows[-1]) - 1) + [0.0]  # no ink between two strokes
    return torch.tensor(points), torch.cat(rows), torch.tensor(joints[:-1])


def _write(
    path: str,
    n: int,
    rng: Generator,
    *,
    box: float = 20,
    wobble: float = 1,
    slant: tuple[float, float] = (-0.3, 0.6),
    pen: tuple[float, float] = (0.8, 1.75),
) -> Tensor:
    """A path written by ``n`` hands: pictures (n, 28, 28) from 0 to 1, in a box of that size."""
    points, to_curve, joints = _curve(path)
    points = points + wobble * torch.randn(n, *points.shape, generator=rng)
    x, y = (to_curve @ (points - points.mean(1, keepdim=True))).unbind(2)
    turn = 0.08 * torch.randn(n, 1, generator=rng)
    x = x * _uniform(n, rng, -0.25, 0.45).exp()[:, 0] - y * _uniform(n, rng, *slant)[:, 0]
    line = torch.stack([x - turn * y, y + turn * x], 2)
    half = _uniform(n, rng, *pen)
    extent = (line.amax(1) - line.amin(1)).amax(1)[:, None, None]
    line = line * (box * _uniform(n, rng, 0.88, 1) - 2 * half) / extent
    step = (line[:, 1:] - line[:, :-1]).norm(dim=2) * joints
    ink = (pad(step, (1, 0)) + pad(step, (0, 1))) / 2
    # MNIST centres the mass; half-way to the middle of the box keeps long tails off the border.
    mass = (ink[..., None] * line).sum(1) / ink.sum(1)[:, None]
    centre = (mass + (line.amax(1) + line.amin(1)) / 2) / 2
    line = line - centre[:, None] + 0.4 * torch.randn(n, 1, 2, generator=rng)
    return ((half - _distance(line, ink)) / 1.2 + 0.5).clamp(0, 1)


def _distance(line: Tensor, ink: Tensor) -> Tensor:
    """Distance (n, 28, 28) of every pixel to lines (n, s, 2) whose samples stand for some length.

    Gaussians along a straight line add up to exp(-distance² / 2σ²) beside it. They are products of
    one factor in x and one in y, so that the sum over the line is a matrix product: much cheaper
    than all the distances, and it rounds off inner corners as ink does.
    """
    sigma = 0.9
    grid = torch.arange(SIDE) - (SIDE - 1) / 2
    bells = torch.exp(-((line[..., None] - grid) ** 2) / (2 * sigma**2))
    rows = bells[:, :, 1] * (ink / (sigma * math.sqrt(2 * math.pi)))[..., None]
    density = rows.transpose(1, 2) @ bells[:, :, 0]
    return (-2 * sigma**2 * density.clamp(min=1e-9).log()).clamp(min=0).sqrt()


def _cloth(n: int, rng: Generator, inside: Tensor, tone: Tensor) -> Tensor:
    """Grey pictures (n, 28, 28) of shapes, from signed distances and relative brightness."""
    u, v = _grid()
    shade = _uniform(n, rng, 0, 1).sqrt() * 0.6 + 0.4
    folds = torch.zeros(())
    for _ in range(3):
        across, down, phase = (_uniform(n, rng, -0.8, 0.8) for _ in range(3))
        folds = folds + torch.cos(across * u + 0.6 * down * v + 4 * phase)
    rim = 1 - 0.25 * torch.exp(-inside.clamp(min=0))
    grey = shade * tone * rim * (1 + 0.05 * folds)
    return (1.2 * inside + 0.5).clamp(0, 1) * grey.clamp(0, 1)


def _grid() -> tuple[Tensor, Tensor]:
    """Pixel coordinates about the middle: u (28,) to the right, v (28, 1) downwards."""
    u = torch.arange(SIDE) - (SIDE - 1) / 2
    return u, u[:, None]


def _top(kind: str, n: int, rng: Generator) -> Tensor:
    """T-shirts, pullovers, dresses, coats and shirts: one pattern in different proportions."""
    column = TOPS.index(kind)
    p = {key: _uniform(n, rng, *ranges[column]) for key, ranges in MEASURES.items()}
    u, v = _grid()
    u = u + _uniform(n, rng, -0.7, 0.7) + v * _uniform(n, rng, -0.04, 0.04)
    a = u.abs()
    down = ((v + p["rise"]) / (p["rise"] + p["hem"])).clamp(0, 1)
    width = p["chest"] + (p["flare"] - p["chest"]) * down**2
    width = width - (p["chest"] - p["waist"]) * torch.sin(math.pi * down)
    shoulder = v + p["rise"] - 0.35 * (a - p["neck"])
    body = torch.minimum(torch.minimum(width - a, p["hem"] - v), shoulder)
    # A sleeve is a capsule that narrows from the shoulder to the cuff.
    sin, cos = torch.sin(p["angle"]), torch.cos(p["angle"])
    x, y = a - p["chest"] + 0.8 * p["arm"], v + p["rise"] - 1.6 - 0.8 * p["arm"]
    along = (x * sin + y * cos).clamp(min=0).minimum(p["sleeve"])
    axis = torch.hypot(x - along * sin, y - along * cos)
    sleeve = p["arm"] * (1 - 0.25 * along / 20) - axis
    hole = torch.hypot(a / p["neck"], (v + p["rise"]) / p["depth"])
    hole = (hole - 1) * torch.minimum(p["neck"], p["depth"])
    seam = torch.exp(-((sleeve - body) ** 2)) * (a > p["neck"])
    front = torch.exp(-((u / 0.8) ** 2))
    tone = 1 - 0.3 * seam - p["open"] * front
    tone = tone + p["collar"] * torch.exp(-((hole - 0.8) ** 2))
    tone = tone - p["buttons"] * front * torch.cos(1.6 * v + _uniform(n, rng, 0, 6)).clamp(min=0)
    stripes = _uniform(n, rng, -1.2, 0.35).clamp(min=0)  # most cloth is plain
    stripes = stripes * torch.sin(_uniform(n, rng, 0.8, 1.8) * (v + _uniform(n, rng, 0, 4)))
    return _cloth(n, rng, torch.maximum(body, sleeve).minimum(hole), tone + stripes)


def _trouser(n: int, rng: Generator) -> Tensor:
    """Two legs under a belt, with a gap that opens below the crotch."""
    u, v = _grid()
    u = u + _uniform(n, rng, -0.7, 0.7) + v * _uniform(n, rng, -0.06, 0.06)
    a, rise, hem = u.abs(), _uniform(n, rng, 12, 13), _uniform(n, rng, 11, 13)
    hip, ankle, leg = (_uniform(n, rng, *b) for b in ((4.4, 5.8), (4.4, 6.8), (2.8, 4.2)))
    down = ((v + rise) / (rise + hem)).clamp(0, 1)
    crotch = _uniform(n, rng, 0.25, 0.42)
    outer = hip + (ankle - hip) * down - 0.8 * torch.exp(-((down / 0.15) ** 2))
    inner = (ankle - leg) * (down - crotch) / (1 - crotch)
    outline = torch.minimum(torch.minimum(outer - a, a - inner), torch.minimum(v + rise, hem - v))
    belt = torch.exp(-((v + rise - 1.5) ** 2))
    fly = torch.exp(-((u / 0.7) ** 2)) * (down < crotch + 0.1)
    return _cloth(n, rng, outline, 1 - 0.25 * belt - _uniform(n, rng, 0.1, 0.4) * fly)


def _shoe(kind: str, n: int, rng: Generator) -> Tensor:
    """Sneakers and ankle boots: all that lies between an upper edge and a sole."""
    upper, sole = (torch.tensor(heights) for heights in SHOES[kind])
    u, v = _grid()
    half, grow = _uniform(n, rng, 11.5, 13), _uniform(n, rng, 0.85, 1.05)
    place = _spline(len(upper), SIDE).T
    noise = torch.randn(2, n, len(upper), generator=rng)
    upper = grow * ((upper + 0.6 * noise[0]) @ place)[:, None]
    sole = grow * ((sole + 0.2 * noise[1]) @ place)[:, None]
    # The height over a steep edge is not the distance from it.
    steep = torch.sqrt(1 + torch.gradient(upper, dim=2)[0] ** 2)
    inside = torch.minimum(torch.minimum((v - upper) / steep, sole - v), half - u.abs())
    inside = inside.minimum(v + _uniform(n, rng, 9, 13))
    band = torch.sigmoid(6 * (v - sole + _uniform(n, rng, 1, 3)))
    lace = torch.exp(-((v - upper - 1.5) ** 2) / 2) * torch.exp(-((u - 1) ** 2) / 12)
    panel = torch.sigmoid(2 * (u - 0.5 * v - _uniform(n, rng, -2, 8)))
    tone = 1 + _uniform(n, rng, -0.6, 0.4) * band - _uniform(n, rng, -0.3, 0.4) * panel
    tone = tone - _uniform(n, rng, 0, 0.7) * lace * (0.5 + 0.5 * torch.cos(2.5 * u))
    return _cloth(n, rng, inside, tone)


def _sandal(path: str, n: int, rng: Generator) -> Tensor:
    """Sandals: written like a digit, but wider, steadier and in grey."""
    ink = _write(path, n, rng, box=26, wobble=0.6, slant=(-0.1, 0.1), pen=(0.7, 1.2))
    return ink * (_uniform(n, rng, 0, 1).sqrt() * 0.65 + 0.3)


def _bag(n: int, rng: Generator) -> Tensor:
    """Bags: a rounded body, narrower or wider at the top, under half a ring for a handle."""
    u, v = _grid()
    u = u + _uniform(n, rng, -0.7, 0.7)
    half, top, bottom = (_uniform(n, rng, *b) for b in ((9, 13), (-7, 0), (9, 12.5)))
    middle, tall = (bottom + top) / 2, (bottom - top) / 2
    side = half + _uniform(n, rng, -0.15, 0.1) * (bottom - v)
    round_ = _uniform(n, rng, 1, 4)
    x, y = u.abs() - side + round_, (v - middle).abs() - tall + round_
    corner = torch.hypot(x.clamp(min=0), y.clamp(min=0))
    body = round_ - corner - torch.maximum(x, y).clamp(max=0)
    reach, lift = half * _uniform(n, rng, 0.4, 0.8), (top + 13) * _uniform(n, rng, 0.2, 0.95)
    ring = (torch.hypot(u / reach, (v - top) / lift) - 1).abs() * torch.minimum(reach, lift)
    handle = torch.minimum(_uniform(n, rng, 0.5, 1) - ring, top + 1 - v)
    flap = torch.exp(-((v - top - tall * _uniform(n, rng, 0.4, 1.2)) ** 2))
    clasp = torch.exp(-(u**2)) * flap
    tone = 1 - _uniform(n, rng, 0, 0.5) * flap + _uniform(n, rng, -0.3, 0.8) * clasp
    return _cloth(n, rng, torch.maximum(body, handle), tone)


# For each label, the ways to draw it: functions of the number of images and the generator.
STYLES: dict[str, list[list[Callable[[int, Generator], Tensor]]]] = {
    "MNIST": [[partial(_write, path) for path in paths] for paths in DIGITS],
    "FashionMNIST": [
        [partial(_top, "T-shirt/top")],
        [_trouser],
        [partial(_top, "Pullover")],
        [partial(_top, "Dress")],
        [partial(_top, "Coat")],
        [partial(_sandal, path) for path in SANDALS],
        [partial(_top, "Shirt")],
        [partial(_shoe, "Sneaker")],
        [_bag],
        [partial(_shoe, "Ankle boot")],
    ],
}
