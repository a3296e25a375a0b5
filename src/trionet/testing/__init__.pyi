"""The public names of `trionet.testing` and their homes; `trionet._lazy` reads them."""

from trionet.testing.client import LineClient as LineClient
from trionet.testing.clock import clock_stands_still as clock_stands_still
from trionet.testing.links import DEFAULT_CAPACITY as DEFAULT_CAPACITY
from trionet.testing.links import Cut as Cut
from trionet.testing.links import Link as Link
from trionet.testing.links import cut_at as cut_at
from trionet.testing.links import cut_at_random as cut_at_random
from trionet.testing.links import cut_bytes as cut_bytes
from trionet.testing.links import cut_whole as cut_whole
from trionet.testing.network import MemoryListener as MemoryListener
from trionet.testing.network import MemoryNetwork as MemoryNetwork
from trionet.testing.running import Handler as Handler
from trionet.testing.running import RunningHandler as RunningHandler
from trionet.testing.running import run_handler as run_handler
from trionet.testing.running import start_handler as start_handler
from trionet.testing.scripted import ScriptedServer as ScriptedServer
from trionet.testing.streams import MemoryStream as MemoryStream
from trionet.testing.streams import SendingNowMemoryStream as SendingNowMemoryStream
from trionet.testing.streams import memory_stream_pair as memory_stream_pair
