"""Domains that are taken apart, against MMSegmentation's own pre-processor on each."""

import pytest
import torch
from mmengine.structures import PixelData

from snr_plugins.errors import InputError
from tests.segmentation.adaptation.batches import mixed_batch
from tests.segmentation.networks import PREPROCESSOR, SIZE, build, raw_batch

OURS = {**PREPROCESSOR, "type": "SourceTargetPreProcessor"}


@pytest.mark.parametrize("padding", [{"size": (SIZE, SIZE)}, {"size": None, "size_divisor": 32}])
def test_each_domain_as_the_stock_one_has_it_alone(padding):
    batch, again = mixed_batch(2, width=40), mixed_batch(2, width=40)
    ours = build({**OURS, **padding})(batch, True)
    for domain, first in (("source", 0), ("target", 1)):
        alone = {key: values[first::2] for key, values in again.items()}
        for sample in alone["data_samples"]:
            if domain == "target":
                sample.gt_sem_seg = PixelData(data=torch.zeros(1, SIZE, 40).long())
        expected = build({**PREPROCESSOR, **padding})(alone, True)
        torch.testing.assert_close(ours["inputs"][domain], expected["inputs"])
        for sample, other in zip(
            ours["data_samples"][domain], expected["data_samples"], strict=True
        ):
            assert sample.metainfo == other.metainfo
            assert (sample.gt_sem_seg.data == other.gt_sem_seg.data).all()
    width = ours["inputs"]["target"].shape[3]
    assert width == (SIZE if padding["size"] else 64)
    padded = ours["data_samples"]["target"][0].gt_sem_seg.data == 255
    assert padded[..., 40:].all() and not padded[..., :40].any()


def test_no_domain_pads_the_other():
    options = {"size": None, "size_divisor": 32}
    inputs = build({**OURS, **options})(mixed_batch(1, width=100), True)["inputs"]
    assert inputs["source"].shape[3] == SIZE
    assert inputs["target"].shape[3] == 128


def test_labels_of_the_target_are_gone():
    batch = mixed_batch(2)
    for sample in batch["data_samples"][1::2]:
        sample.gt_sem_seg = PixelData(data=torch.full((1, SIZE, SIZE), 4))
    target = build(OURS)(batch, True)["data_samples"]["target"]
    assert not any(sample.gt_sem_seg.data.any() for sample in target)


def test_at_test_it_is_its_parent():
    ours, stock = build(OURS)(raw_batch()), build(PREPROCESSOR)(raw_batch())
    torch.testing.assert_close(ours["inputs"], stock["inputs"])


def test_pixels_and_back():
    processor = build(OURS)
    inputs = processor(mixed_batch(), True)["inputs"]["target"]
    raw = torch.stack(mixed_batch()["inputs"][1::2]).flip(1).float()  # BGR to RGB
    torch.testing.assert_close(processor.pixels(inputs), raw, atol=1e-3, rtol=0)
    torch.testing.assert_close(processor.normalise(raw), inputs)


@pytest.mark.parametrize("kept", [[0, 1, 2], [0, 2], [1, 3]])
def test_unequal_numbers_are_refused(kept):
    batch = {key: [values[i] for i in kept] for key, values in mixed_batch(2).items()}
    with pytest.raises(InputError, match="even batch_size, a dataset of type SourceTargetDataset"):
        build(OURS)(batch, True)


def test_a_batch_of_one_dataset_is_refused():
    with pytest.raises(InputError, match=r"^A batch of 2 holds 0 images of the target: "):
        build(OURS)(raw_batch(), True)
