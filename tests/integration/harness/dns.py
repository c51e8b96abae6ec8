"""A name server (NSD) for tests, with a signed root and zones below it: signed ones, unsigned ones,
and some whose signatures are of no use."""
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from harness.server import Failed

START_SECONDS = 30
ALGORITHM = 'ECDSAP256SHA256'

CONFIG = '''\
server:
	ip-address: {address}@{port}
	zonesdir: "{folder}"
	username: ""
	chroot: ""
	pidfile: "{folder}/pid"
	zonelistfile: "{folder}/zone.list"
	xfrdfile: "{folder}/xfrd.state"
	xfrdir: "{folder}"
	logfile: "{folder}/log"
	server-count: 1
	rrl-ratelimit: 0
remote-control:
	control-enable: no
'''

HEADER = '''\
$ORIGIN {origin}
$TTL {ttl}
@ SOA {server} hostmaster.example. 1 3600 600 86400 {ttl}
@ NS {server}
'''

SIGNED, UNSIGNED, BOGUS = 'signed', 'unsigned', 'bogus'


class Dns:
    """The server, at an address of loopback. Resolvers forward to it all that they are asked, and
    trust `anchor`, a file with the key of the root."""

    @staticmethod
    def missing():
        """Why it cannot run here, or None."""
        for program in ('nsd', 'ldns-keygen', 'ldns-signzone'):
            if not shutil.which(program):
                return f'there is no program {program}'
        return None

    def __init__(self, address='127.0.0.53', port=53, ttl=60):
        self.folder = Path(tempfile.mkdtemp(prefix='stentor-dns-'))
        self.address, self.port, self.ttl = address, port, ttl
        self.zones = {}
        self.process = None
        self.anchor = self.folder / 'anchor'
        self.root_key = self.make_key('.')
        self.anchor.write_text(Path(f'{self.root_key}.key').read_text())

    @property
    def server(self):
        """As the option dns_servers of Stentor wants it."""
        return f'{self.address}@{self.port}'

    def zone(self, name, records, state=SIGNED):
        """Adds a zone, or puts other records into it. They stand in the form of zone files, below
        the name of the zone, one a line. A bogus zone has signatures from long ago. What changes
        while the server runs counts from the next start() on."""
        key = self.zones[name][2] if name in self.zones else self.make_key(name)
        self.zones[name] = (records, state, key)

    # ---- life ----

    def start(self):
        self.stop()
        self.write()
        self.process = subprocess.Popen(['nsd', '-d', '-c', str(self.folder / 'nsd.conf')],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection((self.address, self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise Failed(f'nsd does not come up: {(self.folder / "log").read_text()}')

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        self.process.wait()
        self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- files ----

    def write(self):
        config = CONFIG.format(address=self.address, port=self.port, folder=self.folder)
        delegations = [f'ns.example. A {self.address}']
        for name, (records, state, key) in self.zones.items():
            config += self.write_zone(f'{name}.', records, state, key)
            delegations.append(f'{name}. NS ns.example.')
            if state != UNSIGNED:
                delegations.append(Path(f'{key}.ds').read_text())
        config += self.write_zone('.', '\n'.join(delegations), SIGNED, self.root_key)
        (self.folder / 'nsd.conf').write_text(config)

    def write_zone(self, origin, records, state, key):
        """Its files; its part of the configuration."""
        path = self.folder / f'zone-{origin.rstrip(".") or "root"}'
        path.write_text(HEADER.format(origin=origin, ttl=self.ttl, server='ns.example.') +
                        re.sub(r'^\s+', '', records, flags=re.M) + '\n')
        if state != UNSIGNED:
            times = ['-i', '20200101', '-e', '20200201'] if state == BOGUS else []
            self.run('ldns-signzone', *times, '-f', f'{path}.signed', str(path), str(key))
            path = Path(f'{path}.signed')
        return f'zone:\n\tname: "{origin}"\n\tzonefile: "{path}"\n'

    def make_key(self, name):
        """The path of its files, without what tells them apart."""
        return self.folder / self.run('ldns-keygen', '-a', ALGORITHM, '-k', '-r', '/dev/urandom',
                                      name).strip()

    def run(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f'{" ".join(command)}: {done.stderr}')
        return done.stdout
