# What an author of TResNet advised later for CIFAR-100 (the paper's own settings were not published): 50 epochs of
# AdamW, a warm-up of 3, then a cosine; averaged weights.
train_cfg = dict(by_epoch=True, max_epochs=50, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-4, weight_decay=1e-4),
    paramwise_cfg=dict(flat_decay_mult=0.0),  # no decay on biases and batch norm
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, begin=0, end=3, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", begin=3, convert_to_iter_based=True),
]
# A config with hooks of its own keeps this one by custom_hooks = [*_base_.custom_hooks, dict(...)].
custom_hooks = [dict(type="ModelEMAHook", decay=0.995)]
