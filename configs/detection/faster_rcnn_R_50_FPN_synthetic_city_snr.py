"""An SNR Faster R-CNN for Detectron2's own ``lazyconfig_train_net.py``.

With the YAML configs a backbone is chosen by name; here it is built, and ``put_in`` changes it.
"""

from detectron2.config import LazyCall as L
from detectron2.data import (
    DatasetMapper,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.data import transforms as T
from detectron2.model_zoo import get_config

from snr_plugins.detection import Run, SNRGeneralizedRCNN, coco_evaluator, put_in

NUM_CLASSES = 8
TEST = "synthetic_city_foggy_beta_0.02_val"
RESIZE = L(T.ResizeShortestEdge)(short_edge_length=256, max_size=512)

model = get_config("common/models/mask_rcnn_fpn.py").model
for key in ("mask_in_features", "mask_pooler", "mask_head"):
    del model.roi_heads[key]
model.roi_heads.num_classes = NUM_CLASSES
model.backbone = L(put_in)(backbone=model.backbone, after=["res2", "res3", "res4"])
model._target_ = SNRGeneralizedRCNN
model.snr_num_classes = NUM_CLASSES

dataloader = dict(
    train=L(build_detection_train_loader)(
        dataset=L(get_detection_dataset_dicts)(names="synthetic_city_clear_train"),
        mapper=L(DatasetMapper)(
            is_train=True,
            augmentations=[RESIZE, L(T.RandomFlip)(horizontal=True)],
            image_format="BGR",
        ),
        total_batch_size=4,
        num_workers=2,
    ),
    test=L(build_detection_test_loader)(
        dataset=L(get_detection_dataset_dicts)(names=TEST, filter_empty=False),
        mapper=L(DatasetMapper)(is_train=False, augmentations=[RESIZE], image_format="BGR"),
        num_workers=2,
    ),
    evaluator=L(coco_evaluator)(
        dataset_name=TEST,
        output_dir="output/lazy/inference",
        run=L(Run)(
            output_dir="${train.output_dir}",
            weights="${train.init_checkpoint}",
            max_iter="${train.max_iter}",
        ),
    ),
)

optimizer = get_config("common/optim.py").SGD
optimizer.lr = 0.005
lr_multiplier = get_config("common/coco_schedule.py").lr_multiplier_1x

train = get_config("common/train.py").train
train.init_checkpoint = "detectron2://ImageNetPretrained/MSRA/R-50.pkl"
train.output_dir = "output/lazy"
