"""The public names of `trionet.chat` and their homes; `trionet._lazy` reads them."""

from trionet.chat import client_events as client_events
from trionet.chat import json_lines as json_lines
from trionet.chat import plain as plain
from trionet.chat.answers import Event as Event
from trionet.chat.client import PasswordWanted as PasswordWanted
from trionet.chat.client import converse as converse
from trionet.chat.client import log_in as log_in
from trionet.chat.client_connection import RequestRefused as RequestRefused
from trionet.chat.fan_out import FanOut as FanOut
from trionet.chat.history.faults import HistoryError as HistoryError
from trionet.chat.limits import OPEN_ROOM as OPEN_ROOM
from trionet.chat.names import MAX_NAME as MAX_NAME
from trionet.chat.names import Name as Name
from trionet.chat.names import NameRefused as NameRefused
from trionet.chat.names import NameTaken as NameTaken
from trionet.chat.names import parse_name as parse_name
from trionet.chat.program_client import Client as Client
from trionet.chat.requests import Misunderstood as Misunderstood
from trionet.chat.requests import Request as Request
from trionet.chat.server import serve as serve
from trionet.chat.session import Session as Session
from trionet.chat.state import State as State
from trionet.chat.switchboard import Switchboard as Switchboard
from trionet.chat.wire_format import WireFormat as WireFormat
