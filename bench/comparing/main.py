"""The course of a comparison."""
import argparse
import fnmatch
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from comparing import federation, plan, processes, report, servers, setup

RUN_SECONDS = 900  # at most, for one run of stentor-bench


class Lacks:
    """A specification that a server does not have: no fault."""

    def __init__(self, what):
        self.what = what


class Comparison:
    """Runs, and keeps what they found: results[key of the run][server] is a list of JSON objects,
    one a round; faults says which failed and why; lacking[key of the run][server] which
    specification a server does not have, and absent which variants of the servers."""

    def __init__(self, size, build, folder, only, patterns):
        self.size = size
        self.with_shards = any(fnmatch.fnmatch('shards', p) for p in patterns)
        self.runs = [run for run in plan.runs(size)
                     if any(fnmatch.fnmatch(run.key, p) for p in patterns)]
        self.bench = build / 'bench/stentor-bench'
        certificate = setup.certificate(folder)
        self.folder = folder
        self.servers, self.archives = (
            [kind(folder, certificate, build, archive) for kind, archive in kinds
             if not only or kind.family in only]
            for kinds in (servers.PLAIN, servers.ARCHIVE))
        self.pairs = (federation.pairs(folder, build, only)
                      if any(run.pairs for run in self.runs) else [])
        self.floor = servers.Floor(folder, certificate, build)
        self.results, self.lacking, self.faults, self.absent = {}, {}, [], []
        self.down = set()
        for server in self.archives:
            if why := server.lacks():
                self.absent.append(f'{server.label}: {why}')
                self.down.add(server.name)

    # ---- one run ----

    def call(self, server, scenario, tls, args):
        """The JSON of a run of stentor-bench; its first error as a word when it failed."""
        command = [self.bench, scenario, '--json', '--quiet', *server.target(tls), *args]
        process = processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True)
        try:
            out, err = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            return None, f'not done in {RUN_SECONDS} s'
        finally:
            processes.stop(process)
        if process.returncode and not out:
            return None, err.strip()[-200:] or f'exit code {process.returncode}'
        found = json.loads(out)
        if found['lacks']:
            return None, Lacks(found['lacks'])
        return found, found['first_error'] if found['errors'] else None

    def keep(self, run, server, found, error):
        if isinstance(error, Lacks):
            self.lacking.setdefault(run.key, {})[server.name] = error.what
            print(f'    {server.label}: has no {error.what}', flush=True)
            return
        if error:
            self.faults.append(f'{server.label}: {run.key}: {error}')
            print(f'    {server.label}: failed: {error}', flush=True)
            return
        values = [(f, f.read(found)) for f in run.figures]
        values = [(f, value) for f, value in values if value is not None]
        for f, value in values:
            if value <= 0 and not f.nought:
                self.faults.append(f'{server.label}: {f.title}: {value:.1f} is no figure')
                print(f'    {self.faults[-1]}', flush=True)
                return
        self.results.setdefault(run.key, {}).setdefault(server.name, []).append(found)
        said = ', '.join(f'{value:,.{f.digits}f} {f.unit}' for f, value in values)
        print(f'    {server.label}: {said}', flush=True)

    def run_on(self, run, server, round_number):
        args = list(run.args)
        if run.scenario == 'register':
            args += ['--first', plan.STORM_FIRST * 2 + round_number * plan.STORM_ROUND]
        if run.half_of:
            full = self.results.get(run.half_of, {}).get(server.name)
            if not full:
                return
            args += ['--rate', min(run.half_most, round(plan.rate()(full[-1]) / 2))]
        scenario = run.scenario if server.speaks_xmpp else plan.ON_FLOOR[run.scenario]
        storm = self.start_storm(server, round_number) if run.storm else None
        found, error = self.call(server, scenario, run.tls, args)
        if storm:
            if storm.poll() is not None:
                error = error or 'the storm of registrations ended before the chat did'
            processes.stop(storm)
        self.keep(run, server, found, error)

    def start_storm(self, server, round_number):
        """Registers accounts beside what is measured, until it is stopped."""
        first = plan.STORM_FIRST + round_number * plan.STORM_ROUND
        return processes.start(
            [self.bench, 'register', '--quiet', *server.target('none'), '--users',
             plan.STORM_ROUND, '--first', first, '--at-once', 8],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    # ---- servers ----

    def start(self, server, **options):
        try:
            server.start(**options)
        except servers.CannotStart as e:
            self.faults.append(str(e))
            self.down.add(server.name)
            print(f'    {e}', flush=True)
            return False
        return True

    def servers_of(self, run):
        return self.pairs if run.pairs else self.archives if run.archive else self.servers

    def make_accounts(self):
        """On those that something is run on."""
        used = {server.name: server for run in self.runs for server in self.servers_of(run)}
        if self.with_shards:
            used.update((server.name, server) for server in self.servers)
        for server in used.values():
            if server.name in self.down:
                continue
            accounts = (self.size.accounts if server in self.servers else 2 * plan.PAIRS)
            print(f'{accounts} accounts on {server.label}', flush=True)
            if not self.start(server):
                continue
            for one, args in server.registrations(accounts):
                _, error = self.call(one, 'register', 'none', args)
                if error:
                    self.faults.append(f'{server.label}: making accounts: {error}')
                    self.down.add(server.name)
            server.stop()

    # ---- the course ----

    def round(self, number):
        """Each scenario on one server after the other, each freshly started: what one scenario
        leaves behind is not to weigh on the next (Prosody gets slower with each connection that
        it has seen lately)."""
        for run in self.runs:
            if run.once and number:
                continue
            print(f'round {number + 1}: {run.key}', flush=True)
            if run.floor and self.start(self.floor, tls=run.tls != 'none',
                                        occupants=run.occupants):
                self.run_on(run, self.floor, number)
                self.floor.stop()
            for server in self.servers_of(run):
                if run.only and server.family != run.only:
                    continue
                options = {'nodes': True} if run.nodes else {}
                if server.name not in self.down and self.start(server, **options):
                    self.run_on(run, server, number)
                    server.stop()

    def shards(self):
        """Stentor by itself, on one core and on two."""
        stentor = next((s for s in self.servers if s.name == 'stentor'), None)
        if not stentor or stentor.name in self.down:
            return
        for label, options, args in plan.SHARDS:
            run = plan.shards_run(label, args, self.size)
            print(f'shards: {label}', flush=True)
            if self.start(stentor, **options):
                self.run_on(run, stentor, 0)
                stentor.stop()

    def all(self):
        self.make_accounts()
        for number in range(self.size.rounds):
            self.round(number)
            if self.with_shards:
                self.shards()


def options(doc):
    parser = argparse.ArgumentParser(description=doc,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='one short round')
    parser.add_argument('--rounds', type=int, help='how often each scenario runs on each server')
    parser.add_argument('--only', action='append', metavar='SERVER',
                        choices=['stentor', 'prosody', 'ejabberd'], help='leave out the others')
    parser.add_argument('--run', action='append', metavar='KEY',
                        help='only runs whose key (as it is printed) matches, with * and ?')
    parser.add_argument('--out', type=Path, help='folder for the results')
    return parser.parse_args()


def main(doc):
    o = options(doc)
    size = plan.QUICK if o.quick else plan.FULL
    if o.rounds:
        size = size._replace(rounds=o.rounds)
    processes.watch_over()
    open_files = processes.raise_open_files()
    size = size._replace(scale=tuple(n for n in size.scale if n + 100 < open_files))
    build = setup.build()
    if not o.only or set(o.only) & {'prosody', 'ejabberd'}:
        setup.install_peers()
    whole = not (o.quick or o.only or o.run)
    out = o.out or (setup.ROOT / 'bench/results' if whole else build / 'quick')
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix='stentor-compare-'))
    try:
        comparison = Comparison(size, build, folder, o.only, o.run or ['*'])
        facts = {**setup.machine(), 'rounds': size.rounds, 'seconds': size.seconds,
                 'versions': {s.label: s.version()
                              for s in (*comparison.servers, comparison.floor)}}
        comparison.all()
    finally:
        processes.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    facts['minutes'] = round((time.monotonic() - begun) / 60, 1)
    report.write(out, facts, comparison, whole)
    print(f'{len(comparison.faults)} faults; {out}/comparison.md, .json, .html')
    return 1 if any(f.startswith('Stentor') for f in comparison.faults) else 0
