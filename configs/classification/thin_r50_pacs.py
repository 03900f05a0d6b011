_base_ = [
    "./_base_/models/thin_r50.py",
    "./_base_/datasets/pacs.py",
    "./_base_/schedules/schedule_200.py",
]
train_dataloader = dict(batch_size=24)  # 8 of each source: this network takes twice the time
