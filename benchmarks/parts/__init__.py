"""The parts that can be run one by one: each measures one side of a server."""
