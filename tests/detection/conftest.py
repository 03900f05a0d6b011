"""Detectron2's catalogues, as they were after each test."""

import pytest


@pytest.fixture
def own_catalogue(monkeypatch):
    """Whatever a test registers is gone after it."""
    data = pytest.importorskip("detectron2.data")
    for catalogue in (data.DatasetCatalog, data.MetadataCatalog):
        monkeypatch.setattr(catalogue, "data", dict(catalogue.data))


@pytest.fixture
def project_datasets(own_catalogue, monkeypatch, tmp_path):
    """The project's names, looked for in tmp_path."""
    from snr_plugins.detection.datasets import register_datasets

    register_datasets()
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
