"""What was published, with its source, beside what a lab measures."""

from __future__ import annotations

import json
from collections.abc import Mapping

from genmnist import messages
from genmnist.data import DATA


def beside(values: Mapping[str, float], details: Mapping[str, Mapping[str, float]]) -> dict:
    """Show our values, "A1" …, beside data/published.json; -> entries for data/results.json.

    details: further numbers of the same runs, which are not shown.

    Raises:
        KeyError: if a name is not in that file.
    """
    known = json.loads((DATA / "published.json").read_text("utf-8"))
    rows, results = {}, {}
    for name, value in sorted(values.items()):
        about = known[name]
        rows[f"{name}: {about['what']}"] = {
            "ours": value,
            "unit": about["unit"],
            "ideal": about["ideal"],
            "baseline": "; ".join(about["baseline"]),
            "published": "; ".join(about["published"]) or "none found",
        }
        results[name] = {
            "what": about["what"],
            "value": value,
            "unit": about["unit"],
            "beside": about["published"] + about["baseline"],
            "detail": dict(details.get(name, {})),
        }
    messages.table(rows, title="Test images: ours beside what is known", digits=4)
    return results
