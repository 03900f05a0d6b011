"""Domains as MMPretrain reads them: who is trained on, who is tested, under which name."""

import pytest

pytest.importorskip("mmpretrain")

from snr_plugins.classification import DomainFolderDataset, LeaveOneOutDataset
from snr_plugins.errors import InputError
from tests.domain_trees import CLASSES, write_domain_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return str(write_domain_tree(tmp_path_factory.mktemp("domains")))


def files(dataset):
    return {dataset.get_data_info(index)["img_path"] for index in range(len(dataset))}


def test_a_domain_is_a_dataset_with_classes_and_labels(tree):
    dataset = DomainFolderDataset(tree, "dim")
    assert (len(dataset), dataset.metainfo["classes"], dataset.domain) == (40, CLASSES, "dim")
    for index in (0, 39):
        image = dataset.get_data_info(index)
        assert f"/dim/{CLASSES[image['gt_label']]}/" in image["img_path"]
        assert image["domain"] == "dim"


def test_nothing_that_is_tested_was_trained_on(tree):
    train = LeaveOneOutDataset(tree, held_out="dim")
    test = LeaveOneOutDataset(tree, held_out="dim", test_mode=True)
    assert [part.domain for part in train.datasets] == ["bright", "dark"]
    assert [(part.domain, len(part)) for part in test.datasets] == [("dim", 40), ("sources", 8)]
    assert not files(train) & files(test)
    assert not any("/dim/" in path for path in files(train))
    assert {test.get_data_info(index)["domain"] for index in range(40, 48)} == {"sources"}
    every = [DomainFolderDataset(tree, domain) for domain in ("bright", "dim", "dark")]
    assert files(train) | files(test) == set().union(*map(files, every))


def test_a_wrong_domain_gets_the_right_ones(tree):
    with pytest.raises(InputError, match="no domain 'night': choose from bright, dark, dim"):
        DomainFolderDataset(tree, "night")
    with pytest.raises(InputError, match="held_out is 'night', and .* bright, dark, dim: choose"):
        LeaveOneOutDataset(tree, held_out="night")
