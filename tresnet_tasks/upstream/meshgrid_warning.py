"""mmdet 3.3 (the newest) calls ``torch.meshgrid`` without ``indexing``, of which torch (to 2.15) warns in each run.

Nobody who trains can do anything about it. Can go when mmdet names the order that it wants.
"""

from __future__ import annotations

import warnings


def silence() -> None:
    """Keep that warning, and no other, off the screen."""
    warnings.filterwarnings(
        "ignore", message="torch.meshgrid: in an upcoming release", category=UserWarning
    )
