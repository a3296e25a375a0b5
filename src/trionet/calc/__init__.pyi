"""The public names of `trionet.calc` and their homes; `trionet._lazy` reads them."""

from trionet.calc.bounds import BOUNDS as BOUNDS
from trionet.calc.bounds import DEFAULT_PRECISION as DEFAULT_PRECISION
from trionet.calc.bounds import MAX_PRECISION as MAX_PRECISION
from trionet.calc.bounds import Bounds as Bounds
from trionet.calc.client import Client as Client
from trionet.calc.conversation import converse as converse
from trionet.calc.errors import CalculationError as CalculationError
from trionet.calc.errors import LimitExceeded as LimitExceeded
from trionet.calc.errors import MalformedExpression as MalformedExpression
from trionet.calc.evaluation import Arithmetic as Arithmetic
from trionet.calc.expression import Expression as Expression
from trionet.calc.grammar import parse as parse
from trionet.calc.grammar import parsing as parsing
from trionet.calc.limits import ONE_AT_A_TIME as ONE_AT_A_TIME
from trionet.calc.number import format_number as format_number
from trionet.calc.pipeline import NotServed as NotServed
from trionet.calc.server import serve as serve
from trionet.calc.session import SESSION_ENDED as SESSION_ENDED
from trionet.calc.session import Reply as Reply
from trionet.calc.session import Session as Session
from trionet.calc.session import UnfitName as UnfitName
from trionet.calc.session import check_name as check_name
from trionet.calc.session import is_quit as is_quit
from trionet.calc.work import Work as Work
from trionet.calc.work import finish as finish
