"""Sums and seals: how a folder shows that its files are the ones that were written."""
