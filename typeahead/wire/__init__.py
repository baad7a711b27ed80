"""What clients and the server say to each other, and who may say it. No I/O."""
