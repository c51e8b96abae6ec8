"""Pairs of servers that talk to each other, and how they find and trust each other."""
import socketserver
import struct
import threading
from collections import namedtuple
from itertools import combinations_with_replacement

from comparing import servers, setup

# authority: file with the certificate that all trust; names: the Names that all ask.
Others = namedtuple('Others', 'authority names')

A, SRV = 1, 33               # RFC 1035 section 3.2.2, RFC 2782
ANSWER, NAME_ERROR = 0x8580, 0x8583  # with AA, RD and RA (RFC 1035 section 4.1.1)
THE_NAME_ASKED = 0xc00c      # a pointer to it (RFC 1035 section 4.1.4)
TTL = 3600


def labels(name):
    """A name as it is on the wire."""
    return b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0'


LOCALHOST = labels('localhost')


class Names(socketserver.UDPServer):
    """A name server on loopback, in a thread of this program, which knows at which port the server
    of a domain is. All are at localhost: ejabberd asks a name server for SRV records alone, and the
    system for addresses."""

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Question)
        self.port = self.server_address[1]
        self.records = {(LOCALHOST, A): bytes([127, 0, 0, 1])}  # by name on the wire, and type
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def add(self, domain, port):
        name = labels(f'_xmpp-server._tcp.{domain}')
        self.records[name, SRV] = struct.pack('!HHH', 0, 0, port) + LOCALHOST

    def answer(self, query):
        """To a query for one name; None to what is none."""
        end = query.find(b'\0', 12) + 1
        if not 12 < end <= len(query) - 4:
            return None
        name, (kind, of_class) = query[12:end].lower(), struct.unpack('!HH', query[end:end + 4])
        data = self.records.get((name, kind))
        known = any(name == other for other, _ in self.records)
        head = struct.pack('!HHHHH', ANSWER if known else NAME_ERROR, 1, bool(data), 0, 0)
        record = b''
        if data:
            record = struct.pack('!HHHIH', THE_NAME_ASKED, kind, of_class, TTL, len(data)) + data
        return query[:2] + head + query[12:end + 4] + record


class Question(socketserver.BaseRequestHandler):
    def handle(self):
        query, socket = self.request
        if answer := self.server.answer(query):
            socket.sendto(answer, self.client_address)


class Pair:
    """Two servers that are started, stopped and measured as one."""

    speaks_xmpp = True
    archive = None

    def __init__(self, folder, build, kinds, issuer, names):
        self.name = '-'.join(kind.family for kind in kinds)
        self.label = ' and '.join(kind.program for kind in kinds)
        folder = folder / self.name
        self.both = []
        for kind, side in zip(kinds, ('near', 'far')):
            place = folder / side
            place.mkdir(parents=True)
            domain = f'{side}.{self.name}.example'
            server = kind(place, setup.issued(place, issuer, domain), build, domain=domain,
                          others=Others(issuer[0], names))
            names.add(domain, server.s2s_port)
            self.both.append(server)

    def start(self):
        for server in self.both:
            try:
                server.start()
            except servers.CannotStart:
                self.stop()
                raise

    def stop(self):
        for server in self.both:
            server.stop()

    def target(self, tls):
        """Options of stentor-bench."""
        near, far = self.both
        return [*near.target(tls), '--far-port', far.port, '--far-domain', far.domain,
                '--far-pid', far.pid]

    def registrations(self, accounts):
        """See servers.Server: the first half on one, the second on the other."""
        half = accounts // 2
        return [(server, ['--users', half, '--first', half * place])
                for place, server in enumerate(self.both)]


def pairs(folder, build, only):
    """All of two kinds, or of those alone that `only` names."""
    kinds = [kind for kind, _ in servers.PLAIN if not only or kind.family in only]
    issuer, names = setup.authority(folder), Names()
    return [Pair(folder, build, two, issuer, names)
            for two in combinations_with_replacement(kinds, 2)]
