"""Metrics, traces, logs and what the dashboard shows."""
