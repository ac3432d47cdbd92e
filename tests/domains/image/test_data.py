"""Case sets: stable splits, lazy loaders, data that is missing."""

import os

import numpy as np
import pytest
import torch

from sparring.core.errors import InvalidCases, MissingData
from sparring.domains.image.data import arrays, digits, fashion_mnist, find_data, loader


def test_digits_split_by_id_into_disjoint_sets_in_the_unit_box():
    train, test = digits("train"), digits("test")
    assert (len(train), len(test)) == (1198, 599)
    assert not set(train.ids) & set(test.ids)
    assert train.inputs.shape[1:] == (1, 8, 8) and 0 <= float(train.inputs.min()) <= float(train.inputs.max()) <= 1


def test_a_loader_reads_only_what_is_asked_for():
    seen = []

    class Watched(torch.utils.data.Dataset):
        def __len__(self):
            return 10

        def __getitem__(self, index):
            seen.append(index)
            return np.full((1, 2, 2), index, np.float32), index % 3

    cases = loader(torch.utils.data.DataLoader(Watched(), batch_size=4))
    seen.clear()
    block = cases[np.array([7, 2])]
    assert np.asarray(block.inputs)[:, 0, 0, 0].tolist() == [7, 2] and seen == [7, 2]
    assert block.goals.labels.tolist() == [1, 2] and block.ids == ["loader-7", "loader-2"]


def test_labels_that_are_no_whole_numbers_are_refused():
    with pytest.raises(InvalidCases, match="labels must be whole numbers"):
        arrays(np.zeros((2, 1)), [0.5, 1.0])


def test_missing_data_names_every_place_that_was_tried(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SPARRING_DATA", str(tmp_path / "named"))
    with pytest.raises(MissingData, match=r"cache/sparring/set, .*named/set; there is no download for it"):
        find_data("set", "file.npz", None)


@pytest.mark.skipif(
    not os.environ.get("SPARRING_DATA"), reason="SPARRING_DATA is unset, so there is no Fashion-MNIST here"
)
def test_fashion_mnist_has_its_published_size_and_classes():
    test = fashion_mnist("test")
    assert test.inputs.shape == (10_000, 1, 28, 28)
    assert torch.bincount(test.goals.labels).tolist() == [1000] * 10
