"""The public names of `trionet.chat` and their homes; `trionet._lazy` reads them."""

from trionet.chat.client.client import Client as Client
from trionet.chat.client.connection import RequestRefused as RequestRefused
from trionet.chat.client.plain_client import PasswordWanted as PasswordWanted
from trionet.chat.client.plain_client import converse as converse
from trionet.chat.client.plain_client import log_in as log_in
from trionet.chat.cluster.options import RedisError as RedisError
from trionet.chat.cluster.options import RedisOptions as RedisOptions
from trionet.chat.formats import json_lines as json_lines
from trionet.chat.formats import plain as plain
from trionet.chat.formats.answers import Event as Event
from trionet.chat.formats.requests import Misunderstood as Misunderstood
from trionet.chat.formats.requests import Request as Request
from trionet.chat.formats.wire_format import WireFormat as WireFormat
from trionet.chat.history.faults import HistoryError as HistoryError
from trionet.chat.limits import OPEN_ROOM as OPEN_ROOM
from trionet.chat.names.names import MAX_NAME as MAX_NAME
from trionet.chat.names.names import Name as Name
from trionet.chat.names.names import NameRefused as NameRefused
from trionet.chat.names.names import NameTaken as NameTaken
from trionet.chat.names.names import parse_name as parse_name
from trionet.chat.server import serve as serve
from trionet.chat.session.hub_protocol import FanOut as FanOut
from trionet.chat.session.session import Session as Session
from trionet.chat.session.switchboard import Switchboard as Switchboard
from trionet.chat.state.state import State as State
