# python tools/train.py configs/multilabel/my_csv.py
#
# Your own photos: a table `path,cat,dog,...` with 1, 0 or -1 (unknown) in each cell; or, with label_column="labels" in
# both data sets, `path,labels` with `cat|dog`.
_base_ = [
    "../_base_/models/tresnet_multilabel.py",
    "../_base_/datasets/csv_multilabel.py",
    "../_base_/schedules/asl_40_of_80e_onecycle.py",
    "../_base_/multilabel_runtime.py",
]
_root = "data/mine"

train_dataloader = dict(dataset=dict(data_root=_root, ann_file="train.csv"))
val_dataloader = dict(dataset=dict(data_root=_root, ann_file="val.csv"))
test_dataloader = val_dataloader
# Rare classes more often:  train_dataloader.sampler = dict(type="RepeatFactorSampler", threshold=0.05)
# Rare classes more heavily:  model.head.loss.class_weight = "sqrt"
load_from = "timm/tresnet_m.miil_in21k"

# not measured.
