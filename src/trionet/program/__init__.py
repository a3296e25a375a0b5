"""A server as a whole program: signals, the console, descriptors, and `trionet.run`."""
