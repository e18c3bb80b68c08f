"""Play one program at a venue: the reference, or the simulated broker in its two gaits."""

from decimal import Context, localcontext

from tests.reference.programs import Program
from tests.reference.venue import Reference

from evenkeel.domain.order import Order
from evenkeel.domain.tape import NEVER, Tape
from evenkeel.domain.verdict import Approved
from evenkeel.execution.costs import Zero
from evenkeel.execution.simulated import SimulatedBroker
from evenkeel.execution.slippage import BasisPointsSlippage, NoSlippage


def by_reference(wanted: Program) -> list[object]:
    """What the slow venue says."""
    venue = Reference(
        wanted.markets,
        share=wanted.share,
        through=wanted.through,
        slip_bps=Context().create_decimal(wanted.slip_bps),
    )
    said = []
    with localcontext(Context(prec=60)):
        for moment in wanted.moments:
            venue.now = moment
            todo = wanted.acts.get(moment, ())
            for act in todo:
                if not isinstance(act, Order | int):
                    venue.action(act)
            said += venue.listen()
            for act in todo:
                if isinstance(act, Order):
                    venue.submit(act)
                elif isinstance(act, int):
                    venue.cancel(act)
                said += venue.listen()
    return said


def by_broker(wanted: Program, *, jump: bool) -> list[object]:
    """What the simulated broker says, asked at every bar, or only where it says it has something."""
    broker = SimulatedBroker(
        Tape(wanted.bars()),
        costs=Zero(),
        slippage=BasisPointsSlippage(wanted.slip_bps) if wanted.slip_bps else NoSlippage(),
        volume_share=wanted.share,
        touch="through" if wanted.through else "at",
    )
    moments, said, now = wanted.moments, [], -1
    while True:
        acts = min((at for at in wanted.acts if at > now), default=NEVER)
        following = min((at for at in moments if at > now), default=NEVER)
        now = min(acts, broker.next_event_at()) if jump else following
        if now > moments[-1]:
            return said
        broker.tape.advance(now)
        todo = wanted.acts.get(now, ())
        for act in todo:
            if not isinstance(act, Order | int):
                broker.corporate_action(act)
        said += broker.events()
        for act in todo:
            if isinstance(act, Order):
                broker.submit(Approved(act, now, act.quantity))
            elif isinstance(act, int):
                broker.cancel(act)
            said += broker.events()
