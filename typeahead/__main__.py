"""``python -m typeahead`` is the ``typeahead`` command."""

import sys

from typeahead.cli import main

sys.exit(main())
