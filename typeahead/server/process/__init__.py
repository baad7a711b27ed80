"""The process: sockets, signals, workers, and who may connect."""
