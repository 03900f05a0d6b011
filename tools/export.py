"""Write a trained network, with SNR or without, to a file that runs without this package.

    python tools/export.py output/model_final.pth --format onnx --out net.onnx --image street.png
    python tools/export.py work_dirs/X/iter_300.pth --format torchscript --out net.pt --image a.png

A checkpoint has its config beside it, as a run leaves it; or name the config, whose weights are
taken. The file takes the pixels of an image, 0 to 255, and normalises them itself. It is run on
--image, in two sizes, and written only if it puts out what the model does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from exporting.formats import FORMATS
from exporting.task import Task, read_pixels
from looking.checkpoints import find_config
from looking.command import run_tool

from snr_plugins.data.files import write_whole
from snr_plugins.errors import InputError


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "network", type=Path, metavar="CHECKPOINT_OR_CONFIG", help="a .pth, .yaml or .py"
    )
    parser.add_argument("--config", type=Path, help="if it is not beside the checkpoint")
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--image", required=True, help="a picture of what the network knows")
    parser.add_argument(
        "--backbone", action="store_true", help="of a detector the features alone, for a batch"
    )
    parser.add_argument(
        "--style-distance",
        action="store_true",
        help="a last output: how far the image is, at each SNR, from what was learned",
    )
    return parser.parse_args(argv)


def open_task(args: argparse.Namespace) -> Task:
    """The network by its own framework's loader.

    Raises:
        InputError: a file is missing or at fault, or an option does not fit.
    """
    is_config = args.network.suffix in (".yaml", ".py")
    checkpoint = None if is_config else args.network
    config = args.config or (args.network if is_config else find_config(args.network))
    if checkpoint is not None and not checkpoint.is_file():
        raise InputError(f"checkpoint {checkpoint} does not exist; name one that does")
    if config.suffix != ".py":  # nobody has to install the other framework
        from exporting.detectron2_tasks import open_detector

        return open_detector(config, checkpoint, args.backbone, args.style_distance)
    if args.backbone:
        raise InputError("--backbone is for detectors of Detectron2; leave it out")
    from exporting.openmmlab_tasks import open_logits

    return open_logits(config, checkpoint, args.style_distance)


def export(args: argparse.Namespace) -> None:
    task = open_task(args)
    write, run = FORMATS[args.format]
    examples = task.examples(read_pixels(args.image, task.signature.colours))
    try:
        with torch.no_grad():
            content = write(task.module, examples[0], task.signature)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"--format {args.format} needs {error.name}: install it") from None
    except Exception as error:  # whatever an exporter says of what it does not know
        said = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise InputError(f"torch cannot write this network as {args.format}: {said}") from error
    for example in examples:
        try:
            agreement = task.compare(task.expected(example), run(content, example))
        except InputError as error:
            size = " x ".join(map(str, example.shape[-2:]))
            raise InputError(
                f"{args.out} is not written: on {args.image}, {size}, {error}"
            ) from None
        print(f"{tuple(example.shape)}: {agreement}")
    write_whole(args.out, content)
    print(f"{args.out}: {task.signature.colours} pixels to {', '.join(task.signature.outputs)}")


if __name__ == "__main__":
    run_tool(lambda: export(parse()))
