# One backbone and one pyramid, three heads: cls, tags and boxes (FCOS as in fcos.py). Channels, classes and the heads'
# tasks are filled in from backbone and data.
model = dict(
    type="MultiTaskModel",
    data_preprocessor=dict(type="MultiTaskPreprocessor"),
    backbone=dict(type="TResNet", out_indices=(1, 2, 3)),  # tresnet_m unless arch says otherwise
    neck=dict(
        type="FPN",
        out_channels=256,
        add_extra_convs="on_output",
        relu_before_extra_convs=True,
        num_outs=5,
    ),
    heads=dict(
        cls=dict(type="LinearHead", loss=dict(type="SoftCrossEntropy", label_smoothing=0.1)),
        tags=dict(type="LinearHead", loss=dict(type="AsymmetricLoss")),
        boxes=dict(
            type="DetectorHead",
            detector=dict(
                type="FCOS",
                bbox_head=dict(
                    type="FCOSHead",
                    stacked_convs=4,
                    feat_channels=256,
                    strides=[8, 16, 32, 64, 128],
                    center_sampling=True,
                    centerness_on_reg=True,
                    norm_on_bbox=True,
                    conv_bias=True,
                    loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25),
                    loss_bbox=dict(type="GIoULoss"),
                    loss_centerness=dict(type="CrossEntropyLoss", use_sigmoid=True),
                    # a bias of one stride for the distances, as in fcos.py
                    init_cfg=dict(
                        type="Normal",
                        layer="Conv2d",
                        std=0.01,
                        override=[
                            dict(type="Normal", name="conv_cls", std=0.01, bias_prob=0.01),
                            dict(type="Normal", name="conv_reg", std=0.01, bias=1.0),
                        ],
                    ),
                ),
                test_cfg=dict(
                    nms_pre=1000,
                    score_thr=0.05,
                    nms=dict(type="nms", iou_threshold=0.6),
                    max_per_img=100,
                ),
            ),
        ),
    ),
)
