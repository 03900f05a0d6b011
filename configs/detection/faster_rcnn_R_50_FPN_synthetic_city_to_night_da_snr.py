"""Domain Adaptive Faster R-CNN with SNR for ``lazyconfig_train_net.py``: clear streets to night."""

from detectron2.config import LazyCall as L

from snr_plugins.detection import SNRDomainAdversarialRCNN, adaptation_dataset

from .faster_rcnn_R_50_FPN_synthetic_city_snr import (
    dataloader,
    lr_multiplier,  # noqa: F401
    model,
    optimizer,  # noqa: F401
    train,
)

PAIR, TEST = "synthetic_city_clear_to_night", "synthetic_city_night_val"

model._target_ = SNRDomainAdversarialRCNN
model.domain_features = ["p2", "p3", "p4", "p5", "p6"]

# half of a batch is the source's
dataloader.train.dataset = L(adaptation_dataset)(name=PAIR, images_per_batch=4)
dataloader.train.aspect_ratio_grouping = False
dataloader.test.dataset.names = TEST
dataloader.evaluator.dataset_name = TEST
dataloader.evaluator.run.pair = PAIR

train.output_dir = "output/lazy_da"
