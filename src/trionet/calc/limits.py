"""What the calculator's server sets `trionet.Limits` to.

Pure, so that ``--help`` shows it without Trio.
"""

from __future__ import annotations

from trionet.limits import Limits

# One connection is handled at a time: the rule of the exercise. So a silent client keeps the others
# waiting: half a minute for a name and five for an operation are enough for a person.
ONE_AT_A_TIME = Limits(max_clients=1, login_timeout=30, idle_timeout=300)
