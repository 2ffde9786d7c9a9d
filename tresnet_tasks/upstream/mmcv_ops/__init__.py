"""mmcv's operators without its compiled extension.

Why: each file of ``mmcv.ops`` loads the compiled module ``mmcv._ext``, which ``mmcv-lite`` lacks, so
    that ``import mmdet.models`` fails; and compiled ``mmcv`` no longer builds against a current torch
    (C++17 against C++20, ``pkg_resources``).
Needed: with mmcv-lite 2.1 and mmdet 3.3.
Can go: when a pure-Python mmcv or mmdet exists.

``finder`` serves ``mmcv._ext`` where no compiled one is installed (a compiled one always wins);
``extension`` is what it serves. All operators that mmdet asks for are torchvision's, or plain torch
that is the same code on every device; ``refused`` names the rest. Their names and arguments are those
with which mmcv 2.1's Python files call them: most write into tensors which the caller has made.
Nothing is imported here: ``import tresnet_tasks`` installs the finder and must stay light.
"""
