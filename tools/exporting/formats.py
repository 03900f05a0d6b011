"""The formats: a module to the bytes of a file, and what such bytes compute where they are run."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from exporting.task import DIVISOR, Signature, flat
from snr_plugins.errors import InputError
from snr_plugins.nn import WithStyleDistance

OPSET = 17  # from 16 on ONNX knows ROIAlign as Detectron2 takes it


def to_onnx(module: nn.Module, example: Tensor, signature: Signature) -> bytes:
    import onnx

    file = io.BytesIO()
    torch.onnx.export(
        module,
        (example,),
        file,
        opset_version=OPSET,
        input_names=["image"],
        output_names=signature.outputs,
        dynamic_axes=signature.moving,
        # Without it torch 2.3 joins equal weights, as those of two new norms, and names of some are
        # then defined by nothing ("is not a graph input, initializer, or output of a node").
        keep_initializers_as_inputs=True,
    )
    model = onnx.load_from_string(file.getvalue())
    image = next(value for value in model.graph.input if value.name == "image")
    del model.graph.input[:]
    model.graph.input.append(image)
    return model.SerializeToString()


def run_onnx(content: bytes, example: Tensor) -> Sequence[Tensor]:
    from onnxruntime import InferenceSession

    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    return [torch.as_tensor(x) for x in session.run(None, {"image": example.numpy()})]


def to_torchscript(module: nn.Module, example: Tensor, signature: Signature) -> bytes:
    # dicts go through, and Detectron2's shapes are computed in Python: no check of the graph
    traced = torch.jit.trace(module, (example,), strict=False, check_trace=False)
    file = io.BytesIO()
    torch.jit.save(traced, file)
    return file.getvalue()


def run_torchscript(content: bytes, example: Tensor) -> Sequence[Tensor]:
    return flat(torch.jit.load(io.BytesIO(content))(example))


def to_torch_export(module: nn.Module, example: Tensor, signature: Signature) -> bytes:
    if example.dim() == 3:
        raise InputError(
            "torch.export does not take a whole detector of Detectron2, whose count of boxes hangs "
            "on the image: choose another format, or --backbone"
        )
    if isinstance(module, WithStyleDistance):
        raise InputError(
            "torch.export does not follow the hooks that read style distances: choose another "
            "format, or leave out --style-distance"
        )
    batch, height, width = torch.export.dims("batch", "height", "width", min=2, max=256)
    sizes = {0: batch, 2: DIVISOR * height, 3: DIVISOR * width}
    images = example.repeat(2, 1, 1, 1)  # a batch of one would be taken for one that stays so
    program = torch.export.export(module, (images,), dynamic_shapes=(sizes,))
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def run_torch_export(content: bytes, example: Tensor) -> Sequence[Tensor]:
    return flat(torch.export.load(io.BytesIO(content)).module()(example))


Write = Callable[[nn.Module, Tensor, Signature], bytes]
Run = Callable[[bytes, Tensor], Sequence[Tensor]]
FORMATS: dict[str, tuple[Write, Run]] = {
    "onnx": (to_onnx, run_onnx),
    "torchscript": (to_torchscript, run_torchscript),
    "torch_export": (to_torch_export, run_torch_export),
}
