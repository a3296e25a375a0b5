"""The load generator in C, and in Python where there is no compiler: see ``main.c``."""
