"""The public names of `trionet.chat` and their homes; `trionet._lazy` reads them."""

from trionet.chat import plain as plain
from trionet.chat.client import converse as converse
from trionet.chat.client import log_in as log_in
from trionet.chat.events import Event as Event
from trionet.chat.events import Misunderstood as Misunderstood
from trionet.chat.events import Request as Request
from trionet.chat.limits import OPEN_ROOM as OPEN_ROOM
from trionet.chat.names import MAX_NAME as MAX_NAME
from trionet.chat.names import Name as Name
from trionet.chat.names import NameRefused as NameRefused
from trionet.chat.names import NameTaken as NameTaken
from trionet.chat.names import parse_name as parse_name
from trionet.chat.room import Log as Log
from trionet.chat.room import Member as Member
from trionet.chat.room import Room as Room
from trionet.chat.server import serve as serve
from trionet.chat.session import Session as Session
from trionet.chat.wire_format import WireFormat as WireFormat
