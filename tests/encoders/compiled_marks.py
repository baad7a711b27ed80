"""Marks of tests that need compiled steps."""

from __future__ import annotations

import pytest

from typeahead.encoders.compiling import VARIABLE, compiling
from typeahead.encoders.vnni import supported

needs_compiled_steps = pytest.mark.skipif(
    not (supported() and compiling()),
    reason="this processor has no AVX-512 VNNI" if compiling() else f"{VARIABLE}=0 switches the compiled steps off",
)
