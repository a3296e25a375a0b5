"""Fan-out: one ordered log of events, delivered to many peers."""
