_base_ = "./mobilenet_v2_pacs_snr.py"
model = dict(type="SNRM3SDAImageClassifier")
train_dataloader = dict(batch_size=64, dataset=dict(adapt=True))  # 16 of each domain
model_wrapper_cfg = dict(type="StepsDistributedDataParallel", find_unused_parameters=True)
