"""The chat room: names, a room, one order for all, over a line-based protocol."""

from trionet.chat.client import converse, log_in
from trionet.chat.names import MAX_NAME, Name, NameRefused, NameTaken, parse_name
from trionet.chat.room import Log, Member, Room
from trionet.chat.server import OPEN_ROOM, serve
from trionet.chat.session import Session, WireFormat

__all__ = [
    "MAX_NAME",
    "OPEN_ROOM",
    "Log",
    "Member",
    "Name",
    "NameRefused",
    "NameTaken",
    "Room",
    "Session",
    "WireFormat",
    "converse",
    "log_in",
    "parse_name",
    "serve",
]
