# torchrun --nproc-per-node 8 tools/train.py configs/multilabel/tresnet_m_open_images.py --launcher pytorch --amp fp16
# one GPU, or none: python tools/train.py configs/multilabel/tresnet_m_open_images.py
#
# Open Images, 9,605 classes of which few are known for an image: unknown labels count as negatives, but for those that
# the model scores highest (selective, arXiv 2110.10955), and are focused more than known ones.
_base_ = [
    "../_base_/models/tresnet_multilabel.py",
    "../_base_/datasets/open_images_multilabel.py",
    "../_base_/schedules/asl_40_of_80e_onecycle.py",
    "../_base_/multilabel_runtime.py",
]

model = dict(
    backbone=dict(arch="tresnet_m"),
    head=dict(
        loss=dict(
            _delete_=True,
            type="PartialLabelLoss",
            mode="selective",
            likelihood_topk=5,
            loss=dict(type="AsymmetricLoss", gamma_neg=2.0, gamma_pos=0.0, clip=0.05),
            unknown_loss=dict(type="AsymmetricLoss", gamma_neg=7.0, gamma_pos=0.0, clip=0.05),
        )
    ),
)
load_from = "timm/tresnet_m.miil_in21k"

# published: none for these settings. The classes' priors of the paper are left out (PartialLabelLoss(prior=...)).
# ours: not measured.
