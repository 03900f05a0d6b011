"""The teacher against averages by hand, through checkpoints, and unseen by what trains."""

import copy

import pytest
import torch
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import Teacher


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def step(student, value):
    """Another student: its weights and its running mean are ``value``."""
    with torch.no_grad():
        student[0].weight.fill_(value)
        student[1].running_mean.fill_(value)
        student[1].num_batches_tracked.fill_(int(value))


def test_weights_are_averaged_and_buffers_copied():
    student = network()
    teacher = Teacher(student, momentum=0.75)
    seen = []
    for value in (8.0, 4.0, 0.0, 0.0, 0.0, 12.0):
        step(student, value)
        teacher.follow(student)
        seen.append(float(teacher.module[0].weight.mean()))
        assert (teacher.module[1].running_mean == value).all()
        assert teacher.module[1].num_batches_tracked == int(value)
    # the mean of all students up to the fourth; from the fifth on a quarter is the student's
    assert seen == pytest.approx([8, 6, 4, 3, 2.25, 0.75 * 2.25 + 0.25 * 12])


def test_its_forward_is_in_evaluation_mode_and_leaves_no_graph():
    student = network()
    teacher = Teacher(student)
    x = torch.rand(2, 3, 5, 5, requires_grad=True)
    student.train()
    teacher.train()
    out = teacher(x)
    assert not out.requires_grad
    torch.testing.assert_close(out, copy.deepcopy(student).eval()(x).detach())
    assert teacher.module[1].num_batches_tracked == 0


class Learner(nn.Sequential):
    """A student that holds its own teacher."""

    def __init__(self):
        super().__init__(*network())
        self.teacher = Teacher(self, momentum=0.5)


def test_nothing_that_trains_sees_it():
    learner = Learner()
    assert [name for name, _ in learner.named_parameters()] == [
        name for name, _ in network().named_parameters()
    ]
    assert len([m for m in learner.modules() if isinstance(m, nn.Conv2d)]) == 1


def test_it_moves_and_changes_type_with_the_student():
    learner = Learner().double()
    assert learner.teacher.module[0].weight.dtype == torch.float64
    learner.teacher.follow(learner)
    assert copy.deepcopy(learner).teacher.module[0].weight.dtype == torch.float64


def test_it_is_saved_and_goes_on():
    learner = Learner()
    for value in (1.0, 5.0):
        step(learner, value)
        learner.teacher.follow(learner)
    resumed = Learner()
    assert not any(resumed.load_state_dict(copy.deepcopy(learner.state_dict())))
    for each in (learner, resumed):
        step(each, 11.0)
        each.teacher.follow(each)
    assert learner.teacher.module[0].weight.mean() == pytest.approx(7)
    assert resumed.teacher.updates == 3
    for name, value in learner.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)


def test_a_checkpoint_without_a_teacher_gives_its_student_to_the_teacher():
    learner, source = Learner(), network()
    learner.teacher.follow(learner)
    step(source, 3.0)
    assert not any(learner.load_state_dict(source.state_dict()))
    learner.teacher.follow(learner)
    assert (learner.teacher.module[0].weight == 3).all()


def test_no_name_of_a_checkpoint_matches_teacher_and_student():
    # Detectron2 matches ends of names behind a dot, and refuses two matches
    names = network().state_dict().keys()
    for key in Learner().teacher.state_dict(prefix="teacher."):
        assert not [name for name in names if key.endswith(f".{name}")]


def test_a_checkpoint_of_another_teacher_is_reported():
    learner = Learner()
    saved = copy.deepcopy(learner.state_dict())
    saved["teacher.module/0/weight"] = torch.zeros(2)
    del saved["teacher.module/0/bias"]
    with pytest.raises(RuntimeError, match=r"teacher\.module/0/weight has shape \(2,\)"):
        learner.load_state_dict(saved)
    del saved["teacher.module/0/weight"]
    missing, _ = learner.load_state_dict(saved, strict=False)
    assert missing == ["teacher.module/0/weight", "teacher.module/0/bias"]


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="momentum is 1"):
        Teacher(network(), momentum=1.0)
    with pytest.raises(InputError, match="holds a teacher already"):
        Teacher(Learner())
