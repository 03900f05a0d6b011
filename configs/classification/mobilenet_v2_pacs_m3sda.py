# The domain that is held out is there in training too, without its classes.
_base_ = "./mobilenet_v2_pacs.py"
model = dict(type="M3SDAImageClassifier")
train_dataloader = dict(batch_size=64, dataset=dict(adapt=True))  # 16 of each domain
model_wrapper_cfg = dict(type="StepsDistributedDataParallel", find_unused_parameters=True)
