"""Measure trionet's servers against their peers and against the limit: see `__main__`."""
