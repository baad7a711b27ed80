"""The process in which FAISS may crash: see :mod:`typeahead.index.adopt.inspection`."""

import sys

from typeahead.index.adopt.inspection import run

run(sys.argv[1])
