"""The demo's index: the documentation of the running Python."""
