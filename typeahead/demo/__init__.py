"""The demo's index: the documentation of the Python that runs it."""
