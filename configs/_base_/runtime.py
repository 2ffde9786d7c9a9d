# Everything that is the same in all runs.
default_scope = "tresnet_tasks"
default_hooks = dict(
    runtime_info=dict(type="RuntimeInfoHook"),
    timer=dict(type="IterTimerHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    step_seed=dict(type="StepSeedHook"),
    split_check=dict(type="SplitCheckHook", overlap="warn"),
    non_finite_loss=dict(type="NonFiniteLossHook", action="stop"),
    logger=dict(type="ProgressHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="SaveCheckpointHook", interval=1, max_keep=3, save_best="auto"),
    stop_signals=dict(type="StopSignalsHook"),
    report=dict(type="ReportHook"),
    unreadable_images=dict(type="UnreadableImagesHook"),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
visualizer = dict(
    type="Visualizer",
    vis_backends=[dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")],
)
log_level = "INFO"
load_from = None
resume = False
