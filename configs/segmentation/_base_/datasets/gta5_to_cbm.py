# GTA5 to learn from; Cityscapes, BDD100K and Mapillary Vistas, none of them seen in training, to
# test on, all in one run. Folders: data/gta5, data/cityscapes, data/bdd100k, data/mapillary (see
# docs/datasets.md). Mapillary's labels are mapped as RobustNet does; mapping="rein" is the other
# way, and the two do not compare.
_base_ = "./gta5.py"
test_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type="CityscapesLayoutDataset",
                data_root="data/cityscapes",
                condition="clear",
                domain="cityscapes",
            ),
            dict(type="BDD100KSegDataset", data_root="data/bdd100k", domain="bdd100k"),
            dict(
                type="MapillaryVistasDataset",
                data_root="data/mapillary",
                mapping="robustnet",
                domain="mapillary",
            ),
        ]
    )
)
test_evaluator = [
    dict(type="DomainIoUMetric", domain="cityscapes"),
    dict(type="DomainIoUMetric", domain="bdd100k"),
    dict(type="DomainIoUMetric", domain="mapillary"),
]
