"""Write the page about dimensions: `python -m critic_models.dimensions > docs/dimensions.md`."""

from __future__ import annotations

import sys

from critic_models.dimensions.page import page

if __name__ == "__main__":
    sys.stdout.write(page())
