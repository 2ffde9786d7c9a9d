# python tools/train.py configs/det/fcos_tresnet_m_voc_xml.py
#
# FCOS on your own boxes in Pascal VOC's xml: copy this file and edit it. The classes are the names in the xml.
# data/mine: JPEGImages/*.jpg, Annotations/*.xml, ImageSets/Main/{train,val}.txt (a name a line).
_base_ = "./fcos_tresnet_m_coco.py"
_data = dict(type="VocDetection", data_root="data/mine", data_prefix="JPEGImages")

train_dataloader = dict(batch_size=4, dataset=dict(ann_file="ImageSets/Main/train.txt", **_data))
val_dataloader = dict(batch_size=4, dataset=dict(ann_file="ImageSets/Main/val.txt", **_data))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=0.0025))  # 0.01 is for 16 images a step

# not measured.
