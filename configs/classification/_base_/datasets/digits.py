# tools/make_digits.py: four styles to learn from, one that is held out to test on
_base_ = "./pacs.py"
held_out = "coloured"
dataset = dict(type="LeaveOneOutDataset", data_root="data/digits", held_out=held_out)
pack = dict(type="PackInputs", meta_keys=("img_path", "domain"))
pipeline = [dict(type="LoadImageFromFile"), pack]
train_dataloader = dict(
    batch_size=40,  # 10 of each source
    dataset=dict(_delete_=True, pipeline=pipeline, **dataset),
)
val_dataloader = dict(dataset=dict(_delete_=True, pipeline=pipeline, test_mode=True, **dataset))
test_dataloader = val_dataloader
