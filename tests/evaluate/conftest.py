"""What the tests of evaluation share: nothing of theirs needs a network."""

from __future__ import annotations

import os

# Read by huggingface_hub when it is imported, which some library does.
os.environ["HF_HUB_OFFLINE"] = "1"

from tests.training.conftest import teacher_folder as teacher_folder
