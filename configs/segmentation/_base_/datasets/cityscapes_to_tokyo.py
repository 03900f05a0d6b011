# Cityscapes with labels, the 3200 unlabelled images of Tokyo beside it; scored on 100 others.
_base_ = "./cityscapes_to_rio.py"
train_dataloader = dict(dataset=dict(target=dict(city="Tokyo")))
test_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type="CrossCityDataset",
                data_root="data/cross_city",
                city="Tokyo",
                metainfo=dict(classes=_base_.cross_city_classes),
            )
        ]
    )
)
test_evaluator = [dict(type="DomainIoUMetric", domain="Tokyo")]
