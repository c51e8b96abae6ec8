"""Rounds of load, crash, return and comparison."""
import asyncio
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from crashes.book import Verdict
from crashes.load import GRACE_SECONDS, Load, Stuck
from crashes.servers import NotRunning
from crashes.stream import Gone, Refused

LOAD_SECONDS = (0.5, 3.0)    # before the crash
TWICE = 0.25                 # how often a second crash comes while the clients come back
TWICE_SECONDS = (0, 1.0)
SHOWN = 5                    # faults of a kind that a round tells in full


class Rounds:
    """name: of a round, in the output. faults: what was found how often. broken: rounds that
    did not come to their comparison."""

    def __init__(self, kind, fault, name, seed, planned, keep):
        self.kind, self.fault, self.name, self.seed = kind, fault, name, seed
        self.planned, self.keep = planned, keep
        self.random = random.Random(seed)
        self.sums = Counter()
        self.faults = Counter()
        self.broken = 0
        self.server = self.load = self.folder = None
        self.number = 0

    # ---- a folder ----

    async def begin_folder(self):
        self.folder = Path(tempfile.mkdtemp(prefix='stentor-crash-'))
        self.server = self.kind(self.folder, self.fault.environment(self.folder))
        self.known = set()
        await self.server.start()
        self.load = Load(self.server.port, f'{self.seed} {self.number}', room=self.kind.ours)
        await self.load.register()
        await self.fault.prepare(self.server)
        self.load.begin()

    async def end_folder(self):
        if self.load:
            await self.load.end()
        if self.server and self.server.process:
            self.server.kill()
        self.server = self.load = None
        self.fault.end()
        self.remove_folder()

    def remove_folder(self):
        if self.folder and not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- a round ----

    async def run(self, count):
        for self.number in range(1, count + 1):
            try:
                if not self.server:
                    await self.begin_folder()
                await self.round()
            except (NotRunning, Stuck, Gone, Refused, TimeoutError) as e:
                self.broken += 1
                print(f'FAILED {self.name}-{self.number}: {type(e).__name__}: {e}', flush=True)
                await self.end_folder()
            if self.server and self.number % self.fault.folder_rounds == 0:
                await self.end_folder()
        if self.server:
            await self.end_folder()

    async def round(self):
        load = self.load
        before = self.tally()
        load.quiet = False
        load.counts.clear()
        seconds = self.random.uniform(*LOAD_SECONDS)
        await self.fault.during(self.server, seconds)
        self.server.check_running()
        self.complaints = []
        back = await self.crash()
        self.fault.at_rest()
        start = time.monotonic()
        await load.settle(self.server)
        rest = time.monotonic() - start
        faults = await self.compare()
        self.read_log()
        self.report((seconds, back, rest), self.tally() - before, faults)

    def read_log(self):
        self.complaints += self.server.complaints(self.fault.expected)

    async def crash(self):
        """Until the server is back; the seconds this took."""
        start = time.monotonic()
        kills = 1
        while True:
            self.read_log()
            if self.random.random() < self.planned:
                await self.server.stop()
            else:
                self.server.kill()
                self.fault.after_kill(self.server)
            await self.server.start()
            if kills == 2 or self.random.random() >= TWICE:
                return time.monotonic() - start
            kills += 1
            await asyncio.sleep(self.random.uniform(*TWICE_SECONDS))

    async def compare(self):
        await self.load.read_archives()
        verdict = Verdict(self.load.book)
        if verdict.missing or verdict.unseen:    # may be under way to the client
            await asyncio.sleep(GRACE_SECONDS)
            verdict = Verdict(self.load.book)
        return verdict.new(self.known)

    def tally(self):
        messages = self.load.book.messages.values()
        return Counter({
            'sent': len(messages), 'acknowledged': sum(m.accepted for m in messages),
            'refused': sum(m.refused for m in messages), 'resent': self.load.book.resent,
            'in the room': sum(m.accepted and m.in_room for m in messages)})

    # ---- what is said ----

    def report(self, times, tally, faults):
        faults = {**faults, 'complaints': self.complaints}
        failed = any(faults.values())
        counts = self.load.counts
        self.sums += tally
        self.sums['rounds'] += 1
        self.faults += Counter({kind: len(texts) for kind, texts in faults.items()})
        print(f'{"FAILED" if failed else "ok"} {self.name}-{self.number}: '
              f'{times[0]:.1f} s of load, down {times[1]:.1f} s, at rest {times[2]:.1f} s later; '
              f'{tally["sent"]} sent, {tally["acknowledged"]} acknowledged '
              f'({tally["in the room"]} in the room), {tally["refused"]} refused, '
              f'{tally["resent"]} again; {counts["resumed"]} resumed, '
              f'{counts["not resumed"]} not, {counts["anew"]} anew, {counts["walks"]} walks; '
              + ', '.join(f'{len(texts)} {kind}' for kind, texts in faults.items()), flush=True)
        for kind, texts in faults.items():
            for text in texts[:SHOWN]:
                print(f'    {kind}: {text}', flush=True)
            if len(texts) > SHOWN:
                print(f'    {kind}: {len(texts) - SHOWN} more', flush=True)
