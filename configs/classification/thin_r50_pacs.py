_base_ = [
    "./_base_/models/thin_r50.py",
    "./_base_/datasets/pacs.py",
    "./_base_/schedules/schedule_200.py",
]
