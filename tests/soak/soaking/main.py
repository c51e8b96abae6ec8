"""The command: a server, its people, samples, and the summary."""
import argparse
import asyncio
import atexit
import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from crashes.book import Verdict as BookVerdict
from crashes.load import GRACE_SECONDS
from crashes.servers import Stentor, free_port, processes
from soaking.memory import Sample, Verdict, count_files, read_cpu, read_memory
from soaking.town import Town

SAMPLE_SECONDS = 10
RATE = 1             # messages a second of each person
GONE_SECONDS = 30    # until the sessions of those who left are over

CONFIG = '''\
data_dir = "data"
user = ""
shards = 2
log_format = json
plain_without_tls = true
tls_required = false
host "localhost" {{
	registration = true
}}
listener {{ type = c2s address = "127.0.0.1" port = {c2s} }}
listener {{ type = c2s_direct_tls address = "127.0.0.1" port = {tls} }}
limits {{
	half_open_per_address = 100000
	password_checks_per_second = 100000
}}
'''


class SoakedStentor(Stentor):
    """With TLS too, and stentorctl to ask it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.ports = {'c2s': self.port, 'tls': free_port()}
        self.config = folder / 'stentor.conf'

    def command(self):
        self.config.write_text(CONFIG.format(**self.ports))
        return [self.program(), '-c', self.config]

    async def stats(self):
        ctl = self.program().with_name('stentorctl')
        process = await asyncio.create_subprocess_exec(ctl, '-c', self.config, 'stats',
                                                       stdout=subprocess.PIPE, cwd=self.folder)
        out, _ = await process.communicate()
        return {key: int(value) for key, value in map(str.split, out.decode().splitlines())}

    async def sample(self, start):
        pid = self.process.pid
        stats = await self.stats()
        resident, anonymous = read_memory(pid)
        return Sample(time.monotonic() - start, resident, anonymous,
                      count_files(pid, self.ports.values()), stats['sessions'],
                      stats['accounts_resident'], stats['messages_kept'], read_cpu(pid))


def arguments(description):
    parser = argparse.ArgumentParser(prog='tests/soak/run', description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=30)
    parser.add_argument('--rate', type=float, default=RATE,
                        help=f'messages a second of each person (default: {RATE})')
    parser.add_argument('--seed', type=int, help='of all that is random (default: a new one)')
    parser.add_argument('--keep', action='store_true', help='leave the folder for a look')
    args = parser.parse_args()
    if args.minutes < 1:
        parser.error('less than a minute says nothing')
    return args


class Soak:
    def __init__(self, folder, args, seed):
        self.args = args
        self.server = SoakedStentor(folder)
        self.town = Town(self.server.ports, seed, args.rate)
        self.samples = []
        self.faults = []

    async def run(self):
        await self.server.start()
        await self.town.register()
        self.town.begin()
        await self.watch()
        await self.town.settle(self.server)
        await self.judge_messages()
        await self.town.end()
        await self.judge_what_is_left()
        await self.server.stop()
        self.faults += self.server.complaints()

    async def watch(self):
        start = time.monotonic()
        print('minute  resident  anonymous  files  sessions  accounts  messages  cpu', flush=True)
        while time.monotonic() - start < self.args.minutes * 60:
            await asyncio.sleep(SAMPLE_SECONDS)
            self.town.check()
            self.server.check_running()
            s = await self.server.sample(start)
            self.samples.append(s)
            print(f'{s.seconds / 60:6.1f} {s.resident >> 10:6} KiB {s.anonymous >> 10:6} KiB '
                  f'{s.files:6} {s.sessions:9} {s.accounts:9} {s.kept:9} {s.cpu:6.1f} s',
                  flush=True)

    async def judge_messages(self):
        """As tests/crash does it."""
        town = self.town
        town.persons = town.residents
        await town.read_archives()
        await asyncio.sleep(GRACE_SECONDS)
        verdict = BookVerdict(town.book)
        for kind in verdict.KINDS:
            self.faults += [f'{kind}: {text}' for text in getattr(verdict, kind)]

    async def judge_what_is_left(self):
        """When all have gone, no session is left, and no connection."""
        deadline = time.monotonic() + GONE_SECONDS
        while (stats := await self.server.stats())['sessions'] or stats['sessions_away']:
            if time.monotonic() > deadline:
                self.faults.append(f'{stats["sessions"]} sessions are left, '
                                   f'{stats["sessions_away"]} of them away')
                return
            await asyncio.sleep(1)
        open_files = len(os.listdir(f'/proc/{self.server.process.pid}/fd'))
        others = count_files(self.server.process.pid, self.server.ports.values())
        if open_files != others:
            self.faults.append(f'{open_files - others} connections are left')

    def report(self):
        verdict = Verdict(self.samples)
        self.faults += verdict.faults()
        counts = self.town.counts
        messages = self.town.book.messages.values()
        cpu = self.samples[-1].cpu / self.samples[-1].seconds
        print(verdict.describe())
        print(f'{len(messages)} messages, {sum(m.accepted for m in messages)} acknowledged, '
              f'{sum(m.refused for m in messages)} refused; '
              + ', '.join(f'{counts[name]} {name}' for name in (
                  'anew', 'resumed', 'not resumed', 'carbons', 'presences', 'errands', 'visitors'))
              + f'; the server took {100 * cpu:.1f} % of a core')
        for fault in self.faults:
            print(f'FAILED {fault}')
        return 1 if self.faults else 0


def main(description):
    args = arguments(description)
    seed = args.seed if args.seed is not None else random.randrange(1 << 31)
    folder = Path(tempfile.mkdtemp(prefix='stentor-soak-'))
    if not args.keep:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    processes.watch_over()
    processes.raise_open_files()
    soak = Soak(folder, args, seed)
    print(f'{soak.server.version()}, {args.minutes:g} minutes, {len(soak.town.residents)} persons '
          f'with {len(soak.town.devices)} more devices, seed {seed}', flush=True)
    asyncio.run(soak.run())
    return soak.report()
