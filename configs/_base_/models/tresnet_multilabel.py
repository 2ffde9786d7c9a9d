# Several labels an image, by the asymmetric loss. Channels, classes and the head's task are filled in.
model = dict(
    type="Classifier",
    backbone=dict(type="TResNet"),  # tresnet_m unless arch says otherwise
    # The published settings (arXiv 2009.14119): the weight is detached, the sum is taken over all labels of the batch.
    head=dict(
        type="LinearHead",
        loss=dict(type="AsymmetricLoss", gamma_neg=4.0, gamma_pos=0.0, clip=0.05),
    ),
    data_preprocessor=dict(type="Preprocessor"),
)
