"""Many peers: one ordered log, out to every member."""
