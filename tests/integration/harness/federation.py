"""Servers that talk to each other: Stentor, Prosody and ejabberd in a network of their own, with
names and certificates such as the Internet has."""
import itertools
import os
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path

from harness.authority import Authority
from harness.dns import BOGUS, SIGNED, UNSIGNED, Dns
from harness.network import Network
from harness.peers import Ejabberd, Prosody
from harness.server import Failed, Server

__all__ = ['BOGUS', 'CERTIFICATE', 'DIALBACK', 'SIGNED', 'UNSIGNED', 'EjabberdSite',
           'ProsodySite', 'StentorSite', 'World']

SECONDS = 30  # that a log may take to have what happened
PASSWORD = 'O Romeo, Romeo!'

# How a site lets others prove who they are, and proves who it is. By dialback it has a certificate
# of its own making.
CERTIFICATE, DIALBACK = 'certificate', 'dialback'


class Site:
    """What all servers have here: a domain with rooms, an address, and accounts; Stentor has nodes,
    too. Options:

    security: CERTIFICATE or DIALBACK
    direct: others find it by TLS from the first byte alone (XEP-0368)
    bidi: streams carry both ways (XEP-0288)
    dane: certificates are held to TLSA records (RFC 7712), and it has one itself, of its
        certificate or as tlsa says
    offers_dialback: to those whose certificates prove nothing, too
    zone: whether its zone is signed
    """

    names = itertools.count(1)

    def join(self, world, domain, address, identity, security=CERTIFICATE, direct=False, bidi=False,
             dane=False, tlsa=None, offers_dialback=False, zone=SIGNED):
        self.world, self.domain, self.address, self.identity = world, domain, address, identity
        self.security, self.direct, self.bidi, self.dane = security, direct, bidi, dane
        self.tlsa, self.zone = tlsa or identity.tlsa(), zone
        self.dialback = offers_dialback or security == DIALBACK
        self.rooms, self.nodes = f'rooms.{domain}', f'pubsub.{domain}'

    def records(self):
        """Those of its zone."""
        lines = [f'xmpp A {self.address}']
        for name in ('', '.rooms', '.pubsub'):
            service, port = ('_xmpps-server', 5270) if self.direct else ('_xmpp-server', 5269)
            lines.append(f'{service}._tcp{name} SRV 0 0 {port} xmpp')
        if self.dane:
            lines += [f'_{port}._tcp.xmpp TLSA {self.tlsa}' for port in (5269, 5270)]
        return '\n'.join(lines)

    def certificate(self, domain):
        """What clients trust."""
        own = self.identity.read()
        return str(self.identity.certificate if own.issuer == own.subject else
                   self.world.authority.certificate)

    def new_account(self):
        return self.account(f'user{next(Site.names)}', PASSWORD)

    def somebody(self, resource='r', roster=False):
        """A client of a new account, online. roster: it hears of what its roster becomes."""
        account = self.new_account()
        client = self.login(account, resource)
        if roster:
            client.get("<query xmlns='jabber:iq:roster'/>")
        client.send('<presence/>')
        client.presence(from_=client.jid)
        client.account, client.bare = account, account.jid
        return client

    def proofs(self):
        """How it came to trust domains, and was trusted, by its log: ('in' or 'out', 'EXTERNAL' or
        'dialback', domain)."""
        raise NotImplementedError

    def wait_proofs(self, wanted):
        """Until the log has these, and no others."""
        deadline = time.monotonic() + SECONDS
        while not wanted <= self.proofs():
            if time.monotonic() > deadline:
                raise Failed(f'{self.domain} has {self.proofs()} instead of {wanted}')
            time.sleep(0.05)
        assert self.proofs() == wanted

    def end(self):
        """A test is over."""
        if self.process:
            self.kill()

    def freeze(self):
        """It runs no more, and its connections stay."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)


STENTOR = '''\
federation {{
	security = {security}
	bidi = {bidi}
	ca_file = "{authority}"
	dns_servers = {{ "{dns.server}" }}
	dns_anchor = "{dns.anchor}"
	{more}
}}
listener {{ type = s2s address = "{address}" port = 5269 }}
listener {{ type = s2s_direct_tls address = "{address}" port = 5270 }}
'''


class StentorSite(Site, Server):
    """more: lines of its section about federation. It is stopped in order at the end of a test, so
    that its log is looked at; quickly, if those who were made after it are gone."""

    def __init__(self, world, domain, address, identity, more='', shards=2, **options):
        self.join(world, domain, address, identity, **options)
        host = f'certificate = "{identity.certificate}"\nkey = "{identity.key}"'
        Server.__init__(
            self, shards=shards, hosts={domain: f'{host}\nroom_makers = anybody'},
            top=STENTOR.format(
                security=self.security, bidi=str(self.bidi).lower(), dns=world.dns,
                address=address, authority=world.authority.certificate, more=more))

    @staticmethod
    def missing():
        return None

    def new_account(self):
        return self.account(domain=self.domain)

    def end(self):
        self.stop()


PROSODY = '''\
s2s_interfaces = {{ "{address}" }}
s2s_direct_tls_interfaces = {{ "{address}" }}
s2s_ports = {{ 5269 }}
s2s_direct_tls_ports = {{ 5270 }}
s2s_secure_auth = {secure_auth}
use_dane = {dane}
use_ipv6 = false
unbound = {{ resolvconf = false, hoststxt = false, forward = "{dns.address}",
	trustfile = "{dns.anchor}", options = {{ ["do-not-query-localhost:"] = "no" }} }}
muc_room_default_public = true
'''


class ProsodySite(Site, Prosody):
    missing = Prosody.missing

    def __init__(self, world, domain, address, identity, **options):
        self.join(world, domain, address, identity, **options)
        modules = ['vcard_legacy', 'carbons', 'ping', 'smacks', 's2s_bidi' if self.bidi else 'time']
        if self.dialback:
            modules.append('dialback')
        Prosody.__init__(
            self, domain=domain, identity=identity, authority=world.authority.certificate,
            hash='SHA-256', modules=modules, level='debug', federation=PROSODY.format(
                address=address, dns=world.dns, dane=str(self.dane).lower(),
                secure_auth='true' if self.security == CERTIFICATE else 'false'))

    def listens(self):
        return [*super().listens(), (self.address, 5269)]

    def proofs(self):
        log = (self.folder / 'log').read_text()
        found = {('in', 'EXTERNAL', domain) for domain in
                 re.findall(r'Accepting SASL EXTERNAL identity from (\S+)', log)}
        found |= {('out', 'EXTERNAL', domain) for domain in
                  re.findall(r'SASL EXTERNAL with (\S+) succeeded', log)}
        found |= {('in', 'dialback', domain) for domain in
                  re.findall(r'asking (\S+) if key', log)}
        return found | {('out', 'dialback', domain) for domain in
                        re.findall(r'Outgoing s2s connection \S+->(\S+) complete', log)
                        if ('out', 'EXTERNAL', domain) not in found}


EJABBERD = '''\
s2s_cafile: "{authority}"
s2s_use_starttls: required
s2s_dns_timeout: 5
s2s_max_retry_delay: 1
outgoing_s2s_families: [ipv4]
outgoing_s2s_timeout: 20
auth_scram_hash: sha256
'''

EJABBERD_LISTENERS = '''\
  - {{ port: 5269, ip: "{address}", module: ejabberd_s2s_in }}
  - {{ port: 5270, ip: "{address}", module: ejabberd_s2s_in, tls: true }}'''


class EjabberdSite(Site, Ejabberd):
    missing = Ejabberd.missing

    def __init__(self, world, domain, address, identity, **options):
        self.join(world, domain, address, identity, **options)
        modules = ['mod_carboncopy', 'mod_ping']
        if self.dialback:
            modules.append('mod_s2s_dialback')
        if self.bidi:
            modules.append('mod_s2s_bidi')
        Ejabberd.__init__(
            self, domain=domain, identity=identity, authority=world.authority.certificate,
            listeners=EJABBERD_LISTENERS.format(address=address), level='debug',
            modules='\n'.join(f'  {module}: {{}}' for module in modules),
            federation=EJABBERD.format(
                authority=world.authority.certificate))
        (self.folder / 'resolv.conf').write_text(f'nameserver {world.dns.address}\n')

    def command(self):
        """It asks the system for addresses, and so sees another /etc/resolv.conf than others."""
        return ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"',
                str(self.folder / 'resolv.conf'), *super().command()]

    def listens(self):
        return [*super().listens(), (self.address, 5269)]

    def proofs(self):
        log = (self.folder / 'logs/ejabberd.log').read_text()
        found = re.findall(r'Accepted (in|out)bound s2s (EXTERNAL|dialback) authentication '
                           r'(\S+) -> (\S+)', log)
        return {(way, proof, source if way == 'in' else target)
                for way, proof, source, target in found}


class World:
    """The network, the authority, the names, and the sites of a test."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix='stentor-world-'))
        self.authority = Authority(self.folder)
        self.dns = Dns()
        self.sites = []

    @staticmethod
    def missing():
        """Why there can be none here, or None."""
        return Network.missing() or Dns.missing()

    def __enter__(self):
        self.network = Network().__enter__()
        return self

    def __exit__(self, *failure):
        try:
            for site in reversed(self.sites):
                site.end()
        finally:
            for site in self.sites:
                site.remove()
            self.dns.remove()
            self.network.__exit__(*failure)
            shutil.rmtree(self.folder, ignore_errors=True)

    def issue(self, domain, **options):
        """A certificate for a domain, its rooms and its nodes, for servers' use alone, as public
        authorities issue them."""
        return self.authority.issue(
            domain, dns=(domain, f'rooms.{domain}', f'pubsub.{domain}'), **options)

    def site(self, kind, domain, identity=None, **options):
        """A server that is not started yet."""
        identity = identity or self.issue(domain, self_signed=options.get('security') == DIALBACK)
        address = f'10.0.0.{len(self.sites) + 1}'
        self.network.add_address(address)
        made = kind(self, domain, address, identity, **options)
        self.sites.append(made)
        self.dns.zone(domain, made.records(), made.zone)
        return made

    def start(self):
        """All of them."""
        self.dns.start()
        for site in self.sites:
            site.start()
        return self
