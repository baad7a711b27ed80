"""``python -m training.light``, the old name of ``python -m training.light.train``; it goes with version 0.3.0."""

from __future__ import annotations

import warnings

from training.light.train import main

warnings.warn("training.light has moved to training.light.train", DeprecationWarning, stacklevel=1)
main()
