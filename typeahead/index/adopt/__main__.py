"""The process in which FAISS may die: see :mod:`typeahead.index.adopt.inspection`."""

from typeahead.index.adopt.inspection import main

main()
