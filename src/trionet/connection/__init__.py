"""One peer: lines in, bytes out, deadlines, and the close that loses nothing."""
