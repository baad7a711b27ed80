"""Checksums and seals: how a folder proves that its files are unchanged."""
