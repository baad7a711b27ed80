"""Readers: documents out of every kind of file."""
