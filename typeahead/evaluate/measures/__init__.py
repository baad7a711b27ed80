"""The measurements: quality, quality while typing, latency and throughput."""
