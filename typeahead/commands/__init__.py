"""One module for each command of the command line: its arguments, and what it calls."""
