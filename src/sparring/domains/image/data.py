"""Image case sets: arrays and loaders of the user's own, scikit-learn's digits, Fashion-MNIST, CIFAR-10 as JPEG."""

import gzip
import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, MissingExtra
from sparring.core.files import find_file
from sparring.core.goal import ClassifyAs, Misclassify

_FASHION_URL = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_FASHION_SHA256 = {
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
}


def arrays(
    inputs: Any, labels: Any, *, targets: Any = None, ids: Sequence[str] | None = None, name: str = "arrays"
) -> Cases:
    """Cases from arrays or tensors.

    Args:
        inputs: shape (batch, channel, height, width) or any other the model takes; a memory map stays on disk.
        labels: integers, shape (batch,).
        targets: classes that the adversary wants, shape (batch,); None for any wrong one.
        ids: stable names; the positions by default.
        name: for tables.

    Raises:
        InvalidCases: if there is nothing, the lengths differ, or labels are not whole numbers.
    """
    if len(inputs) == 0:
        raise InvalidCases("there are no cases: inputs are empty. Pass at least one input and its label.")
    chosen = [f"{name}-{i}" for i in range(len(inputs))] if ids is None else ids
    true = _whole(labels, "labels")
    goals = Misclassify(true) if targets is None else ClassifyAs(_whole(targets, "targets"), true)
    return Cases(chosen, inputs, goals, name)


def loader(batches: Any, *, name: str = "loader") -> Cases:
    """Cases from a torch DataLoader over a map-style data set of (input, label) pairs, read lazily and in order.

    Raises:
        InvalidCases: if the data set cannot be indexed.
    """
    dataset = getattr(batches, "dataset", batches)
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise InvalidCases(
            f"cases need a data set with a length and an index; got {type(dataset).__name__}. "
            "Collect it into arrays and use arrays(inputs, labels)."
        )
    labels = [int(dataset[i][1]) for i in range(len(dataset))]
    return arrays(_Lazy(dataset), labels, name=name)


class _Lazy:
    """The inputs of an indexable data set, stacked only where asked."""

    def __init__(self, dataset: Any, positions: np.ndarray | None = None) -> None:
        self.dataset = dataset
        self.positions = np.arange(len(dataset)) if positions is None else positions

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: Any) -> "_Lazy":
        return _Lazy(self.dataset, np.atleast_1d(self.positions[index]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        rows = [np.asarray(self.dataset[int(i)][0]) for i in self.positions]
        return np.stack(rows).astype(dtype or np.float32)


def digits(split: str = "train") -> Cases:
    """scikit-learn's 1,797 handwritten digits as 1 x 8 x 8 images in [0, 1]; a third, chosen by id, is the test set.

    Raises:
        MissingExtra: if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra("the digits come with scikit-learn: pip install scikit-learn") from error
    bunch: Any = load_digits()
    images = torch.from_numpy(bunch.images.astype(np.float32) / 16.0)[:, None]
    everything = arrays(images, bunch.target, name="digits")
    train, test = everything.split(1 / 3, "test")
    return {"train": train, "test": test}[_known(split, ("train", "test"))]


def fashion_mnist(split: str = "train", count: int | None = None) -> Cases:
    """Fashion-MNIST: 60,000 / 10,000 grey images (1, 28, 28) in [0, 1], ten classes (Xiao et al., 2017).

    Args:
        split: "train" or "test".
        count: only the first so many.

    Raises:
        MissingData: with the folders and the address that were tried.
    """
    stem = {"train": "train", "test": "t10k"}[_known(split, ("train", "test"))]
    images = _idx(find_data("fashion-mnist", f"{stem}-images-idx3-ubyte.gz", _FASHION_URL))
    labels = _idx(find_data("fashion-mnist", f"{stem}-labels-idx1-ubyte.gz", _FASHION_URL))
    inputs = torch.from_numpy(images[:count].astype(np.float32) / 255.0)[:, None]
    return arrays(inputs, labels[:count].astype(np.int64), name=f"fashion-mnist-{split}")


def cifar10_jpeg(split: str = "train", count: int | None = None) -> Cases:
    """CIFAR-10 re-encoded as JPEG (quality about 75), so figures differ a little from the original's.

    Shape (3, 32, 32) in [0, 1]; 50,000 / 10,000 images.

    Raises:
        MissingData: with the folders that were tried.
    """
    from PIL import Image

    path = find_data("cifar10-jpeg", "cifar10_jpeg.npz", None)
    part = _known(split, ("train", "test"))
    with np.load(path) as archive:
        packed, offsets = archive[f"{part}_jpeg"], archive[f"{part}_offsets"]
        labels = archive[f"{part}_labels"][:count].astype(np.int64)
    images = np.stack(
        [
            np.asarray(Image.open(io.BytesIO(packed[offsets[i] : offsets[i + 1]].tobytes())).convert("RGB"))
            for i in range(len(labels))
        ]
    )
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255.0).contiguous()
    return arrays(inputs, labels, name=f"cifar10-jpeg-{part}")


def find_data(folder: str, file: str, url: str | None) -> Path:
    """The first of: the cache, the folders named by SPARRING_DATA, a download with a checksum.

    Raises:
        MissingData: with everything that was tried.
    """
    return find_file(folder, file, url, _FASHION_SHA256.get(file))


def _idx(path: Path) -> np.ndarray:
    """An IDX file as an array (format: Yann LeCun's MNIST page)."""
    with gzip.open(path) as file:
        content = file.read()
    rank = content[3]
    shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _whole(values: Any, what: str) -> torch.Tensor:
    numbers = torch.as_tensor(np.asarray(values))
    if numbers.ndim != 1 or (numbers.is_floating_point() and not bool((numbers == numbers.round()).all())):
        raise InvalidCases(f"{what} must be whole numbers of shape (batch,); got shape {tuple(numbers.shape)}.")
    return numbers.long()


def _known(value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InvalidCases(f"split must be one of {', '.join(known)}; got {value!r}.")
    return value
