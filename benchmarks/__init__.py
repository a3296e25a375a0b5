"""trionet's servers measured beside their peers and beside the limit: see `__main__`."""
