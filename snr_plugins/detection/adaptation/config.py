"""The keys of adaptation, and what is checked of them before training."""

from __future__ import annotations

from detectron2.config import CfgNode

from snr_plugins.detection.adaptation.batches import Batches
from snr_plugins.detection.adaptation.pairs import KEY, Pair, pair_of
from snr_plugins.errors import InputError


def add_adaptation_config(cfg: CfgNode) -> None:
    """Add DATASETS.TARGET_FOLDER, MODEL.DOMAIN_ADVERSARIAL and MODEL.MEAN_TEACHER."""
    # The folder of the target's images, without labels, for pairs in DATASETS.TRAIN whose name
    # ends in _to_folder.
    cfg.DATASETS.TARGET_FOLDER = ""

    # Whose statistics batch norms that learn keep for evaluation: the target's alone (True), or
    # a mixture of both. Nothing where they are frozen, as in all configs on ImageNet weights.
    cfg.MODEL.TARGET_STATISTICS = True

    # Of DomainAdversarialRCNN; values are those of the released PyTorch code, one domain per half
    # of the batch.
    adversarial = CfgNode()
    # Maps that an image classifier looks at, one classifier each; [] for those of the RPN.
    adversarial.FEATURES = []
    # Weight of the image classifiers' loss, the mean over the maps. 0.0 leaves them out.
    adversarial.IMAGE_WEIGHT = 1.0
    # Weight of the loss of the classifier of RoIs. 0.0 leaves it out.
    adversarial.INSTANCE_WEIGHT = 1.0
    # Weight of the disagreement of the two; needs both.
    adversarial.CONSISTENCY_WEIGHT = 0.1
    # The reversed gradient of the backbone is so many times that of the classifiers: of the image
    # classifiers (with FPN others take 0.01 to 0.025; Sim10k 0.2), of that of RoIs, and, not
    # reversed, of the disagreement.
    adversarial.IMAGE_REVERSAL = 0.1
    adversarial.INSTANCE_REVERSAL = 0.1
    adversarial.CONSISTENCY_FACTOR = 0.1
    # Factors of the classifiers' learning rates; the Caffe release has 10 for that of RoIs.
    adversarial.IMAGE_LR_FACTOR = 1.0
    adversarial.INSTANCE_LR_FACTOR = 1.0
    cfg.MODEL.DOMAIN_ADVERSARIAL = adversarial

    # Of MeanTeacherRCNN.
    teacher = CfgNode()
    # Share of the teacher that stays at each update: 0.9996 is the field's for tens of thousands of
    # iterations; see snr_plugins/nn/teacher.py for the first ones.
    teacher.MOMENTUM = 0.9996
    # Detections of the teacher with at least this score are the target's boxes.
    teacher.THRESHOLD = 0.8
    # Weight of the target's losses.
    teacher.TARGET_WEIGHT = 1.0
    # Within them, the weight of the boxes' places: scores say little about these, so 0.0.
    teacher.TARGET_BOX_WEIGHT = 0.0
    # Iterations of the source alone, before there is a teacher. 0 where MODEL.WEIGHTS was trained
    # on the source.
    teacher.BURN_IN = 0
    cfg.MODEL.MEAN_TEACHER = teacher


def prepare_pair(cfg: CfgNode) -> None:
    """Tell the pair in DATASETS.TRAIN what batches it is for; its loader is built after the model.

    Detectron2 gives its config to the model and to the loader, but not to a dataset.
    """
    for name in cfg.DATASETS.TRAIN:
        pair = pair_of(name)
        if pair is not None:
            pair.folder = cfg.DATASETS.TARGET_FOLDER
            pair.batches = Batches(cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.ASPECT_RATIO_GROUPING)


def training_pair(cfg: CfgNode) -> Pair | None:
    """The pair that a config trains on; None where it does not adapt."""
    pairs = [pair for pair in map(pair_of, cfg.DATASETS.TRAIN) if pair is not None]
    return pairs[0] if pairs else None


def check_adaptation(cfg: CfgNode, adapts: bool) -> None:
    """Make sure that dataset and model fit each other, and that both domains can be read.

    Args:
        cfg: the config.
        adapts: whether MODEL.META_ARCHITECTURE is one that takes the domains apart.

    Raises:
        InputError: they do not, or the batch cannot be split.
    """
    pair = training_pair(cfg)
    names, architecture = list(cfg.DATASETS.TRAIN), cfg.MODEL.META_ARCHITECTURE
    if pair is None:
        if adapts:
            raise InputError(
                f"MODEL.META_ARCHITECTURE {architecture} adapts, but DATASETS.TRAIN {names} has no "
                "target: name a pair such as synthetic_city_clear_to_night, or make one with "
                "snr_plugins.detection.register_adaptation"
            )
        if cfg.DATASETS.TARGET_FOLDER:
            raise InputError(
                f"{KEY} is {cfg.DATASETS.TARGET_FOLDER} but DATASETS.TRAIN {names} adapts to no "
                "folder: name a pair such as synthetic_city_clear_to_folder"
            )
        return
    if len(names) > 1:
        raise InputError(
            f"DATASETS.TRAIN {names} has more than a pair; register one with register_adaptation"
        )
    if not adapts:
        raise InputError(
            f"DATASETS.TRAIN {pair.name} holds two domains: set MODEL.META_ARCHITECTURE, now "
            f"{architecture}, to one that takes them apart, such as DomainAdversarialRCNN"
        )
    if cfg.DATASETS.TARGET_FOLDER and pair.target is not None:
        raise InputError(
            f"{KEY} is {cfg.DATASETS.TARGET_FOLDER} but {pair.name} adapts to {pair.target}; empty "
            "it, or name a pair that ends in _to_folder"
        )
    burn_in = cfg.MODEL.MEAN_TEACHER.BURN_IN
    if burn_in and burn_in >= cfg.SOLVER.MAX_ITER:
        raise InputError(
            f"MODEL.MEAN_TEACHER.BURN_IN {burn_in} leaves none of SOLVER.MAX_ITER "
            f"{cfg.SOLVER.MAX_ITER} iterations for the target: lower the first or raise the second"
        )
    prepare_pair(cfg)
    if pair.batches is not None:
        pair.batches.of_a_process()
    pair.target_records()
