"""All the people together."""
import asyncio
import itertools

from crashes.load import Load
from soaking.people import HABITS, VISIT_SECONDS, Device, Resident, Visitor

COPIES = 2    # pairs for each two habits


class Town(Load):
    """The load of tests/crash with other people. Half of them have a second device."""

    def __init__(self, ports, seed, rate):
        super().__init__(ports['c2s'], seed, rate)
        self.ports = ports
        self.turn = itertools.cycle((False, True))
        pairs = [habits for habits in itertools.combinations_with_replacement(HABITS, 2)
                 for _ in range(COPIES)]
        self.residents = []
        for n, habits in enumerate(pairs):
            names = f'a{n}', f'b{n}'
            self.residents += [Resident(names[0], habits[0], names[1], habits[1], self),
                               Resident(names[1], habits[1], names[0], habits[0], self)]
        self.devices = [Device(owner, self) for owner in self.residents[::2]]
        self.persons = self.residents

    def next_is_secure(self):
        return next(self.turn)

    def begin(self):
        self.persons = self.residents + self.devices
        super().begin()
        self.tasks.append(self.spawn(self.visits()))

    async def visits(self):
        for number in itertools.count():
            await asyncio.sleep(self.residents[0].random.uniform(*VISIT_SECONDS))
            if not self.quiet:
                await Visitor(number, self).visit()
