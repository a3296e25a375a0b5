"""A server as a whole program: signals, outputs, file descriptors, and `trionet.run`."""
