"""What the figures of the README come from, beside ``typeahead bench`` and ``typeahead evaluate``."""
