"""What was said before: every event of every room, in memory or in a SQLite file.

One consumer of events behind one small protocol, `history.History`. `memory.MemoryHistory` keeps
the newest in a ring; `file_history.FileHistory` keeps all in a file as well.
"""
