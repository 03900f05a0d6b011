"""The file that names the last checkpoint, as a kill in the wrong instant leaves it."""

from __future__ import annotations

import pytest
import torch

from snr_plugins.data.output import name_last_checkpoint


@pytest.fixture
def folder(tmp_path):
    for name in ("model_0000009.pth", "model_0000010.pth", "iter_100.pth", "mine_1000.pth"):
        torch.save({"weight": torch.zeros(300)}, tmp_path / name)
    cut = (tmp_path / "iter_100.pth").read_bytes()[:-50]
    (tmp_path / "iter_200.pth").write_bytes(cut)
    return tmp_path


@pytest.mark.fault(
    "interruption",
    "A `last_checkpoint` of no bytes, as a kill in the instant in which either framework writes it "
    "leaves it",
    "`--resume` goes on from the newest checkpoint that is whole",
)
def test_an_empty_name_is_filled_in(folder):
    last = folder / "last_checkpoint"
    last.touch()
    name_last_checkpoint(folder, in_full=True)
    assert last.read_text() == str(folder / "iter_100.pth")
    for path in folder.glob("iter_*.pth"):
        path.unlink()
    last.write_text("")
    name_last_checkpoint(folder, in_full=False)
    assert last.read_text() == "model_0000010.pth"


def test_what_is_there_stays(folder, tmp_path_factory):
    last = folder / "last_checkpoint"
    name_last_checkpoint(folder, in_full=False)
    assert not last.exists()  # nothing has ended: the run starts anew
    last.write_text("model_0000009.pth")
    name_last_checkpoint(folder, in_full=False)
    assert last.read_text() == "model_0000009.pth"
    none = tmp_path_factory.mktemp("none")
    (none / "last_checkpoint").touch()
    name_last_checkpoint(none, in_full=False)
    assert (none / "last_checkpoint").read_text() == ""
    name_last_checkpoint(none / "nowhere", in_full=False)
