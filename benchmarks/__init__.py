"""What trionet's servers do, measured beside their peers and beside the limit: see `__main__`."""
