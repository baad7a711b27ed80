"""How the encoders in ``models/`` are trained: teachers, students, losses, recipes, export.

Needs PyTorch (``pip install -e ".[training]"`` in the checkout). Imports :mod:`typeahead` for what training and serving
must agree on (tokenization, model folders); the runtime package never imports this one.
"""

from training.moved import MOVED
from typeahead.moved import redirect
from typeahead.telemetry import silence_libraries

silence_libraries()
redirect(MOVED)
