"""The servers that are crashed: how each is configured, started, killed, and what its log says.

All keep archives of both sides of each message, offline messages, and stream management with
resumption. The peers keep them as their packages do: nothing is turned off that makes them safer.
"""
import asyncio
import json
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT / 'bench'))

from comparing import processes  # noqa: E402
from comparing.servers import Ejabberd as ComparedEjabberd  # noqa: E402
from comparing.servers import output_of, package_version  # noqa: E402

START_SECONDS = 60
STOP_SECONDS = 30
LOOK_AGAIN = 0.02
PORTS = 20000, 32000


class NotRunning(Exception):
    """A server does not come up, does not go down when it should, or went by itself."""


def free_port():
    """None that the system gives to those who connect: while the server is down, a client that
    tries to reach it could get its port, and connect to itself."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as s:
            try:
                s.bind(('127.0.0.1', port))
                return port
            except OSError:
                pass


class Server:
    """A server with a folder of its own."""

    ours = False
    faults = 'none', 'slow-sync', 'power-cut'
    log_name = None       # in the folder; otherwise it logs to where it writes
    complaint = None      # what a line that says that something is wrong has in it

    def __init__(self, folder, environment=None):
        self.folder = folder
        self.port = free_port()
        self.more_environment = environment or {}
        self.process = None
        self.starts = 0

    def environment(self):
        return dict(os.environ)

    async def start(self):
        self.starts += 1
        output = self.folder / f'output-{self.starts}'
        self.log = self.folder / self.log_name if self.log_name else output
        self.log_from = self.judged = self.log.stat().st_size if self.log.exists() else 0
        with output.open('w') as out:
            self.process = processes.start(
                self.command(), stdout=out, stderr=out, cwd=self.folder,
                env={**self.environment(), **self.more_environment})
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                _, writer = await asyncio.open_connection('127.0.0.1', self.port)
                writer.transport.abort()
                return
            except OSError:
                await asyncio.sleep(LOOK_AGAIN)
        raise NotRunning(f'{self.name} does not take connections: {self.tail()}')

    def check_running(self):
        if self.process.poll() is not None:
            raise NotRunning(f'{self.name} has ended by itself: {self.tail()}')

    def kill(self):
        """SIGKILL to all that belongs to it."""
        process, self.process = self.process, None
        while left := processes.session_of(process.pid):
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.poll()
            time.sleep(0.001)
        process.wait()
        processes.running.remove(process)

    async def stop(self):
        """In order, as for a restart that is planned."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise NotRunning(f'{self.name} does not stop: {self.tail()}')
            await asyncio.sleep(LOOK_AGAIN)
        processes.stop(process)

    def read_log(self, start):
        """Its whole lines from an offset on."""
        if not self.log.exists():
            return b''
        with self.log.open('rb') as log:
            log.seek(start)
            whole, newline, _ = log.read().rpartition(b'\n')
            return whole + newline

    def tail(self):
        """The end of the log, from the last start on."""
        return '\n'.join(self.read_log(self.log_from).decode(errors='replace').splitlines()[-10:])

    def complaints(self, expected=()):
        """Lines that say that something is wrong, since the last start or the last look."""
        text = self.read_log(self.judged)
        self.judged += len(text)
        return [line for line in text.decode(errors='replace').splitlines()
                if self.complains(line, expected)]

    def complains(self, line, expected):
        return self.complaint in line


STENTOR = '''\
data_dir = "data"
user = ""
shards = 2
log_format = json
tls_required = false
plain_without_tls = true
host "localhost" {{
	registration = true
}}
listener {{ type = c2s address = "127.0.0.1" port = {port} }}
limits {{
	half_open_per_address = 100000
	password_checks_per_second = 100000
	offline_messages = 100000
}}
'''


class Stentor(Server):
    name = 'stentor'
    ours = True
    faults = *Server.faults, 'busy', 'disk-full'

    def command(self):
        config = self.folder / 'stentor.conf'
        config.write_text(STENTOR.format(port=self.port))
        return [self.program(), '-c', config]

    @staticmethod
    def program():
        return Path(os.environ.get('STENTORD', ROOT / 'build/src/server/stentord')).resolve()

    def complains(self, line, expected):
        """What is no line of the log is a sanitizer's report."""
        try:
            entry = json.loads(line)
        except ValueError:
            return True
        return entry['level'] == 'error' and entry['event'] not in expected

    @classmethod
    def version(cls):
        return output_of(cls.program(), '--version').strip()


# prosody.im/doc/modules/mod_smacks, mod_mam, doc/storage. mod_limits is not loaded.
PROSODY = '''\
run_as_root = true
data_path = "{folder}/data"
log = {{ warn = "{folder}/log" }}
network_backend = "epoll"
authentication = "internal_hashed"
storage = "{storage}"
sql = {{ driver = "SQLite3", database = "prosody.sqlite" }}
modules_enabled = {{ "disco", "roster", "saslauth", "tls", "ping", "register_ibr", "posix",
	"smacks", "mam", "offline" }}
modules_disabled = {{ "s2s" }}
smacks_hibernation_time = 5
smacks_max_queue_size = 10000
archive_expires_after = "never"
storage_archive_item_limit = 1000000
allow_registration = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ }}
VirtualHost "localhost"
'''


class Prosody(Server):
    name, storage = 'prosody', 'internal'
    log_name, complaint = 'log', '\terror\t'

    def command(self):
        (self.folder / 'data').mkdir(exist_ok=True)
        (self.folder / 'certs').mkdir(exist_ok=True)
        config = self.folder / 'prosody.cfg.lua'
        config.write_text(PROSODY.format(folder=self.folder, storage=self.storage, port=self.port))
        return ['prosody', '-F', '--config', config]

    @staticmethod
    def version():
        return package_version('prosody')


class ProsodySql(Prosody):
    """With SQLite, by the package lua-dbi-sqlite3."""

    name, storage = 'prosody-sql', 'sql'


# docs.ejabberd.im: listen options, shapers, mod_mam, mod_stream_mgmt, mod_offline.
EJABBERD = '''\
loglevel: warning
hosts: [localhost]
acme: {{ auto: false }}
listen:
  - {{ port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, shaper: none, access: all,
      backlog: 1024 }}
auth_password_format: scram
registration_timeout: infinity
max_fsm_queue: 100000
shaper_rules: {{ max_user_sessions: 1000, max_user_offline_messages: infinity }}
modules:
  mod_disco: {{}}
  mod_mam: {{ default: always, assume_mam_usage: true }}
  mod_offline: {{ access_max_user_messages: max_user_offline_messages }}
  mod_ping: {{}}
  mod_register: {{ ip_access: all }}
  mod_roster: {{}}
  mod_stream_mgmt: {{ resume_timeout: 5, max_resume_timeout: 5, resend_on_timeout: if_offline,
      ack_timeout: infinity, max_ack_queue: infinity }}
'''


class Ejabberd(Server):
    name = 'ejabberd'
    log_name, complaint = 'logs/ejabberd.log', ' [error] '
    environment = ComparedEjabberd.environment

    def command(self):
        for name in ('data', 'logs'):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / 'ejabberd.yml').write_text(EJABBERD.format(port=self.port))
        return ['erl', '-noinput', '+K', 'true', '-mnesia', 'dir', f'"{self.folder}/data"',
                '-s', 'ejabberd']

    @staticmethod
    def version():
        return package_version('ejabberd')


SERVERS = {server.name: server for server in (Stentor, Prosody, ProsodySql, Ejabberd)}
