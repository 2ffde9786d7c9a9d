# The authors' ASL recipe: Adam, 1e-4 at the peak of a one-cycle over 80 epochs that is left after 40, averaged weights.
# The batch is 128 images, over all GPUs. The paper (arXiv 2009.14119) says 2e-4.
train_cfg = dict(by_epoch=True, max_epochs=40, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="Adam", lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(flat_decay_mult=0.0),  # no decay on parameters of one dimension
)
param_scheduler = dict(
    type="OneCycleLR",
    eta_max=1e-4,
    total_steps=80,  # epochs; the last 40 are never run
    pct_start=0.2,
    by_epoch=True,
    convert_to_iter_based=True,
)
custom_hooks = [dict(type="ModelEMAHook", decay=0.9997)]
