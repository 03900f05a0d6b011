"""The stamp of a detection result: what is known of the run that is scored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.utils.events import get_event_storage, has_event_storage
from detectron2.utils.file_io import PathManager

from snr_plugins.detection.adaptation.config import prepare_pair, training_pair
from snr_plugins.detection.adaptation.pairs import pair_of
from snr_plugins.detection.catalogue import describe_dataset
from snr_plugins.detection.config import split_weights
from snr_plugins.errors import InputError
from snr_plugins.results import describe_adaptation, describe_checkpoint, versions

FRAMEWORKS = ("torch", "detectron2", "pycocotools")
METRIC = "AP50"  # of boxes: the metric of the foggy benchmarks


@dataclass(frozen=True)
class Run:
    """What a config says of the run; a LazyConfig gives it to ``coco_evaluator`` by itself.

    Args:
        output_dir: where training writes its checkpoints.
        weights: the checkpoint that is loaded before training or for testing.
        max_iter: length of the training.
        seed: negative for a random one.
        image_size: of the test images, as (short side, longest side) in pixels.
        test_time_augmentation: in words.
        pair: of `snr_plugins.detection.register_adaptation`, that is trained on; None for a source
            alone.
        network: of `snr_plugins.nn.describe_network`; None where it is not known.
        checkpoint_period: iterations between checkpoints; None where it is not known.
    """

    output_dir: str
    weights: str
    max_iter: int
    seed: int | None = None
    image_size: tuple[int, int] | None = None
    test_time_augmentation: str = "none"
    pair: str | None = None
    network: Mapping[str, str] | None = None
    checkpoint_period: int | None = None

    @classmethod
    def of(cls, cfg: CfgNode, augmented: bool = False) -> Run:
        """What a YAML config says; ``augmented`` if its TEST.AUG is at work."""
        prepare_pair(cfg)
        pair = training_pair(cfg)
        return cls(
            output_dir=cfg.OUTPUT_DIR,
            weights=cfg.MODEL.WEIGHTS,
            max_iter=cfg.SOLVER.MAX_ITER,
            checkpoint_period=cfg.SOLVER.CHECKPOINT_PERIOD,
            seed=cfg.SEED,
            image_size=(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST),
            test_time_augmentation=_augmentation(cfg) if augmented else "none",
            pair=pair.name if pair else None,
        )


def _augmentation(cfg: CfgNode) -> str:
    aug = cfg.TEST.AUG
    sizes = ", ".join(map(str, aug.MIN_SIZES))
    return f"{sizes}, at most {aug.MAX_SIZE}{', and each flipped' if aug.FLIP else ''}"


def stamp_of(dataset_name: str, coco: dict, run: Run | None, scores: dict) -> dict:
    """The stamp of a dataset's scores, see `snr_plugins.results.write_stamp`.

    Args:
        dataset_name: a registered dataset.
        coco: the images and boxes scored against, in COCO's format.
        run: None leaves size, checkpoint and seed unknown.
        scores: the evaluator's.
    """
    described = describe_dataset(dataset_name)
    annotations = coco.get("annotations", [])
    groups = sum(bool(annotation.get("iscrowd")) for annotation in annotations)
    classes = described.pop("thing_classes")
    counts = {"images": len(coco["images"]), "boxes": len(annotations) - groups, "groups": groups}
    adaptation = _adaptation(run, dataset_name, coco)
    return {
        **({"adaptation": adaptation} if adaptation else {}),
        "datasets": [{**described, **counts, "classes": classes}],
        "image_size": _image_size(run),
        "test_time_augmentation": run.test_time_augmentation if run else None,
        "checkpoint": _checkpoint(run) if run else describe_checkpoint(None),
        "network": run.network if run else None,
        "seed": run.seed if run and run.seed is not None and run.seed >= 0 else None,
        "versions": versions(FRAMEWORKS),
        "scores": scores,
        "metric": METRIC,
        "domains": {dataset_name: scores["bbox"][METRIC]} if "bbox" in scores else {},
    }


def _adaptation(run: Run | None, dataset_name: str, coco: dict) -> dict | None:
    """What the target was, and whether the scored images were in it; None without adaptation."""
    pair = pair_of(run.pair) if run and run.pair else None
    if pair is None:
        return None
    try:
        files = pair.target_files()
    except InputError:  # trained elsewhere: the scores stand without it
        files = None
    folder = MetadataCatalog.get(dataset_name).get("image_root", "")
    scored = [os.path.realpath(os.path.join(folder, x["file_name"])) for x in coco["images"]]
    return describe_adaptation(pair.source, pair.target or pair.folder or None, files, scored)


def _image_size(run: Run | None) -> str | None:
    if run is None or run.image_size is None:
        return None
    short, longest = run.image_size
    return f"{short}, at most {longest}" if short > 0 else "as on disk"  # 0: no resizing


def _checkpoint(run: Run) -> dict:
    if not has_event_storage():  # testing alone: the weights are those of the config
        file, _ = split_weights(run.weights)
        return describe_checkpoint(PathManager.get_local_path(file) if file else None)
    # DefaultTrainer.build_hooks puts EvalHook after PeriodicCheckpointer: a checkpoint of this
    # iteration, if there is to be one, has been written. fvcore names it by the last iteration.
    iteration = get_event_storage().iter
    done = min(iteration + 1, run.max_iter)
    names = ["model_final.pth"] if done == run.max_iter else []
    if not run.checkpoint_period or done % run.checkpoint_period == 0:  # else it is an older run's
        names.append(f"model_{done - 1:07d}.pth")
    for name in names:
        path = os.path.join(run.output_dir, name)
        if os.path.isfile(path):
            return describe_checkpoint(path, done)
    return describe_checkpoint(None, done)
