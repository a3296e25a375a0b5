"""The chat room: names, a room, one order for all, over a line-based protocol."""

from trionet._lazy import attach

__getattr__, __dir__ = attach(__name__)
