"""Everything that Numba compiles; :mod:`~typeahead.encoders.compiled.importing` is the only entrance."""
