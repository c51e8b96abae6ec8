"""The command: a server, its monkeys, scenes of mischief, and after each a look at who is where."""
import argparse
import asyncio
import atexit
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from crashes.servers import Stentor, processes
from crashes.stream import DOMAIN
from monkeys.monkey import Troop
from monkeys.view import Broken, Hearing, State

SCENE_SECONDS = 8
PATIENCE_SECONDS = 20    # until sessions that nobody resumes are over

CONFIG = '''\
data_dir = "data"
user = ""
shards = {shards}
log_format = json
plain_without_tls = true
tls_required = false
host "localhost" {{
	registration = true
	admins = {{ "m0@localhost" }}
}}
listener {{ type = c2s address = "127.0.0.1" port = {port} }}
limits {{
	half_open_per_address = 100000
	password_checks_per_second = 100000
	sessions_per_account = 100
}}
'''


class WatchedStentor(Stentor):
    def __init__(self, folder, shards):
        super().__init__(folder)
        self.shards = shards
        self.config = folder / 'stentor.conf'

    def command(self):
        self.config.write_text(CONFIG.format(shards=self.shards, port=self.port))
        return [self.program(), '-c', self.config]

    async def ctl(self, *words):
        """What stentorctl says; nothing where it refuses."""
        ctl = self.program().with_name('stentorctl')
        process = await asyncio.create_subprocess_exec(
            ctl, '-c', self.config, *words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out, _ = await process.communicate()
        return [line.split('\t') for line in out.decode().splitlines()]

    async def room(self, room):
        """Occupants (nickname -> role, JIDs), affiliations (JID -> name), and the roles that are
        shown."""
        occupants, affiliations, shown = {}, {}, ()
        for kind, *columns in await self.ctl('room', 'show', room):
            if kind == 'occupant':
                occupants[columns[1]] = columns[0], columns[2:]
            elif kind == 'affiliation':
                affiliations[columns[1]] = columns[0]
            elif kind == 'config' and columns[0] == 'presencebroadcast':
                shown = columns[1:]
        return occupants, affiliations, shown


class Zoo:
    def __init__(self, server, troop):
        self.server, self.troop = server, troop

    async def scene(self):
        await self.troop.play(SCENE_SECONDS)
        await self.troop.rest()
        for room in self.troop.hearings:
            await self.judge(room)
        complaints = self.server.complaints()
        if complaints:
            raise Broken('\n'.join(['the log says', *complaints]))

    async def judge(self, room):
        """Who is in, with which role and affiliation, as each client has been told of it and as the
        server has it."""
        occupants, affiliations, shown = await self.server.room(room)
        for monkey in self.troop.monkeys:
            view = monkey.views[room]
            view.judge_stays()
            if view.state == State.OUT:
                continue
            there = {nick: (affiliations.get(person(jids), 'none'), role)
                     for nick, (role, jids) in occupants.items()
                     if role in shown or nick == view.nick}
            view.check(view.occupants == there,
                       f'sees {view.occupants}, but there are {there}')
        self.troop.hearings[room].texts.clear()

    async def end(self):
        """When all have gone, nobody is left in any room."""
        await self.troop.end()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left := (await self.stats())['room_occupants']:
            if time.monotonic() > deadline:
                raise Broken(f'{left} occupants are left when all have gone')
            await asyncio.sleep(0.2)
        await self.server.stop()
        complaints = self.server.complaints()
        if complaints:
            raise Broken('\n'.join(['the log says', *complaints]))

    async def stats(self):
        return {key: int(value) for key, value in
                (columns[0].split() for columns in await self.server.ctl('stats'))}


def person(jids):
    return jids[0].partition('/')[0]


async def run(args, server, troop):
    zoo = Zoo(server, troop)
    await server.start()
    await troop.register()
    troop.begin()
    end = time.monotonic() + args.seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        await zoo.scene()
        counts = troop.counts
        print(f'scene {number}: {counts["actions"]} actions, {counts["spoilt"]} spoilt, '
              f'{counts["sessions"]} sessions, {counts["resumed"]} resumed', flush=True)
    await zoo.end()


def arguments(description):
    parser = argparse.ArgumentParser(prog='tests/monkey/run', description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--shards', type=int, default=2)
    parser.add_argument('--people', type=int, default=6)
    parser.add_argument('--rooms', type=int, default=3)
    parser.add_argument('--rate', type=float, default=15,
                        help='actions of each client a second (default: 15)')
    parser.add_argument('--seed', type=int, help='of all that is random (default: a new one)')
    parser.add_argument('--keep', action='store_true', help='leave the folder for a look')
    return parser.parse_args()


def main(description):
    args = arguments(description)
    seed = args.seed if args.seed is not None else random.randrange(1 << 31)
    folder = Path(tempfile.mkdtemp(prefix='stentor-monkey-'))
    if not args.keep:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    processes.watch_over()
    server = WatchedStentor(folder, args.shards)
    troop = Troop(server.port, seed, args.people, args.rooms, args.rate, Hearing)
    print(f'{server.version()}, {args.shards} shards, {len(troop.monkeys)} clients, seed {seed}',
          flush=True)
    try:
        asyncio.run(run(args, server, troop))
    except Exception as e:
        print(f'FAILED monkey: {e!r}' if not isinstance(e, Broken) else f'FAILED monkey: {e}')
        return 1
    print(f'ok monkey: {troop.counts["actions"]} actions of {len(troop.monkeys)} clients')
    return 0
