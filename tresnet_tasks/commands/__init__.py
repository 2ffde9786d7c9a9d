"""The commands, one file each.

Behind ``tresnet-tasks NAME``, ``python -m tresnet_tasks NAME`` and ``tools/NAME.py`` is the same
code.

A command is a module with

* a docstring, whose first line is its help,
* ``add_arguments(parser: argparse.ArgumentParser) -> None``,
* ``run(args: argparse.Namespace) -> int``, the exit status.

It imports torch, mmengine and our other rooms inside ``run``, so that ``--help`` answers at once. A
new file in this folder is a new command; ``main.py`` finds it. A name that begins with an
underscore is not a command.
"""
