"""Sessions behind connections: their tasks, the clock, the console and the end of a drain."""
