"""Numbers that must come out the same everywhere: if one does not, the data or a formula is wrong.

No network is trained here.  Each function computes a baseline on the official files; `EXPECTED`
holds the digits that it has to print.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from genmnist.data import Images
from genmnist.judge import accuracy, load_judge

Pair = tuple[Images, Images]  # train, test


def grey_cross_entropy_floor(pair: Pair) -> dict[str, float]:
    """Cross-entropy of perfect reconstructions: the entropy of grey pixels, nats per test image."""
    x = pair[1].x.cpu().flatten(1).div(255).double()  # on the CPU there is double precision
    entropy = -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))
    return {"grey cross-entropy floor": entropy.sum(dim=1).mean().item()}


def judge_accuracy(pair: Pair) -> dict[str, float]:
    """Test accuracy in % of the judge that comes with the course."""
    test = pair[1]
    judge = load_judge(test.source, device=test.x.device)
    return {"judge accuracy": 100 * accuracy(judge, test)}


# Row -> value as printed, per data set.
EXPECTED: dict[str, dict[str, str]] = {
    "MNIST": {"grey cross-entropy floor": "45.53", "judge accuracy": "99.64"},
    "FashionMNIST": {"grey cross-entropy floor": "189.86", "judge accuracy": "92.52"},
}
# Where a right result may differ by more than half of its last printed digit.
TOLERANCE = {"judge accuracy": 0.015}  # in %: one image of 10,000 may fall either way elsewhere


def calibrate(
    train: Images, test: Images, rows: Iterable[Callable[[Pair], dict[str, float]]]
) -> None:
    """Compute rows that are known, and print each beside what it has to be.

    Raises:
        ValueError: if one differs in its printed digits: the data or a formula is wrong, and
            nothing that follows can be compared.
    """
    expected = EXPECTED.get(train.source)
    if expected is None:
        print(f"Calibration does not apply to {train.source}: it is for the official files.")
        return
    wrong = []
    for compute in rows:
        for name, value in compute((train, test)).items():
            wanted = expected[name]
            agrees = abs(value - float(wanted)) <= _tolerance(name, wanted) + 1e-9
            line = f"{name:>34}: {value:9.4f}, expected {wanted}"
            print(line + ("" if agrees else "  WRONG"), flush=True)
            if not agrees:
                wrong.append(f"{name} is {value:.4f}, not {wanted}")
    if wrong:
        raise ValueError(f"{train.source} or a formula is not as it should be: {'; '.join(wrong)}")


def _tolerance(name: str, wanted: str) -> float:
    """Half of the last printed digit, or what TOLERANCE says."""
    digits = len(wanted.partition(".")[2])
    return TOLERANCE.get(name, 0.5 * 10**-digits)
