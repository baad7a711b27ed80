"""A collection's vectors: encoded once, kept in shards, searched exactly."""
