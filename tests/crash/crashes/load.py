"""The load: pairs of persons who write to each other, all habits with all; and a room, for those
pairs whose habits are the same."""
import asyncio
import itertools
from collections import Counter

from crashes.book import Book
from crashes.person import HABITS, PASSWORD, Person
from crashes.room import Talker, make_room
from crashes.stream import Stream

RATE = 12             # messages a second of each person
SETTLE_SECONDS = 60
LOOK_AGAIN = 0.05
GRACE_SECONDS = 2     # for what is under way to a client


class Stuck(Exception):
    """The clients do not come to rest."""


class Load:
    def __init__(self, port, seed, rate=RATE, room=False):
        self.port, self.seed, self.rate, self.room = port, seed, rate, room
        self.book = Book()
        self.counts = Counter()
        self.quiet = False    # no new messages, nobody leaves
        self.problems = []    # what went wrong in a task
        self.tasks = []
        self.persons = []
        for n, habits in enumerate(itertools.combinations_with_replacement(HABITS, 2)):
            names = f'a{n}', f'b{n}'
            kind = Talker if room and habits[0] is habits[1] else Person
            self.persons += [kind(names[0], habits[0], names[1], habits[1], self),
                             kind(names[1], habits[1], names[0], habits[0], self)]

    def spawn(self, coroutine):
        """A task whose failure is not lost."""
        task = asyncio.create_task(coroutine)
        task.add_done_callback(self.on_done)
        return task

    def on_done(self, task):
        if not task.cancelled() and task.exception():
            self.problems.append(task.exception())

    async def register(self):
        async def one(person):
            stream = await Stream.connect(self.port)
            await stream.register(person.name, PASSWORD)
            await stream.close()
        await asyncio.gather(*map(one, self.persons))
        if self.room:
            await make_room(self.port)

    def begin(self):
        self.tasks = [self.spawn(person.live()) for person in self.persons]

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for person in self.persons:
            person.end_session()

    async def settle(self, server):
        """Until all are online, with all that they sent acknowledged."""
        self.quiet = True
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while not all(person.settled for person in self.persons):
                    self.check()
                    server.check_running()
                    await asyncio.sleep(LOOK_AGAIN)
        except TimeoutError:
            raise Stuck(', '.join(person.describe() for person in self.persons
                                  if not person.settled)) from None

    def check(self):
        if self.problems:
            raise self.problems[0]

    async def read_archives(self):
        """Of all, one after the other in four rows; and the room's."""
        waiting = iter(self.persons)

        async def some():
            for person in waiting:
                await person.read_archive()
        await asyncio.gather(*(some() for _ in range(4)))
        if self.room:
            await next(p for p in self.persons if isinstance(p, Talker)).read_room()
        self.check()
