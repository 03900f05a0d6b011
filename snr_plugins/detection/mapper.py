"""A dataset mapper that names the image that it cannot read: Pillow's errors do not."""

from __future__ import annotations

from pathlib import Path

from detectron2.data import DatasetMapper

from snr_plugins.data.images import UNREADABLE, check_decodes


class NamingMapper:
    """Detectron2's mapper of a dataset's records, one for each image.

    Args:
        mapper: whose results and errors of any other kind it hands on.
    """

    def __init__(self, mapper: DatasetMapper) -> None:
        self.mapper = mapper

    def __call__(self, record: dict) -> dict | None:
        """What the mapper makes of ``record``.

        Raises:
            InputError: its image is damaged, or larger than Pillow reads.
        """
        try:
            return self.mapper(record)
        except UNREADABLE:
            path = Path(record["file_name"])
            if path.is_file():
                check_decodes(path)
            raise
