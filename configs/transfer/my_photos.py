# python tools/train.py configs/transfer/my_photos.py
#
# Fine-tune TResNet-M on your photos, a folder a class: data/my_photos/{train,val}/<class>/*.jpg
_base_ = [
    "../_base_/models/tresnet_cls.py",
    "../_base_/datasets/photo_folders.py",
    "../_base_/schedules/transfer_50e_adamw.py",
    "../_base_/runtime.py",
]
_photos = dict(data_root="data/my_photos")
_weights = dict(type="Pretrained", checkpoint="timm/tresnet_m.miil_in21k_ft_in1k")  # or a path

model = dict(backbone=dict(arch="tresnet_m", init_cfg=_weights))
train_dataloader = dict(batch_size=32, dataset=_photos)  # at least so many photos are needed
val_dataloader = dict(dataset=_photos)
test_dataloader = val_dataloader

# not measured.
