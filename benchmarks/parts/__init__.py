"""The parts of a run, each of which measures one side of a server."""
