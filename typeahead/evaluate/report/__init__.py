"""Tables, curves and pages of what was measured."""
