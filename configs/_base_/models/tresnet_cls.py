# A single-label classifier. Channels and the number of classes are filled in from backbone and data.
model = dict(
    type="Classifier",
    backbone=dict(type="TResNet"),  # tresnet_m unless arch says otherwise
    head=dict(type="LinearHead", loss=dict(type="SoftCrossEntropy", label_smoothing=0.1)),
    data_preprocessor=dict(type="Preprocessor"),
)
