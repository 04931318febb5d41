"""Images, their batches, binarisation, and the arguments of `load`."""

import random

import pytest
import torch

from genmnist import data
from genmnist.data import CLASS_NAMES, Batches, Images, binarize, load


def numbered(n):
    """n different images; image i is labelled i, and tells its number by its first two pixels."""
    x = torch.randint(0, 256, (n, 1, 28, 28), generator=torch.Generator().manual_seed(n))
    x[:, 0, 0, 0] = torch.arange(n) // 256
    x[:, 0, 0, 1] = torch.arange(n) % 256
    return Images(x.to(torch.uint8), torch.arange(n), "drawn digits")


def numbers(x):
    """Which images these are."""
    pixels = (x[:, 0, 0, :2].double() * 255).round().long()
    return (256 * pixels[:, 0] + pixels[:, 1]).tolist()


def one_pass(batches):
    return [number for x in batches for number in numbers(x)]


# --- Images.


def test_a_slice_of_images_takes_pictures_labels_and_source_together():
    images = numbered(20)
    assert len(images) == 20
    for part in (slice(3, 7), slice(None, 5), slice(-4, None), slice(None, None, 3), slice(9, 9)):
        some = images[part]
        expected = list(range(20))[part]
        assert len(some) == len(expected) and some.source == "drawn digits"
        assert some.y.tolist() == expected and numbers(some.x / 255) == expected
        assert some.x.shape[1:] == (1, 28, 28) and some.x.dtype == torch.uint8


@pytest.mark.parametrize("part", [0, -1, (1, 2), [1, 2]])
def test_anything_but_a_slice_is_refused_with_an_example(part):
    with pytest.raises(TypeError, match=r"slice.*images\[:100\]"):
        numbered(3)[part]


def test_every_class_has_a_name():
    for names in CLASS_NAMES.values():
        assert len(names) == len(set(names)) == 10
    assert CLASS_NAMES["MNIST"][7] == "7" and CLASS_NAMES["FashionMNIST"][9] == "Ankle boot"


# --- Batches.


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("n, size", [(1, 1), (1, 8), (7, 1), (12, 4), (13, 4), (15, 4), (300, 64)])
def test_every_image_comes_exactly_once_per_pass(n, size, shuffle):
    batches = Batches(numbered(n), size, shuffle=shuffle)
    for _ in range(2):
        sizes = [len(x) for x in batches]
        assert sizes == [size] * (n // size) + [n % size] * (n % size > 0)
        assert len(batches) == len(sizes)
        assert sorted(one_pass(batches)) == list(range(n))


@pytest.mark.parametrize("n, size", [(12, 4), (13, 4), (15, 4), (4, 4)])
def test_drop_last_leaves_out_the_smaller_batch_and_nothing_else(n, size):
    batches = Batches(numbered(n), size, drop_last=True)
    assert one_pass(batches) == list(range(n // size * size))
    assert [len(x) for x in batches] == [size] * len(batches) == [size] * (n // size)
    shuffled = one_pass(Batches(numbered(n), size, drop_last=True, shuffle=True))
    assert len(set(shuffled)) == len(shuffled) == n // size * size


def test_drop_last_with_shuffle_leaves_out_other_images_each_time():
    torch.manual_seed(0)
    batches = Batches(numbered(13), 4, drop_last=True, shuffle=True)
    left_out = {(set(range(13)) - set(one_pass(batches))).pop() for _ in range(30)}
    assert len(left_out) > 5


def test_without_shuffle_the_order_is_kept_and_no_random_number_drawn():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    assert one_pass(Batches(numbered(40), 7)) == list(range(40))
    assert torch.equal(torch.get_rng_state(), state)


def test_shuffled_passes_differ_and_the_same_seed_repeats_them():
    def passes(seed):
        torch.manual_seed(seed)
        batches = Batches(numbered(50), 8, shuffle=True)
        return [one_pass(batches) for _ in range(3)]

    first, second, third = passes(0)
    assert first != second != third != first
    assert first != list(range(50))
    assert passes(0) == [first, second, third]
    assert passes(1)[0] != first


def test_a_shuffle_favours_no_place():
    torch.manual_seed(0)
    batches = Batches(numbered(10), 10, shuffle=True)
    counts = torch.zeros(10, 10)
    for _ in range(1000):
        counts[torch.arange(10), torch.tensor(one_pass(batches))] += 1
    # each of 100 counts is Binomial(1000, 0.1), of standard deviation 9.5
    assert (counts - 100).abs().max() < 5 * 9.5


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_labels_stay_with_their_images(shuffle, drop_last):
    batches = Batches(numbered(300), 32, shuffle=shuffle, drop_last=drop_last, labels=True)
    seen = 0
    for x, y in batches:
        assert y.dtype == torch.int64 and y.shape == (len(x),)
        assert numbers(x) == y.tolist()
        seen += len(x)
    assert seen == (288 if drop_last else 300)


def test_without_labels_a_batch_is_a_tensor():
    assert all(isinstance(x, torch.Tensor) for x in Batches(numbered(5), 2))


def test_pixels_are_exactly_byte_over_255():
    x = torch.arange(256, dtype=torch.uint8).repeat(784)[: 256 * 784].reshape(256, 1, 28, 28)
    (out,) = Batches(Images(x, torch.zeros(256, dtype=torch.int64), "MNIST"), 256)
    assert out.dtype == torch.float32 and out.shape == x.shape
    assert out.min() == 0 and out.max() == 1
    assert torch.equal(out.double(), (x.double() / 255).float().double())


def test_the_stored_images_are_not_changed_by_use():
    images = numbered(20)
    x, y = images.x.clone(), images.y.clone()
    batches = Batches(images, 6, labels=True)
    for batch_x, batch_y in batches:
        batch_x.zero_()
        batch_y.zero_()
    assert torch.equal(images.x, x) and torch.equal(images.y, y)
    assert images.x.dtype == torch.uint8
    assert sorted(n for x, _ in batches for n in numbers(x)) == list(range(20))
    assert [n for _, y in batches for n in y.tolist()] == list(range(20))


def test_a_pass_can_be_left_early_and_two_can_run_at_once():
    batches = Batches(numbered(9), 2)
    assert numbers(next(iter(batches))) == [0, 1]
    assert [(numbers(a), numbers(b)) for a, b in zip(batches, batches, strict=True)][-1] == (
        [8],
        [8],
    )


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="no images"):
        Batches(numbered(5)[5:], 2)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_below_one_is_refused(size):
    with pytest.raises(ValueError, match=rf"batch_size is {size}"):
        Batches(numbered(5), size)


def test_drop_last_that_would_drop_everything_is_refused():
    with pytest.raises(ValueError, match=r"batch_size 6 .* 5 images.*drop_last"):
        Batches(numbered(5), 6, drop_last=True)
    assert len(Batches(numbered(5), 5, drop_last=True)) == 1
    assert len(Batches(numbered(5), 6)) == 1


# --- binarize.


def test_a_binarized_pixel_is_one_with_its_own_probability():
    torch.manual_seed(0)
    p = torch.linspace(0, 1, 784).reshape(1, 1, 28, 28)
    draws = 4000
    mean = torch.stack([binarize(p) for _ in range(draws)]).mean(0)
    deviation = (p * (1 - p) / draws).sqrt()
    z = ((mean - p) / deviation.clamp_min(1e-9))[0, 0].flatten()[1:-1]
    assert z.abs().max() < 5  # 782 standard normal values
    assert abs(z.mean()) < 5 / 782**0.5
    assert 0.8 < z.var() < 1.2


def test_black_and_white_stay_and_nothing_but_zero_and_one_comes_out():
    torch.manual_seed(0)
    x = torch.rand(50, 1, 28, 28)
    x[:10], x[10:20] = 0, 1
    out = binarize(x)
    assert out.shape == x.shape and out.dtype == x.dtype
    assert (out[:10] == 0).all() and (out[10:20] == 1).all()
    assert set(out.unique().tolist()) == {0.0, 1.0}


def test_pixels_are_drawn_anew_and_independently():
    torch.manual_seed(0)
    x = torch.full((64, 1, 28, 28), 0.5)
    first, second = binarize(x), binarize(x)
    assert 0.45 < (first != second).float().mean() < 0.55
    assert 0.45 < (first[1:] != first[:-1]).float().mean() < 0.55
    assert 0.45 < (first[..., 1:] != first[..., :-1]).float().mean() < 0.55
    assert (x == 0.5).all()


def test_the_same_seed_binarizes_the_same_way():
    x = torch.rand(4, 1, 28, 28)
    torch.manual_seed(1)
    first = binarize(x)
    torch.manual_seed(1)
    assert torch.equal(binarize(x), first)


def test_a_seed_of_its_own_repeats_the_draw_and_leaves_the_random_state_alone():
    x = torch.rand(40, 1, 28, 28)
    state = torch.get_rng_state()
    first = binarize(x, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    assert torch.equal(binarize(x, seed=3), first)
    assert first.dtype == x.dtype and set(first.unique().tolist()) == {0.0, 1.0}
    for seed in (0, 4):
        assert 0.2 < (binarize(x, seed=seed) != first).float().mean() < 0.5  # 1/3 on average
    # 31,360 draws of variance p (1 - p), 1/6 on average
    assert abs((first - x).mean()) < 5 * (1 / 6 / x.numel()) ** 0.5


@pytest.mark.parametrize("bad", [-1e-3, 1.001, 255.0, float("inf"), -float("inf"), float("nan")])
def test_pixels_that_are_no_probabilities_are_refused_by_value(bad):
    x = torch.full((3, 1, 28, 28), 0.5)
    x[1, 0, 5, 5] = bad
    with pytest.raises(ValueError, match=r"\[0, 1\]") as caught:
        binarize(x)
    assert f"{bad:g}" in str(caught.value)


def test_no_pixels_at_all_are_fine():
    assert binarize(torch.zeros(0, 1, 28, 28)).shape == (0, 1, 28, 28)


# --- load: what it refuses and what it draws.  Files and hosts: test_download.py.


@pytest.fixture
def drawn(monkeypatch):
    """A quick drawer instead of the real one; returns what it was asked for."""
    calls = []

    def draw(name, n, *, seed):
        calls.append((name, n, seed))
        return torch.full((n, 1, 28, 28), seed, dtype=torch.uint8), torch.arange(n) % 10

    monkeypatch.setattr(data.drawn, "draw", draw)
    monkeypatch.setenv("COURSE_DATA", "drawn")
    monkeypatch.setenv("COURSE_FAST", "0")
    return calls


@pytest.mark.parametrize("name", ["mnist", "KMNIST", "", None])
def test_an_unknown_data_set_is_refused_by_name(name, drawn):
    with pytest.raises(ValueError, match="MNIST, FashionMNIST") as caught:
        load(name, "train")
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("split", ["validation", "Train", "", True])
def test_an_unknown_split_is_refused_by_name(split, drawn):
    with pytest.raises(ValueError, match="'train' or 'test'") as caught:
        load("MNIST", split)
    assert repr(split) in str(caught.value)


@pytest.mark.parametrize("wanted", ["MNIST", "real", "1", " "])
def test_an_unknown_course_data_is_refused_by_value(wanted, drawn, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", wanted)
    with pytest.raises(ValueError, match="COURSE_DATA=") as caught:
        load("MNIST", "train")
    assert repr(wanted) in str(caught.value) and "'mnist'" in str(caught.value)
    assert "'drawn'" in str(caught.value)


def test_drawn_splits_have_the_sizes_of_the_real_ones_and_share_no_picture(drawn, tmp_path):
    train, test = (load("MNIST", split, root=tmp_path) for split in ("train", "test"))
    assert (len(train), len(test)) == (60_000, 10_000)
    assert len({seed for _, _, seed in drawn}) == 2
    again = load("FashionMNIST", "train", root=tmp_path)
    assert drawn[-1] == ("FashionMNIST", 60_000, drawn[0][2])
    assert again.source == "drawn garments" and train.source == test.source == "drawn digits"


def test_in_fast_mode_fewer_images_are_drawn(drawn, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_FAST", "1")
    sizes = [len(load("MNIST", split, root=tmp_path)) for split in ("train", "test")]
    assert 2000 < sizes[0] < 60_000 and 500 < sizes[1] < 10_000


def test_the_drawer_itself_gives_what_load_promises(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", "drawn")
    original = data.drawn.draw
    monkeypatch.setattr(data.drawn, "draw", lambda name, n, *, seed: original(name, 50, seed=seed))
    state = torch.get_rng_state(), random.getstate()
    for name in CLASS_NAMES:
        images = load(name, "train", root=tmp_path, device="cpu")
        assert images.x.shape == (50, 1, 28, 28) and images.x.dtype == torch.uint8
        assert images.y.shape == (50,) and images.y.dtype == torch.int64
        assert images.y.min() >= 0 and images.y.max() <= 9 and images.x.device.type == "cpu"
    # training that is seeded before the data is loaded sees the same numbers from any source
    assert torch.equal(torch.get_rng_state(), state[0]) and random.getstate() == state[1]
