import json

import pytest

from genmnist import published
from genmnist.results import read, record, table

RUN = {"unit": "nats", "n": 100, "source": "MNIST", "device": "2 CPU cores", "seconds": 12.34}


def test_a_headline_is_kept_beside_the_others_in_the_order_of_the_course(tmp_path):
    path = tmp_path / "deep" / "results.json"
    record(path, "V1", 86.5, std=0.1, seeds=3, **RUN)
    record(path, "A2", 33.0, detail={"Fashion-MNIST": 20.0}, **RUN)
    record(path, "V1", 85.5, **RUN)  # a later run replaces it
    assert list(read(path)) == ["A2", "V1"]
    assert read(path)["A2"] == {
        "value": 33.0, "std": None, "unit": "nats", "n": 100, "seeds": 1,
        "device": "2 CPU cores", "seconds": 12.3, "source": "MNIST",
        "detail": {"Fashion-MNIST": 20.0},
    }  # fmt: skip
    assert read(path)["V1"]["value"] == 85.5 and json.loads(path.read_text("utf-8"))


def test_no_file_is_no_results(tmp_path):
    assert read(tmp_path / "none.json") == {}


@pytest.mark.parametrize(
    ("headline", "value", "more", "message"),
    [
        ("Z9", 1.0, {}, "'Z9'.*A1"),
        ("A1", float("nan"), {}, "A1: value is nan"),
        ("A1", 1.0, {"std": float("inf")}, "A1: std is inf"),
        ("A1", 1.0, {"detail": {"x": float("nan")}}, "A1: x is nan"),
    ],
)
def test_what_is_no_result_is_refused_and_nothing_is_lost(tmp_path, headline, value, more, message):
    path = tmp_path / "results.json"
    record(path, "V1", 86.5, **RUN)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        record(path, headline, value, **more, **RUN)
    assert path.read_bytes() == before


def test_the_table_shows_spread_and_what_was_published(tmp_path):
    path = tmp_path / "results.json"
    record(path, "V1", 86.504, std=0.101, seeds=3, **RUN)
    record(path, "V5", 8.0, **RUN)
    lines = table(read(path)).splitlines()
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    assert "86.5 ± 0.1" in lines[2] and "100, 3" in lines[2]
    assert "86.76 VAE, one layer, k = 1 (Burda et al. (2016), table 1)" in lines[2]
    assert lines[3].endswith("| – |"), "nothing was published beside V5"
    mixed = dict(reversed(read(path).items()))
    assert table(mixed).splitlines() == lines, "in the order of the course"


def test_other_seeds_join_the_mean_of_the_table(tmp_path):
    path = tmp_path / "results.json"
    record(path, "A3", 20.0, detail={"Fashion": 19.0}, **RUN)
    record(path, "G1", 24.0, std=0.5, seeds=10, **RUN)
    seeds = {"A3": {"values": [21.0, 22.0], "details": [{"Fashion": 20.0}, {"Fashion": 21.0}]}}
    seeds["G1"] = {"values": [3.0, 3.0], "details": [{}, {}]}
    first, second = table(read(path), seeds).splitlines()[2:]
    assert "| 21 ± 1; Fashion 20 |" in first and "| 100, 3 |" in first
    assert "| 24 ± 0.5 |" in second and "| 100, 10 |" in second, "it has its spread already"
    with pytest.raises(KeyError):
        table(read(path), {"A3": {"values": [21.0], "details": [{}]}})


def test_every_published_number_stands_beside_a_headline():
    from genmnist.results import HEADLINES

    assert {row.headline for row in published.PUBLISHED} <= set(HEADLINES)


def test_a_run_on_other_images_leaves_the_headlines_alone(tmp_path):
    path = tmp_path / "results.json"
    record(path, "A2", 33.0, **RUN)
    record(path, "A2", 20.0, **{**RUN, "source": "FashionMNIST"})
    assert read(path)["A2"]["value"] == 33.0
