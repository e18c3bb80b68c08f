"""Wrong on purpose: mypy must object to each line that says `# error:`, and to no other.

`tests/test_tidy.py` runs it.
"""

from evenkeel.domain.order import Order
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.execution.broker import Broker


def send(broker: Broker, order: Order, approved: Approved, refused: Refused) -> None:
    broker.submit(approved)
    broker.submit(order)  # error: arg-type
    broker.submit(refused)  # error: arg-type
    broker.submit((order, True))  # error: arg-type
