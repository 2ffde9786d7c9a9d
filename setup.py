"""Which packages an installation holds; everything else is in setup.cfg."""

from setuptools import find_packages, setup

# configs/ stands at the top of the checkout, where users edit it, and is installed as
# tresnet_tasks/configs, so that a config is found by name from a wheel too
# (tresnet_tasks/config_paths.py). Its files are data, in folders without __init__.py: one "package"
# and a recursive pattern carry them all.
setup(
    packages=[
        *find_packages(include=["tresnet_tasks", "tresnet_tasks.*"]),
        "tresnet_tasks.configs",
    ],
    package_dir={"tresnet_tasks.configs": "configs"},
    package_data={"": ["py.typed"], "tresnet_tasks.configs": ["**/*"]},
    exclude_package_data={"tresnet_tasks.configs": ["*.pyc"]},
)
