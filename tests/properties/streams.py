"""Streams of wishes: four small numbers say what a strategy asks for, and on which bar."""

from math import isnan
from typing import ClassVar

from hypothesis import strategies as st

import evenkeel as ek

NUMBERS = st.integers(0, 99)
STEPS = st.tuples(st.integers(0, 29), NUMBERS, NUMBERS, NUMBERS)  # bar, verb, size, price
STREAMS = st.lists(STEPS, min_size=4, max_size=30)
PLAIN, EVERYTHING = 4, 10
"""How many of the verbs below a stream uses: market, limit and cancel alone, or all of them."""


class Wishes(ek.PortfolioStrategy):
    """Asks for what its stream says, whatever its orders and positions are by then."""

    stream: ClassVar[list[tuple[int, int, int, int]]] = []
    verbs = EVERYTHING

    def on_start(self):
        self.bar = -1
        self.asked: list[int | None] = []

    def on_bar(self):
        self.bar += 1
        for at, verb, size, price in type(self).stream:
            if at == self.bar:
                self.ask(verb, size, price)

    def ask(self, verb, size, price):
        name = self.universe[size % len(self.universe)]
        last = self.bars[name].close[0]
        if isnan(last):  # nothing is known of this instrument yet
            return
        quantity = 5 * (1 + size // 5)
        at = round(last * (0.92 + 0.16 * price / 99), 2)
        trade = self.buy if verb % 20 < 10 else self.sell
        match verb % type(self).verbs:
            case 0 | 1:
                self.asked.append(trade(name, quantity))
            case 2:
                self.asked.append(trade(name, quantity, limit=at))
            case 3 if self.asked:
                self.cancel(self.asked[price % len(self.asked)])
            case 4:
                self.asked.append(trade(name, quantity, stop=at))
            case 5:
                side, sign = ("buy", 1) if trade == self.buy else ("sell", -1)
                stop, target = last * (1 - sign * 0.03), last * (1 + sign * 0.03)
                entry = {} if price % 2 else {"limit": at}
                self.asked += self.bracket(
                    name,
                    quantity,
                    side=side,
                    stop_loss=round(stop, 2),
                    take_profit=round(target, 2),
                    **entry,
                )
            case 6 if numbers := [number for number in self.asked[-4:] if number]:
                number = numbers[price % len(numbers)]
                self.asked.append(self.replace(name, number, quantity=quantity))
            case 7:
                self.asked.append(trade(name, quantity, trail=round(0.01 * (1 + price), 2)))
            case 8:
                self.asked.append(self.target_quantity(name, quantity - 50))
            case 9:
                self.asked.append(self.close(name))


def wishes(stream, verbs=EVERYTHING):
    """A strategy class with a stream of its own."""
    return type("Wishes", (Wishes,), {"stream": stream, "verbs": verbs})
