# The paper's schedule (arXiv 2003.13630, section 3.1): SGD with momentum 0.9, weight decay 1e-4, one-cycle, 300 epochs.
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper",
    # The paper gives neither batch size nor peak rate; 0.4 at 1024 images a step is the public command's 0.6 at 1520.
    optimizer=dict(type="SGD", lr=0.4, momentum=0.9, weight_decay=1e-4, nesterov=True),
    # No decay on biases and on batch norm's weights: all parameters of one dimension.
    paramwise_cfg=dict(flat_decay_mult=0.0),
)
param_scheduler = dict(
    type="OneCycleLR",
    eta_max=0.4,
    pct_start=0.3,
    by_epoch=True,
    convert_to_iter_based=True,
)
