# python tools/train.py configs/det/fcos_tresnet_m_asl_coco.py
#
# fcos_tresnet_m_coco.py with the asymmetric loss in place of focal loss, the detection experiment of arXiv 2009.14119.
# The paper's gammas and clip for detection are unknown: these are ours, with focal loss's focusing of negatives.
_base_ = "./fcos_tresnet_m_coco.py"

model = dict(
    bbox_head=dict(
        loss_cls=dict(
            _delete_=True,
            type="AsymmetricDenseLoss",
            use_sigmoid=True,
            gamma_neg=2.0,
            gamma_pos=1.0,
            clip=0.0,
        )
    )
)

# published: 44.4 box AP, 0.4 more than with focal loss.
# ours: not measured.
