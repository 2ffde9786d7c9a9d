# Stanford Cars in its published files (python tools/prepare.py cars): 8,144 photos to train on and 8,041 to test on, in
# the crops and the size of Flowers-102. There is none to choose by: report the last epoch.
_base_ = "./flowers102.py"
train_dataloader = dict(dataset=dict(type="StanfordCars", data_root="data/cars", split="train"))
val_dataloader = dict(dataset=dict(type="StanfordCars", data_root="data/cars"))
test_dataloader = val_dataloader
