"""The calculator: exact decimal arithmetic over a line-based protocol.

What needs Trio is loaded when it is first used: `trionet calc eval` needs none, and starts in two
thirds of the time.
"""

from trionet._lazy import attach

__getattr__, __dir__ = attach(__name__)
