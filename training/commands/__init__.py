"""Commands that run several stages or prepare data."""
