import json

import pytest

from genmnist import published
from genmnist.data import DEFAULT_ROOT
from genmnist.results import other_seeds, read, record, table

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
    assert lines[2].count("2 CPU cores, 12 s") == 1
    mixed = dict(reversed(read(path).items()))
    assert table(mixed).splitlines() == lines, "in the order of the course"
    record(path, "G6", 225.0, **RUN | {"seconds": 0.0})
    assert "2 CPU cores |" in table(read(path)).splitlines()[4], "nothing was trained for it"


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


BARS = {  # what the stored run on two cores has to reach: below the bar, or above it
    "A1": (3.0, -1, {}),
    "A2": (29.0, -1, {}),
    "A3": (20.3, 1, {"FashionMNIST": 19.5}),
    "A4": (96.5, 1, {"FashionMNIST": 92.3}),
    "A5": (0.985, 1, {}),
    "V1": (86.7, -1, {}),
    "V2": (19, 1, {}),
    "V3": (230, -1, {}),
    "V4": (84.5, -1, {}),
    "V5": (4, 1, {}),
    "G1": (25, 1, {"high quality, %": 95, "ring: modes": 8, "ring: high quality, %": 97}),
    "G2": (900, 1, {}),
    "G3": (260 / 3, -1, {}),  # a third of the distance of PCA-30 + Gaussian per class
    "G4": (96.5, 1, {"FashionMNIST": 80}),
    "G5": (98, 1, {"FashionMNIST": 92}),
}


@pytest.mark.parametrize("headline", BARS)
def test_the_stored_run_and_its_other_seeds_reach_the_bar(headline):
    """A flipped sign in a notebook trains without an error: what it stores shows it."""
    bar, sign, details = BARS[headline]
    entry = read(DEFAULT_ROOT / "results.json")[headline]
    for value in (entry["value"], *other_seeds(headline)):
        assert sign * value >= sign * bar
    for name, least in details.items():
        assert entry["detail"][name] >= least


def test_the_gan_beats_the_common_recipe_by_far_in_no_more_time():
    ours = read(DEFAULT_ROOT / "results.json")["G3"]
    assert ours["value"] <= ours["detail"]["common recipe"] / 4
    assert ours["seconds"] <= ours["detail"]["its seconds"]


def test_the_stored_scoreboard_has_the_order_that_the_course_teaches():
    rows = json.loads((DEFAULT_ROOT / "scoreboard-MNIST.json").read_text("utf-8"))["rows"]

    def distance(name):
        return rows[name]["frechet"][0]

    falling = [
        "autoencoder, 16 numbers, N(0, I)", "PCA-30 + Gaussian", "PCA-30 + Gaussian per class",
        "autoencoder, 16 numbers, Gaussian", "autoencoder, 16 numbers, mixture",
        "autoencoder, 16 numbers, mixture, decoder trained further", "real test images",
    ]  # fmt: skip
    distances = [distance(name) for name in falling]
    assert distances == sorted(distances, reverse=True) and distances[-1] == pytest.approx(1)
    falling = [
        "GAN, popular dense", "PCA-30 + Gaussian per class", "GAN, common DCGAN", "GAN, ours",
        "autoencoder, mixture, before the game", "autoencoder, mixture, then GAN",
    ]  # fmt: skip
    assert [distance(name) for name in falling] == sorted(map(distance, falling), reverse=True)
    two = rows["autoencoder, 2 numbers, N(0, I)"]
    assert two["precision"][0] > 0.5 and two["recall"][0] < 0.1, "one good column says little"
