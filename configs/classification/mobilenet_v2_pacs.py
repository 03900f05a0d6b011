_base_ = [
    "./_base_/models/mobilenet_v2.py",
    "./_base_/datasets/pacs.py",
    "./_base_/schedules/schedule_200.py",
]
