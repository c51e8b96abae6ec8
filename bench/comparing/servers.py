"""The servers that are compared: how each is configured, started and asked for its version.

Features are equal: registration, rosters, presence, offline messages, ping, stream management,
carbons and rooms, at one address and with a history of 20 messages; publish-subscribe where that is
what is measured. Stentor's full-text search, which the peers do not have, is off. Every limit on rates and on occupants is off. All have the same
ECDSA certificate and lie in a temporary folder on the same disk. Servers that talk to each other
have one each, of an authority that all of them trust, and take no other proof of a domain."""
import os
import re
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

from comparing import processes, setup

START_SECONDS = 60


class CannotStart(Exception):
    """A server did not come up; says why."""


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr


class Server:
    """One server with its data, which stay between starts. archive: the store that its archive is
    kept in, or None for a server without. domain: of its accounts. others: how it gets to other
    servers (federation.Others), or None for one that is alone."""

    program = family = None
    speaks_xmpp = True

    def __init__(self, folder, certificate, build, archive=None, domain='localhost', others=None):
        self.archive, self.domain, self.others = archive, domain, others
        self.name = f'{self.family}-{archive.lower()}' if archive else self.family
        self.label = f'{self.program}, {archive}' if archive else self.program
        self.folder = folder / self.name
        self.folder.mkdir()
        self.certificate, self.key, self.pem = certificate
        self.build = build
        self.port, self.direct_port, self.s2s_port = free_port(), free_port(), free_port()
        self.process = None

    def start(self, cores=None, **options):
        self.log = self.folder / 'output'
        with self.log.open('w') as out:
            self.process = processes.start(self.command(**options), cores=cores, stdout=out,
                                           stderr=out, cwd=self.folder, env=self.environment())
        self.wait_until_up()

    def environment(self):
        return dict(os.environ)

    def lacks(self):
        """Why this variant cannot be run here, or nothing."""
        return ''

    def towards_others(self, template):
        """The part of its configuration that is about other servers; nothing without them."""
        if not self.others:
            return ''
        return template.format(s2s_port=self.s2s_port, authority=self.others.authority,
                               names_port=self.others.names.port)

    def ports(self):
        return [self.port, *([self.s2s_port] if self.others else [])]

    def wait_until_up(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                for port in self.ports():
                    socket.create_connection(('127.0.0.1', port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        tail = self.log.read_text(errors='replace')[-1000:]
        self.stop()
        raise CannotStart(f'{self.label} does not take connections: {tail.strip()}')

    def stop(self):
        if self.process:
            processes.stop(self.process)
            self.process = None

    @property
    def pid(self):
        return self.process.pid

    def target(self, tls):
        """Options of stentor-bench."""
        return ['--port', self.port, '--domain', self.domain, '--pid', self.pid, '--tls', tls]

    def registrations(self, accounts):
        """Which servers are to have which accounts: pairs of a server and options of
        stentor-bench."""
        return [(self, ['--users', accounts])]


STENTOR = '''\
data_dir = "data"
user = ""
shards = {shards}
search = false
log_level = warn
tls_required = false
plain_without_tls = true
host "{domain}" {{
	certificate = "{certificate}"
	key = "{key}"
	registration = true
	archive = {archive}
}}
listener {{ type = c2s address = "127.0.0.1" port = {port} }}
listener {{ type = c2s_direct_tls address = "127.0.0.1" port = {direct_port} }}
limits {{
	half_open_per_address = 1000000
	password_checks_per_second = 100000
	offline_messages = 1000000
	room_occupants = 100000
	room_history = 20
	room_stanzas_per_second = 0
	node_items_per_second = 0
}}
{federation}'''

# docs/configuration.md: without dns_loopback it goes nowhere on this machine.
STENTOR_FEDERATION = '''\
federation {{
	ca_file = "{authority}"
	dns_servers = {{ "127.0.0.1@{names_port}" }}
	dns_anchor = "none"
	dns_loopback = true
}}
listener {{ type = s2s address = "127.0.0.1" port = {s2s_port} }}
'''


class Stentor(Server):
    family, program = 'stentor', 'Stentor'

    @property
    def server(self):
        return self.build / 'src/server/stentord'

    def command(self, shards=None, nodes=False):
        config = self.folder / 'stentor.conf'
        config.write_text(STENTOR.format(
            shards=shards or os.cpu_count(), certificate=self.certificate, key=self.key,
            port=self.port, direct_port=self.direct_port, domain=self.domain,
            archive='true' if self.archive else 'false',
            federation=self.towards_others(STENTOR_FEDERATION)))
        return [self.server, '-c', config]

    def version(self):
        said = output_of(self.server, '--version').strip()
        commit = output_of('git', '-C', Path(__file__).parent, 'describe', '--always', '--dirty')
        return f'{said} ({commit.strip()})'


# prosody.im/doc/network_backend (left on, Nagle's algorithm holds each second copy in a room back
# for 40 ms), /doc/modules/mod_limits (not loaded), /doc/storage, /doc/modules/mod_mam (totals cost
# a count over the archive for each page), mod_storage_internal (which cuts an archive at 10,000
# messages), /doc/modules/mod_muc (of rooms beyond the size of its cache, 100, the least used are
# written to disk and read again).
PROSODY = '''\
run_as_root = true
data_path = "{folder}/data"
log = {{ warn = "{folder}/log" }}
network_backend = "epoll"
network_settings = {{ nagle = false }}
default_storage = "internal"
storage = {{ archive = "{store}", muc_log = "{store}" }}
sql = {{ driver = "SQLite3", database = "{folder}/data/prosody.sqlite" }}
archive_expires_after = "never"
storage_archive_item_limit = 100000000
mam_include_total = false
authentication = "internal_hashed"
modules_enabled = {{ "disco", "roster", "saslauth", "tls", "ping", "register_ibr", "posix",
    "smacks", "carbons"{modules} }}
{federation}
allow_registration = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ {direct_port} }}
ssl = {{ certificate = "{certificate}", key = "{key}"{trust} }}
VirtualHost "{domain}"
Component "rooms.{domain}" "muc"
    muc_room_cache_size = 1000000
    muc_room_default_history_length = 20
    muc_log_expires_after = "never"
    muc_log_include_total = false
    modules_enabled = {{ {room_modules} }}
{nodes}'''

PROSODY_ALONE = 'modules_disabled = { "s2s" }'

# /doc/modules/mod_s2s, /doc/dns: what Prosody asks libunbound for goes to a name server of ours.
# Without mod_dialback a certificate is the only proof of a domain.
PROSODY_FEDERATION = '''\
s2s_interfaces = {{ "127.0.0.1" }}
s2s_ports = {{ {s2s_port} }}
s2s_secure_auth = true
use_ipv6 = false
unbound = {{ resolvconf = false, forward = "127.0.0.1@{names_port}",
    options = {{ ["do-not-query-localhost:"] = "no" }} }}
'''


# /doc/modules/mod_pubsub: only administrators make nodes.
PROSODY_NODES = '''\
local publishers = {{}}
for i = 0, 99999 do publishers[i + 1] = "u" .. i .. "@{domain}" end
Component "pubsub.{domain}" "pubsub"
    admins = publishers
    pubsub_max_items = 1000
'''


class Prosody(Server):
    family, program = 'prosody', 'Prosody'
    stores = {'files': 'internal', 'SQLite': 'sql'}

    def command(self, nodes=False):
        (self.folder / 'data').mkdir(exist_ok=True)
        (self.folder / 'certs').mkdir(exist_ok=True)
        config = self.folder / 'prosody.cfg.lua'
        config.write_text(PROSODY.format(
            folder=self.folder, certificate=self.certificate, key=self.key, port=self.port,
            direct_port=self.direct_port, store=self.stores.get(self.archive, 'internal'),
            domain=self.domain, modules=self.more_modules() + (', "pep"' if nodes else ''),
            nodes=PROSODY_NODES.format(domain=self.domain) if nodes else '',
            federation=self.towards_others(PROSODY_FEDERATION) or PROSODY_ALONE,
            trust=f', cafile = "{self.others.authority}"' if self.others else '',
            room_modules='"muc_mam"' if self.archive else ''))
        return ['prosody', '-F', '--config', config]

    def more_modules(self):
        return (', "mam"' if self.archive else '') + (', "s2s_bidi"' if self.others else '')

    def version(self):
        return package_version('prosody')

    def lacks(self):
        return without_package('lua-dbi-sqlite3') if self.archive == 'SQLite' else ''


# docs.ejabberd.im: listen options, shapers, modules. Without a larger backlog the kernel drops
# connections that come together; registration_timeout is the pause between two registrations from
# one address, for which infinity means none. Rooms with more occupants than max_users_presence
# would not tell who comes and goes.
EJABBERD = '''\
loglevel: warning
hosts: ["{domain}"]
certfiles: ["{pem}"]
acme: {{ auto: false }}
listen:
  - {{ port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true, shaper: none,
      access: all, backlog: 1024 }}
  - {{ port: {direct_port}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true, shaper: none,
      access: all, backlog: 1024 }}
{federation}auth_password_format: scram
registration_timeout: infinity
max_fsm_queue: 100000
shaper_rules: {{ max_user_sessions: 1000, max_user_offline_messages: infinity }}
modules:
  mod_disco: {{}}
  mod_offline: {{ access_max_user_messages: max_user_offline_messages }}
  mod_ping: {{}}
  mod_register: {{ ip_access: all }}
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
  mod_carboncopy: {{}}
  mod_muc:
    host: rooms.{domain}
    history_size: 20
    max_users: 1000000
    max_users_presence: 1000000
    max_user_conferences: 1000000
    default_room_options: {{ max_users: 1000000{room_options} }}
'''

EJABBERD_NODES = '''\
  mod_caps: {{}}
  mod_pubsub:
    host: pubsub.{domain}
    access_createnode: all
    plugins: [flat, pep]
    max_items_node: 1000
'''

EJABBERD_ARCHIVE = '''\
  mod_mam: {{ default: always, db_type: {store} }}
sql_type: sqlite
sql_database: "{database}"
'''

# Still within the list of listeners. Without mod_s2s_dialback a certificate is the only proof of a
# domain.
EJABBERD_FEDERATION = '''\
  - {{ port: {s2s_port}, ip: "127.0.0.1", module: ejabberd_s2s_in, shaper: none, backlog: 1024 }}
s2s_use_starttls: required
s2s_cafile: "{authority}"
outgoing_s2s_families: [ipv4]
'''

# erlang.org/doc/apps/erts/inet_cfg: asks a name server of ours, and knows none of the system's.
INETRC = '''\
{{resolv_conf, ""}}.
{{hosts_file, ""}}.
{{lookup, [dns]}}.
{{nameserver, {{127, 0, 0, 1}}, {names_port}}}.
'''


class Ejabberd(Server):
    """Under Erlang without distribution, which needs no epmd. The options are those that its own
    ejabberdctl gives, and three that keep idle schedulers from spinning, which would count as
    CPU of the work."""

    family, program = 'ejabberd', 'ejabberd'
    stores = {'Mnesia': 'mnesia', 'SQLite': 'sql'}
    SCHEMA = Path('/usr/share/ejabberd/sql/lite.sql')

    def command(self, nodes=False):
        for name in ('data', 'logs'):
            (self.folder / name).mkdir(exist_ok=True)
        text = EJABBERD.format(pem=self.pem, port=self.port, direct_port=self.direct_port,
                               domain=self.domain,
                               federation=self.towards_others(EJABBERD_FEDERATION),
                               room_options=', mam: true' if self.archive else '')
        if nodes:
            text += EJABBERD_NODES.format(domain=self.domain)
        if self.archive:
            database = self.folder / 'data/ejabberd.sqlite'
            text += EJABBERD_ARCHIVE.format(store=self.stores[self.archive], database=database)
            if self.archive == 'SQLite' and not database.exists():
                self.make_tables(database)
        (self.folder / 'ejabberd.yml').write_text(text)
        (self.folder / 'inetrc').write_text(self.towards_others(INETRC))
        return ['erl', '-noinput', '+K', 'true', '+P', '250000', '+sbwt', 'none', '+sbwtdcpu',
                'none', '+sbwtdio', 'none', '-mnesia', 'dir', f'"{self.folder}/data"',
                '-s', 'ejabberd']

    def make_tables(self, database):
        """With the schema of its package."""
        with sqlite3.connect(database) as tables:
            tables.executescript(self.SCHEMA.read_text())

    def lacks(self):
        if self.archive != 'SQLite':
            return ''
        if not self.SCHEMA.exists():
            return 'its package has no schema for SQLite'
        return without_package('erlang-p1-sqlite3')

    def environment(self):
        libraries = subprocess.run(['dpkg', '-L', 'ejabberd'], capture_output=True, text=True)
        found = re.search(r'^(/\S+)/ejabberd-[^/]+/ebin$', libraries.stdout, re.M)
        names = {'ERL_INETRC': str(self.folder / 'inetrc')} if self.others else {}
        return {**os.environ, **names, 'HOME': str(self.folder),
                'ERL_LIBS': found.group(1) if found else '/usr/lib',
                'ERL_MAX_PORTS': str(processes.OPEN_FILES), 'ERL_MAX_ETS_TABLES': '1400',
                'ERL_CRASH_DUMP': str(self.folder / 'crash'),
                'EJABBERD_CONFIG_PATH': str(self.folder / 'ejabberd.yml'),
                'EJABBERD_LOG_PATH': str(self.folder / 'logs/ejabberd.log')}

    def version(self):
        return package_version('ejabberd')


class Floor(Server):
    """bench-floor, once plain and once under TLS."""

    family, program = 'floor', 'floor'
    speaks_xmpp = False

    def command(self, tls=False, occupants=0):
        sealed = ['--cert', self.certificate, '--key', self.key] if tls else []
        return [self.build / 'bench/bench-floor', '--port', self.port, '--occupants', occupants,
                *sealed]

    def version(self):
        return package_version('libgnutls30')


def package_version(name):
    said = output_of('dpkg-query', '-W', '-f', '${Version}', name).strip()
    return f'{name} {said}'


def without_package(name):
    """Nothing when it is installed, else what to say."""
    return '' if setup.is_installed(name) else f'the package {name} is not installed'


# Without an archive, and with it in each store that the server offers by itself.
PLAIN = ((Stentor, None), (Prosody, None), (Ejabberd, None))
ARCHIVE = ((Stentor, 'archive'), (Prosody, 'files'), (Prosody, 'SQLite'), (Ejabberd, 'Mnesia'),
           (Ejabberd, 'SQLite'))
