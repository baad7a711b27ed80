"""Documents on their way into an index: cut out of a body, read, checked, encoded, and committed within a scope."""
