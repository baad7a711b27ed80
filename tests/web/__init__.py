"""Tests of the search box in a real browser."""
