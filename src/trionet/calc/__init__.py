"""The calculator: exact decimal arithmetic in lines.

Where things are, in the order in which a line passes:

- `server` puts sessions behind connections; `time_slice` divides its time among the clients.
- `session` knows the conversation: the name, the expressions, `q`.
- `fast_path` is the short way for the most common lines: two plain numbers and an operator.
- `tokens` and `grammar` turn any other line into an `expression`, and `hints` says what a malformed
  line may mean.
- `evaluation` computes its result with the functions in `operations`; `number` reads and writes
  numbers. `bounds` has the limits, and `work` lets a long calculation be interrupted.
- `client`, for Python programs, and `conversation`, for user interfaces, are the other end. Both
  are built on `pipeline`.

Only some of these need Trio. Names are loaded when they are first used, so `trionet calc eval`,
which needs none of it, starts in two thirds of the time.
"""

from trionet._lazy import attach

__getattr__, __dir__ = attach(__name__)
