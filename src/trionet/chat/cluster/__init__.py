"""One chat on several machines: the log is a Redis stream, and every node applies all of it.

- `entries` says what stands in the stream, and `lives` which entries count.
- `replica` is the state around the chat's state: the same on every node at the same position.
- `outgoing` is what a node still has to write.
- `link` is a connection to Redis, and `redis_log` the tasks that write and read.
- `options` says where Redis is, and `report` what a stranger sees of a chat there.
"""
