"""The archives as they come, a folder of pictures, batches, binarisation."""

import os
import shutil

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from genmnist.data import CLASS_NAMES, DATA, Batches, Images, binarize, load
from genmnist.folder import load_folder


def numbered(n):
    """n images; image i is labelled i and has i // 256 and i % 256 as its first two pixels."""
    x = torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = torch.arange(n) // 256, torch.arange(n) % 256
    return Images(x, torch.arange(n), "numbers", ("any",) * n)


def numbers(x):
    return ((x[:, 0, 0, :2] * 255).round().long() @ torch.tensor([256, 1])).tolist()


def test_a_slice_takes_pictures_and_labels_together():
    some, which = numbered(20)[3:12:2], [3, 5, 7, 9, 11]
    assert (some.y.tolist(), numbers(some.x / 255), some.name) == (which, which, "numbers")
    with pytest.raises(TypeError, match=r"images\[:100\]"):
        some[0]


@pytest.mark.parametrize("n, size", [(12, 4), (13, 4), (300, 64)])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_image_comes_once_per_pass_with_its_label(n, size, drop_last, shuffle):
    batches = Batches(numbered(n), size, shuffle=shuffle, drop_last=drop_last, labels=True)
    parts = [(numbers(x), y.tolist()) for x, y in batches]
    seen = [number for part, _ in parts for number in part]
    assert all(x == y for x, y in parts) and len(parts) == len(batches)
    assert [len(x) for x, _ in parts[:-1]] == [size] * (len(parts) - 1)
    assert len(set(seen)) == len(seen) == (n // size * size if drop_last else n)
    assert shuffle or seen == list(range(len(seen)))


def test_passes_are_shuffled_anew_and_repeated_by_the_seed():
    batches, passes = Batches(numbered(50), 8, shuffle=True), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        passes.append([[i for x in batches for i in numbers(x)] for _ in range(2)])
    assert passes[0] == passes[1] != passes[2] and passes[0][0] != passes[0][1]


def test_batches_that_cannot_be_are_refused():
    for n, size, said in ((0, 2, "no images"), (5, 0, "is 0"), (5, 6, "5 images")):
        with pytest.raises(ValueError, match=said):
            Batches(numbered(5)[:n], size, drop_last=True)


def test_a_binarized_pixel_is_one_with_its_own_probability():
    p, state = torch.linspace(0, 1, 784), torch.get_rng_state()
    drawn = binarize(p.expand(4000, -1), seed=1)
    assert ((drawn == 0) | (drawn == 1)).all()
    assert ((drawn.mean(0) - p).abs() <= 5 * (p * (1 - p) / 4000).sqrt()).all()
    assert torch.equal(binarize(p.expand(4000, -1), seed=1), drawn)
    assert torch.equal(torch.get_rng_state(), state), "a seed leaves the random state alone"
    assert not torch.equal(binarize(p), binarize(p))


def test_pixels_that_are_no_probabilities_are_refused():
    for bad in (-1e-3, 1.001, 255.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"{bad:g}"):
            binarize(torch.tensor([0.5, bad]))


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_the_archives_are_read_as_torchvision_reads_them(name, tmp_path):
    shutil.copytree(DATA / name, tmp_path / name)
    for split in ("train", "test"):
        images = load(name, split)
        oracle = getattr(torchvision.datasets, name)(tmp_path, split == "train", download=True)
        assert torch.equal(images.x[:, 0], oracle.data) and images.x.dtype == torch.uint8
        assert torch.equal(images.y, oracle.targets) and len(images.class_names) == 10


@pytest.mark.parametrize("wrong, known", [("mnist test", "MNIST, Fash"), ("MNIST new", "'test'")])
def test_unknown_names_and_splits_list_the_known(wrong, known):
    with pytest.raises(ValueError, match=known):
        load(*wrong.split())


@pytest.mark.parametrize("damage, said", [
    (lambda file: file.unlink(), "is missing"),
    (lambda file: os.truncate(file, 4_000), "cut or another file .4,000 bytes"),
    (lambda file: file.write_bytes(file.read_bytes()[:-9] + bytes(9)), "another file"),
    (lambda file: file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n")), "another file"),
    (lambda file: file.write_text("version https://git-lfs.github.com/spec/v1"), "another file"),
])  # fmt: skip
def test_a_damaged_archive_is_named_with_the_way_out(damage, said, tmp_path):
    file = tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte.gz"
    shutil.copytree(DATA / "MNIST/raw", file.parent, ignore=shutil.ignore_patterns("train*"))
    assert len(load("MNIST", "test", root=tmp_path)) == 10_000
    damage(file)
    with pytest.raises(OSError, match=f"{said}.*git checkout -- data.*fresh clone") as caught:
        load("MNIST", "test", root=tmp_path)
    assert str(file) in str(caught.value) and not list(tmp_path.rglob("*ubyte"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("genmnist.folder.run_folder", lambda: tmp_path)
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def save(file, color="red"):
    file.parent.mkdir(exist_ok=True)
    Image.new("RGB", (9, 9), color).save(file)


def test_subfolders_are_classes_as_in_torchvision(folder):
    for i, name in enumerate(["b/1.png", "a/2.PNG", "a-b/x.jpg", "a/10.png", "b/0.bmp"]):
        save(folder / name, (50 * i, 0, 0))
    images, oracle = load_folder(folder, size=9), torchvision.datasets.ImageFolder(folder)
    assert images.class_names == tuple(oracle.classes) and images.y.tolist() == oracle.targets
    expected = torch.stack([torch.tensor(np.array(x)) for x, _ in oracle]).movedim(3, 1)
    assert torch.equal(images.x, expected)


def test_a_flat_folder_is_one_class_and_one_without_pictures_an_error(folder):
    save(folder / "._1.png")
    save(folder / ".ipynb_checkpoints/1.png")
    with pytest.raises(ValueError, match=r"no pictures.*\.jpg"):
        load_folder(folder)
    with pytest.raises(FileNotFoundError, match="missing"):
        load_folder(folder / "missing")
    save(folder / "1.png")
    images = load_folder(str(folder))
    assert images.x.shape == (1, 3, 32, 32) and images.class_names == ("pictures",)


def test_images_are_grey_only_if_all_are_and_keep_their_brightness(folder):
    save(folder / "0.png", (90, 90, 90))
    Image.fromarray(np.full((9, 9), 200 * 256, np.uint16)).save(folder / "1.png")
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(folder / "2.png")  # transparent
    assert load_folder(folder).x[:, :, 0, 0].tolist() == [[90], [200], [255]]
    save(folder / "3.png", "lime")
    assert load_folder(folder).x[::3, :, 0, 0].tolist() == [[90] * 3, [0, 255, 0]]


@pytest.mark.parametrize("turned", [False, True])
def test_the_middle_square_is_taken_undistorted(folder, turned):
    blocks = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    picture, exif = np.zeros((40, 100, 3), np.uint8), Image.Exif()
    picture[:, 30:70] = blocks.repeat(10, 0).repeat(10, 1)
    if turned:  # a photograph stored lying on its side, with the note that it stands
        blocks, exif[0x0112] = np.rot90(blocks, -1), 6
    Image.fromarray(picture).save(folder / "x.png", exif=exif)
    (x,) = load_folder(folder, size=20).x
    assert (x[:, 2::5, 2::5].movedim(0, 2).numpy() == blocks).all()


@pytest.mark.parametrize("writable", [True, False])
def test_pictures_are_decoded_once_and_anew_when_they_change(folder, monkeypatch, writable):
    def save_tensors(value, file, original=torch.save):
        original(value, file)
        if file.parent == folder and not writable:
            raise OSError("the disk is full")

    opened, original = [], Image.open
    monkeypatch.setattr(Image, "open", lambda file: opened.append(file) or original(file))
    monkeypatch.setattr(torch, "save", save_tensors)
    for change in (
        lambda: save(folder / "1.png"),
        lambda: save(folder / "2.png", "lime"),
        lambda: (folder / "1.png").rename(folder / "3.png"),
        lambda: os.utime(folder / "2.png", (9, 9)),
        lambda: (folder / "2.png").unlink(),
        lambda: [kept.write_bytes(b"x") for kept in folder.parent.rglob("*.pt")],
    ):
        change()
        opened.clear()
        images = load_folder(folder, size=5)
        assert len(images) == len(opened) == len(list(folder.glob("[0-9]*")))
        assert torch.equal(images.x, load_folder(folder, size=5).x) and len(images) == len(opened)
    assert load_folder(folder, size=6).x.shape == (1, 3, 6, 6)
    assert bool(list(folder.glob(".*.pt"))) == writable and not list(folder.parent.rglob("*.part"))


def test_broken_pictures_are_named_and_left_out(folder, monkeypatch):
    said = []
    monkeypatch.setattr("genmnist.folder.message", said.append)
    save(folder / "b/cut.jpg")
    os.truncate(folder / "b/cut.jpg", 400)
    with pytest.raises(ValueError, match=r"cut\.jpg"):
        load_folder(folder)
    save(folder / "a/good.jpg")
    for _ in range(2):
        assert load_folder(folder).y.tolist() == [0]
        assert "cut.jpg" in said[0] and "good" not in said.pop() and not said
