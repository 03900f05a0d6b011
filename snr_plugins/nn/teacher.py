"""The teacher of mean-teacher adaptation: an average of the student over its training."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError


class Teacher(nn.Module):
    """A copy of ``student`` whose weights are a running average (Tarvainen and Valpola, 2017)::

        self.teacher = Teacher(self)      # last in the student's __init__
        self.teacher.follow(self)         # first in each training step, before the forward
        labels = self.teacher(target)     # in evaluation mode, without a graph

    At its n-th update, counted from 0, a weight becomes m * teacher + (1 - m) * student with
    m = min(momentum, n / (n + 1)): the first update is a copy of the student, whatever was
    calibrated or loaded into it before the first step, and the average of all students so far turns
    into a running one. Buffers (statistics of batch norm, of trust) are the student's latest, since
    they are running averages already; as MMEngine's EMA hook has it.

    The copy is no child: optimizers, data-parallel wrappers, walks over the student's modules and
    the matching of pretrained names do not see it. It moves with ``.to``, stays in evaluation mode,
    and is saved under ``module/`` and the student's names with slashes for dots. A checkpoint
    without a teacher leaves it unborn: it starts from the student as loaded.

    Args:
        student: any module; its ``forward`` is the teacher's.
        momentum: the largest share of the teacher that stays, below 1.

    Raises:
        InputError: the student holds a teacher already, or ``momentum`` is not in [0, 1).

    Example:
        >>> student = nn.Linear(2, 1)
        >>> teacher = Teacher(student, momentum=0.9)
        >>> teacher.follow(student)
        >>> bool(teacher(torch.ones(1, 2)) == student(torch.ones(1, 2)))
        True
        >>> sorted(teacher.state_dict())
        ['module/bias', 'module/weight', 'updates']
    """

    updates: Tensor

    def __init__(self, student: nn.Module, momentum: float = 0.999) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise InputError(f"the teacher's momentum is {momentum}; choose one from 0 to below 1")
        if any(isinstance(module, Teacher) for module in student.modules()):
            raise InputError("the student holds a teacher already: make it before the teacher")
        self.momentum = momentum
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))
        # in a list, so that nn.Module does not take it for a child
        self._held = [copy.deepcopy(student).requires_grad_(False).eval()]

    @property
    def module(self) -> nn.Module:
        """The copy itself, for what is more than its ``forward``."""
        return self._held[0]

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def follow(self, student: nn.Module) -> None:
        """Take the student's present weights into the average, and its buffers as they are."""
        updates = int(self.updates)
        kept = min(self.momentum, updates / (updates + 1))
        theirs = dict(student.named_parameters())
        for name, weight in self.module.named_parameters():
            weight.lerp_(theirs[name].detach().to(weight), 1 - kept)
        buffers = dict(student.named_buffers())
        for name, buffer in self.module.named_buffers():
            buffer.copy_(buffers[name])
        self.updates += 1

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> Teacher:
        super()._apply(fn, *args, **kwargs)
        self.module._apply(fn, *args, **kwargs)
        return self

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for key, own in self._tensors().items():
            destination[prefix + key] = own

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        own = {prefix + key: tensor for key, tensor in self._tensors().items()}
        if not any(key.startswith(f"{prefix}module/") for key in state_dict):
            self.updates.zero_()
            return
        mine = {key: v for key, v in state_dict.items() if key not in own}
        super()._load_from_state_dict(
            mine, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        for key, tensor in own.items():
            if key not in state_dict:
                missing_keys.append(key)
            elif state_dict[key].shape != tensor.shape:
                error_msgs.append(
                    f"{key} has shape {tuple(state_dict[key].shape)} in the checkpoint and "
                    f"{tuple(tensor.shape)} in the model"
                )
            else:
                with torch.no_grad():
                    tensor.copy_(state_dict[key])

    def _tensors(self) -> dict[str, Tensor]:
        """Of the copy, by the names they are saved under: dots would match pretrained names."""
        own = self.module.state_dict()
        return {f"module/{name.replace('.', '/')}": own[name] for name in own}


def answering(model: nn.Module) -> nn.Module:
    """Who answers for ``model`` in evaluation: the copy in its teacher, or ``model`` itself.

    Itself where it has no teacher, where that has not learned yet, or where ``test_with`` says
    "student". Walks over the model, as for its layers, go there: a teacher's copy is no child.
    """
    teacher = getattr(model, "teacher", None)
    if not isinstance(teacher, Teacher) or teacher.updates == 0:
        return model
    return model if getattr(model, "test_with", "teacher") == "student" else teacher.module
