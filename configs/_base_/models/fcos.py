# FCOS (arXiv 1904.01355) with the improvements of its second version: centre sampling, centerness on the box branch,
# normalised distances, GIoU. Maps at strides 8 to 128. Channels and the number of classes are filled in.
model = dict(
    type="FCOS",
    # TResNet takes RGB in [0, 1], and sizes that its strides divide.
    data_preprocessor=dict(
        type="DetDataPreprocessor", mean=[0.0] * 3, std=[255.0] * 3, pad_size_divisor=32
    ),
    backbone=dict(type="TResNet", out_indices=(1, 2, 3)),
    neck=dict(
        type="FPN",
        out_channels=256,
        add_extra_convs="on_output",
        relu_before_extra_convs=True,
        num_outs=5,
    ),
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
        # mmdet's, and a bias of one stride for the distances. With norm_on_bbox they are clamped at zero, where no
        # gradient comes back: around a bias of zero it is chance whether a side starts below, and then it never moves.
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
)
