"""All Numba-compiled code. Other packages import it only through :mod:`~typeahead.encoders.compiled.importing`."""
