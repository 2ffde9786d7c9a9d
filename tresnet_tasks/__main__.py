"""``python -m tresnet_tasks NAME ...`` is the same as ``tresnet-tasks NAME ...``."""

from __future__ import annotations

from .commands.main import main

if __name__ == "__main__":
    raise SystemExit(main())
