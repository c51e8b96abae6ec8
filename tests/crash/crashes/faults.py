"""What else goes wrong, besides the crash. All but one are done by the shim of shim.c, which the
server is started with; its control lies in a file that both have mapped."""
import asyncio
import mmap
import os
import random
import shutil
import sqlite3
import struct
from pathlib import Path

from crashes.servers import Stentor
from crashes.stream import CLIENT, DOMAIN, Stream

CONTROL = struct.Struct('=QII')    # struct control of shim.c
NO_BOUND = (1 << 64) - 1
ACCOUNTS_SECONDS = 5


class Fault:
    """None."""

    expected = ()           # events of level error that the server may log
    folder_rounds = 5       # before all begins with an empty folder

    def __init__(self, seed, ours):
        """ours: the server is Stentor."""
        self.random = random.Random(seed)
        self.ours = ours

    def environment(self, folder):
        """Variables for the server of a new folder."""
        return {}

    async def prepare(self, server):
        """Before the load of a new folder begins. ejabberd may lose accounts made in the seconds
        before a crash; this is about messages."""
        if not self.ours:
            await asyncio.sleep(ACCOUNTS_SECONDS)

    async def during(self, server, seconds):
        """The time of a load."""
        await asyncio.sleep(seconds)

    def after_kill(self, server):
        """Before the server starts again."""

    def at_rest(self):
        """From now on the clients must come to rest."""

    def end(self):
        """The folder is done with."""


class Shimmed(Fault):
    def environment(self, folder):
        program = Path(Stentor.program())
        shim = program.parents[2] / 'tests/crash/crash-shim.so'
        if not shim.exists():
            raise SystemExit(f'{shim} is missing: build it, or name a server by STENTORD')
        path = folder / 'control'
        path.write_bytes(CONTROL.pack(NO_BOUND, 0, 0))
        with path.open('r+b') as file:
            self.control = mmap.mmap(file.fileno(), CONTROL.size)
        # A sanitizer's library wants to be the first, but does with the shim before it.
        asan = f'{os.environ.get("ASAN_OPTIONS", "")}:verify_asan_link_order=0'.lstrip(':')
        return {'LD_PRELOAD': str(shim), 'ASAN_OPTIONS': asan, 'CRASH_CONTROL': str(path),
                'CRASH_DATA': str((folder / 'data').resolve())}

    def set(self, room=NO_BOUND, delay_us=0, early=0):
        self.control[:] = CONTROL.pack(room, delay_us, early)


class SlowSync(Shimmed):
    """Each sync takes up to 100 ms."""

    def environment(self, folder):
        found = super().environment(folder)
        self.set(delay_us=100000)
        return found


class PowerCut(Shimmed):
    """What was not synced is gone, or there in part. Of the peers, whose writes the shim cannot
    see, a file is as it was when it was last synced or when the round began, whichever is later;
    one that is new and never was synced is gone."""

    DELAY_US = 3000    # so that a crash often finds a sync under way

    def environment(self, folder):
        found = super().environment(folder)
        self.data, self.shadow, self.before = (folder / name for name in
                                               ('data', 'shadow', 'before'))
        self.new_disk()
        return {**found, 'CRASH_SHADOW': str(self.shadow), **({} if self.ours else
                                                              {'CRASH_WHOLE': 'yes'})}

    def new_disk(self):
        self.shadow.mkdir(exist_ok=True)
        self.set(delay_us=self.DELAY_US, early=self.random.randrange(4))

    async def during(self, server, seconds):
        if not self.ours:
            shutil.rmtree(self.before, ignore_errors=True)
            shutil.copytree(self.data, self.before)
            shutil.rmtree(self.shadow)
            self.shadow.mkdir()
        await super().during(server, seconds)

    def after_kill(self, server):
        for path in list(self.data.rglob('*')):
            if path.name.endswith('-shm'):
                path.unlink()
            elif path.is_file():
                self.restore(path)
        self.new_disk()

    def restore(self, path):
        name = path.relative_to(self.data)
        for durable in (self.shadow / name, self.before / name):
            if durable.exists():
                shutil.copyfile(durable, path)
                return
        if not self.ours:
            path.unlink()


class Busy(Fault):
    """Another process writes to the database now and then, and takes its time."""

    HOLD_SECONDS = (0.2, 3.0)

    def environment(self, folder):
        self.database = folder / 'data/stentor.db'
        self.task = None
        return {}

    async def hold(self):
        db = sqlite3.connect(self.database, isolation_level=None, timeout=0)
        try:
            while True:
                try:
                    db.execute('BEGIN IMMEDIATE')
                except sqlite3.OperationalError:    # the server is faster, as it may be
                    await asyncio.sleep(0.01)
                    continue
                await asyncio.sleep(self.random.uniform(*self.HOLD_SECONDS))
                db.execute('ROLLBACK')
                await asyncio.sleep(self.random.uniform(0, 0.5))
        finally:
            db.close()

    async def during(self, server, seconds):
        self.task = asyncio.create_task(self.hold())
        await super().during(server, seconds)

    def at_rest(self):
        """Not before: the connection must not be the last one, which would tidy up in the
        server's place."""
        self.task.cancel()

    def end(self):
        if self.task:
            self.task.cancel()


class DiskFull(Shimmed):
    """Files can't grow, from the end of the ledger's last segment on: messages must be refused.
    The room comes back before the crash, or after it."""

    expected = ('ledger_full', 'store_failed')
    folder_rounds = 1    # each must fill segments first

    BODY = 'x' * 200000

    async def prepare(self, server):
        """Fills the segments there are with messages between two accounts nobody looks at."""
        for user in ('filler', 'sink'):
            stream = await Stream.connect(server.port)
            await stream.register(user, 'x')
            await stream.close()
        stream = await Stream.connect(server.port)
        await stream.authenticate('filler', 'x')
        await stream.ask('set', "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
        self.set(room=self.random.choice((0, 1 << 16, 1 << 20)))
        while True:
            for _ in range(8):
                stream.send(f"<message to='sink@{DOMAIN}' type='chat'><body>{self.BODY}</body>"
                            '</message>')
            stream.send("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
            await stream.drain()
            await stream.answer(f'{CLIENT}iq')
            if any(element.get('type') == 'error' for element in stream.early):
                break
        stream.drop()

    async def during(self, server, seconds):
        full = self.random.uniform(0, 1.5)
        await asyncio.sleep(min(full, 1) * seconds)
        if full < 1:
            self.set()
        await asyncio.sleep(max(1 - full, 0) * seconds)

    def at_rest(self):
        self.set()


FAULTS = {'none': Fault, 'disk-full': DiskFull, 'busy': Busy, 'slow-sync': SlowSync,
          'power-cut': PowerCut}
