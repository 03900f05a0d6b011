# GTA5 to learn from; ACDC's fog, night, rain and snow to test on, each scored apart, beside
# Cityscapes' clear images. Folders: data/gta5, data/cityscapes, data/acdc (see docs/datasets.md).
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
            dict(type="ACDCDataset", data_root="data/acdc", condition="fog", domain="acdc_fog"),
            dict(type="ACDCDataset", data_root="data/acdc", condition="night", domain="acdc_night"),
            dict(type="ACDCDataset", data_root="data/acdc", condition="rain", domain="acdc_rain"),
            dict(type="ACDCDataset", data_root="data/acdc", condition="snow", domain="acdc_snow"),
        ]
    )
)
test_evaluator = [
    dict(type="DomainIoUMetric", domain="cityscapes"),
    dict(type="DomainIoUMetric", domain="acdc_fog"),
    dict(type="DomainIoUMetric", domain="acdc_night"),
    dict(type="DomainIoUMetric", domain="acdc_rain"),
    dict(type="DomainIoUMetric", domain="acdc_snow"),
]
