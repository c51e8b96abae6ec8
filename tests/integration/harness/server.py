"""Starting and stopping stentord, reading its log, and asking it through stentorctl."""
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import namedtuple
from pathlib import Path

from harness.client import Client
from harness.xmpp import shard_of

START_SECONDS = 60
STOP_SECONDS = 60
LOOK_AGAIN = 0.02

CONFIG = '''\
data_dir = "data"
shards = {shards}
log_format = json
{top}
{hosts}
listener {{
	type = c2s
	address = "127.0.0.1"
	port = 0
}}
listener {{
	type = c2s_direct_tls
	address = "127.0.0.1"
	port = 0
}}
limits {{
	{limits}
}}
'''

# Names are not looked up unless a test is about it.
ALONE = 'federation { enabled = false }'

# Tests open many connections from one address, and log in often.
LIMITS = {'half_open_per_address': 100000, 'password_checks_per_second': 10000}

HOSTS = {'example.org': '', 'example.net': 'registration = true\nanonymous = true'}


class Account(namedtuple('Account', 'user domain password')):
    @property
    def jid(self):
        return f'{self.user}@{self.domain}'


class Failed(AssertionError):
    """The server did what it must not do."""


def program(variable):
    path = os.environ.get(variable)
    if not path or not os.access(path, os.X_OK):
        raise Failed(f'{variable} must name the program to test; it is {path!r}')
    return str(Path(path).resolve())


def environment():
    """The sanitizers' allocator keeps what was freed for a while; here only a little of it, so
    that the server's memory can be looked at."""
    options = os.environ.get('ASAN_OPTIONS', '')
    return {**os.environ, 'ASAN_OPTIONS': f'{options}:quarantine_size_mb=16'.lstrip(':')}


class Server:
    """A server with a folder of its own. hosts: the options of each; top and limits: more lines
    of the configuration."""

    names = itertools.count(1)

    def __init__(self, shards=2, hosts=None, top='', limits='', data=None):
        self.folder = Path(tempfile.mkdtemp(prefix='stentor-test-'))
        self.shards = shards
        self.config = self.folder / 'stentor.conf'
        self.data = self.folder / 'data'
        if data:
            self.data.symlink_to(data)
        self.process = None
        self.ports = {}
        self.expected = set()    # events of level error that a test provokes
        self.starts = 0
        self.write_config(hosts, top, limits)

    def write_config(self, hosts=None, top='', limits=''):
        sections = '\n'.join(f'host "{domain}" {{\n{options}\n}}'
                             for domain, options in (hosts or HOSTS).items())
        if 'federation {' not in top:
            top = f'{top}\n{ALONE}'
        ours = [f'{name} = {value}' for name, value in LIMITS.items() if name not in limits]
        self.config.write_text(CONFIG.format(shards=self.shards, hosts=sections, top=top,
                                             limits='\n\t'.join([*ours, limits])))

    # ---- life ----

    def start(self, env=None, **options):
        self.starts += 1
        self.log_file = self.folder / f'log-{self.starts}'
        with self.log_file.open('w') as log:
            self.process = subprocess.Popen(
                [program('STENTORD'), '-c', str(self.config)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env={**environment(), **(env or {})}, **options)
        self.wait_log('ready', seconds=START_SECONDS)
        self.ports = {line['for']: line['port'] for line in self.log('listening')}
        return self

    def wait(self, seconds=STOP_SECONDS):
        """The exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f'the server did not end in {seconds} s\n{self.tail()}') from None

    def stop(self):
        """In order: by SIGTERM, exit code 0, nothing in the log that is no log line."""
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        code, self.process = self.wait(), None
        self.check_log()
        if code:
            raise Failed(f'the server ended with {code}\n{self.tail()}')

    def kill(self):
        """As a crash does it."""
        self.process.kill()
        self.process.wait()
        self.process = None
        self.check_log()

    def remove(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the log ----

    def lines(self):
        return self.log_file.read_text(errors='replace').splitlines()

    def log(self, event=None, **fields):
        """The lines of an event that have these fields (`for_` is for)."""
        fields = {key.rstrip('_'): value for key, value in fields.items()}
        found = []
        for line in self.lines():
            if not line.startswith('{') or not line.endswith('}'):
                continue
            entry = json.loads(line)
            if event in (None, entry['event']) and all(
                    entry.get(key) == value for key, value in fields.items()):
                found.append(entry)
        return found

    def wait_log(self, event, seconds=START_SECONDS, **fields):
        """The first such line."""
        deadline = time.monotonic() + seconds
        while True:
            gone = self.process.poll() is not None
            found = self.log(event, **fields)
            if found:
                return found[0]
            if gone or time.monotonic() > deadline:
                raise Failed(f'the log never said "{event}" {fields}')
            time.sleep(LOOK_AGAIN)

    def check_log(self):
        """Sanitizers write their reports between the lines."""
        for line in self.lines():
            try:
                entry = json.loads(line)
            except ValueError:
                raise Failed(f'no log line: {line}\n{self.tail()}') from None
            if entry['level'] == 'error' and entry['event'] not in self.expected:
                raise Failed(f'an error in the log: {line}')

    def tail(self):
        return '\n'.join(self.lines()[-20:])

    # ---- administration ----

    def ctl(self, *words, stdin='', check=True):
        """Runs stentorctl; its result."""
        done = subprocess.run([program('STENTORCTL'), '-c', str(self.config), *words],
                              input=stdin, capture_output=True, text=True, env=environment(),
                              timeout=START_SECONDS)
        if check and done.returncode:
            raise Failed(f'stentorctl {" ".join(words)}: {done.stderr}')
        return done

    def stats(self):
        return {key: int(value) for key, value in
                (line.split() for line in self.ctl('stats').stdout.splitlines())}

    def wait_stat(self, key, wanted, seconds=START_SECONDS):
        """Until a number is what is wanted: a value, or a question to it."""
        ask = wanted if callable(wanted) else lambda value: value == wanted
        deadline = time.monotonic() + seconds
        while True:
            value = self.stats()[key]
            if ask(value):
                return value
            if time.monotonic() > deadline:
                raise Failed(f'{key} stays at {value}')
            time.sleep(LOOK_AGAIN)

    def certificate(self, domain):
        return str(self.data / f'{domain}.crt')

    def account(self, user=None, domain='example.org', password='O Romeo, Romeo!'):
        """A new account; its name is made up where none is given."""
        account = Account(user or f'user{next(Server.names)}', domain, password)
        self.ctl('adduser', account.jid, stdin=password + '\n')
        return account

    def two_accounts(self, domain='example.org'):
        """New accounts on different shards."""
        first = self.account(domain=domain)
        while True:
            name = f'user{next(Server.names)}'
            if self.shards == 1 or self.owner(f'{name}@{domain}') != self.owner(first.jid):
                return first, self.account(name, domain)

    def owner(self, jid):
        return shard_of(jid, self.shards)

    # ---- clients ----

    def connect(self, kind='c2s', **options):
        return Client(self, kind, **options)

    def secure(self, domain='example.org', version=None, **options):
        """A client at the features of a secure stream."""
        client = Client(self, 'c2s_direct_tls', **options)
        client.domain = domain
        client.wrap_tls(version)
        client.features = client.open()
        return client

    def login(self, account, resource=None, presence=None, **options):
        """A client with a bound resource; it sends the presence, if one is given."""
        client = self.secure(account.domain, **options)
        client.authenticate(account)
        client.bind(resource)
        if presence is not None:
            client.send(presence)
            client.presence(from_=client.jid)
        return client

    def online(self, account, resource=None, priority=0, **options):
        """A client that has sent its initial presence."""
        return self.login(account, resource,
                          f'<presence><priority>{priority}</priority></presence>', **options)

    def gone_offline(self, jid):
        """Until no session of the account, or not this one, is there."""
        deadline = time.monotonic() + START_SECONDS
        while any(line.split('\t')[0] == jid or line.startswith(f'{jid}/')
                  for line in self.ctl('sessions').stdout.splitlines()):
            if time.monotonic() > deadline:
                raise Failed(f'a session of {jid} stays')
            time.sleep(LOOK_AGAIN)
