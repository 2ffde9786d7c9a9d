# Runs with several labels an image: how often each class occurs is told first, thresholds are found at each validation.
_base_ = "./runtime.py"
default_hooks = dict(
    class_counts=dict(type="ClassCountsHook"),
    thresholds=dict(type="ThresholdHook"),
)
