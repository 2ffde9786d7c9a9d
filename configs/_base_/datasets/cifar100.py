# CIFAR-100 in its published files (python tools/prepare.py cifar100), as CIFAR-10.
_base_ = "./cifar10.py"
train_dataloader = dict(dataset=dict(type="CIFAR100", data_root="data/cifar100"))
val_dataloader = dict(dataset=dict(type="CIFAR100", data_root="data/cifar100"))
test_dataloader = val_dataloader
