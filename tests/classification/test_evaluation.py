"""The accuracy of each domain against numbers counted by hand."""

import pytest
import torch

pytest.importorskip("mmpretrain")

from mmpretrain.structures import DataSample

from snr_plugins.classification import DomainAccuracy
from snr_plugins.errors import InputError

# domain, class, prediction
ANSWERS = [
    ("photo", 0, 0),
    ("sketch", 0, 1),
    ("photo", 1, 0),
    ("sketch", 1, 1),
    ("sketch", 1, 1),
    ("sketch", 0, 1),
    ("photo", 1, 1),
]


def sample(domain, label, prediction):
    scores = torch.zeros(3)
    scores[prediction] = 1
    found = DataSample().set_gt_label(label).set_pred_score(scores)
    if domain:
        found.set_metainfo({"domain": domain})
    return found.to_dict()


def metric():
    made = DomainAccuracy()
    made.dataset_meta = {"classes": ("cat", "dog", "cow")}
    return made


def test_each_domain_and_class_is_counted_apart():
    counting = metric()
    for first in range(0, 7, 3):  # batches of both domains
        counting.process({}, [sample(*answer) for answer in ANSWERS[first : first + 3]])
    found = counting.evaluate(len(ANSWERS))
    assert found == {
        "photo/accuracy": pytest.approx(200 / 3),
        "photo/accuracy-cat": 100,
        "photo/accuracy-dog": 50,
        "sketch/accuracy": 50,
        "sketch/accuracy-cat": 0,
        "sketch/accuracy-dog": 100,
    }


def test_an_image_of_no_domain_is_refused():
    with pytest.raises(InputError, match="names no domain: add 'domain' to meta_keys of PackInp"):
        metric().process({}, [sample(None, 0, 0)])
