"""Marks of tests that need compiled steps, or int8 products that are exact."""

from __future__ import annotations

import pytest

from typeahead.encoders.compiled.importing import VARIABLE, compiling
from typeahead.encoders.compiled.vnni import supported

#: Without VNNI, kernels add pairs of products in 16 bits, which saturate. Models then run in float32.
needs_exact_int8 = pytest.mark.skipif(not supported(), reason="int8 products saturate on this processor")

needs_compiled_steps = pytest.mark.skipif(
    not (supported() and compiling()),
    reason="this processor has no AVX-512 VNNI" if compiling() else f"{VARIABLE}=0 switches the compiled steps off",
)
