"""Marks of tests that need compiled steps."""

from __future__ import annotations

import pytest

from typeahead.encoders.compiled.importing import VARIABLE, compiling
from typeahead.encoders.compiled.vnni import supported

needs_compiled_steps = pytest.mark.skipif(
    not (supported() and compiling()),
    reason="this processor has no AVX-512 VNNI" if compiling() else f"{VARIABLE}=0 switches the compiled steps off",
)
