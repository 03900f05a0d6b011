"""The folder that a command writes to: one user at a time, and what is said of a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from snr_plugins.data.files import is_cut_archive, write_whole
from snr_plugins.errors import InputError

try:
    import fcntl
except ImportError:  # Windows, where nobody is kept out
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
LAST_CHECKPOINT = "last_checkpoint"
# What is wrong with the disk and not with the program; EFBIG is a limit on the size of files.
FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@contextlib.contextmanager
def sole_user(folder: str | os.PathLike[str]) -> Iterator[int]:
    """Within this block no other process may use ``folder``; yields a descriptor for children.

    A child that is started with ``pass_fds`` keeps others out until it ends, whatever becomes of
    this process; one that is forked, such as a loader's worker, does not.

    Raises:
        InputError: another process uses it, or a child of one; it cannot be written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        lock = open(Path(folder, LOCK), "w")  # noqa: SIM115  closed below
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written to ({error.strerror}): name another folder"
        ) from None
    with lock:
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another process is at work in {folder}: wait for its end, or name another folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lock.close)
        yield lock.fileno()


def name_last_checkpoint(folder: str | os.PathLike[str], in_full: bool) -> None:
    """Write the newest checkpoint's name into a ``last_checkpoint`` that is empty.

    Both frameworks write that file in place, once a checkpoint is whole; a kill in that instant
    leaves it empty. Whatever else is there stays as it is.

    Args:
        folder: of Detectron2's ``model_0000123.pth``, or of MMEngine's ``iter_123.pth`` or
            ``epoch_12.pth``.
        in_full: whether the name is a path, as MMEngine's.
    """
    last = Path(folder, LAST_CHECKPOINT)
    if not last.is_file() or last.stat().st_size:
        return
    numbered = {
        p: re.fullmatch(r"(?:model|iter|epoch)_(\d+)\.pth", p.name) for p in last.parent.iterdir()
    }
    numbers = {path: int(match[1]) for path, match in numbered.items() if match}
    whole = [p for p in sorted(numbers, key=numbers.__getitem__) if not is_cut_archive(p)]
    if whole:
        write_whole(last, str(whole[-1] if in_full else whole[-1].name).encode())


@contextlib.contextmanager
def naming_disk_faults(folder: str | os.PathLike[str], hint: str) -> Iterator[None]:
    """Where a framework cannot write a file or finds none, say so in one sentence.

    Args:
        folder: that is written to.
        hint: what to do about a full disk.

    Raises:
        InputError: the disk of ``folder`` is full, or cannot be written to; a file that was there
            when it began is gone.
    """
    try:
        yield
    except FileNotFoundError as error:
        # a loader's worker hands over the text alone
        if gone := re.findall(r"No such file or directory: '(.+)'", str(error)):
            raise InputError(f"{gone[-1]} is gone: restore it and go on") from error
        raise
    except Exception as error:
        cause: BaseException | None = error  # torch.save hides what the file said
        while cause and not (isinstance(cause, OSError) and cause.errno in FAULTS):
            cause = cause.__cause__ or cause.__context__
        if not isinstance(cause, OSError):
            raise
        where = cause.filename or folder
        raise InputError(f"{where} cannot be written ({cause.strerror}): {hint}") from error
