"""One chat on several machines: the log is a Redis stream, and every node applies all of it.

- `entries` says what stands in the stream, and `node_lives` which entries count.
- `replica` is the state around the chat's state: the same on every node at the same position.
- `outgoing` is what a node still has to write.
- `link` is a connection to Redis, and `loading` and `starting` use the first one. `writer` and
  `reader` are the tasks that use one each. They share `node_standing`, tell events by
  `untold_events` and leave the snapshots to `upkeep`. `redis_log` is made of them.
- `agreement` is what the nodes do when Redis may have lost something.
- `options` says where Redis is, and `report` what a stranger sees of a chat there.
"""
