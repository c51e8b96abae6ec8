"""Other servers, as Debian packages them: to make data with that Stentor is to take over, and to
federate with (harness.federation)."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from harness.certs import make_certificate
from harness.client import Client
from harness.server import Account, Failed, Server
from harness.xmpp import name, show

START_SECONDS = 90


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Peer:
    """A server with one host and a folder of its own. identity: certificate and key, self-signed
    ones unless told otherwise; authority: who issued it."""

    package = None

    @classmethod
    def missing(cls):
        """Why it cannot run here, or None."""
        if shutil.which(cls.package) or shutil.which(f'{cls.package}ctl'):
            return None
        return f'the package {cls.package} is not installed'

    def __init__(self, domain='example.org', identity=None, authority=None):
        self.domain = domain
        self.folder = Path(tempfile.mkdtemp(prefix=f'stentor-{self.package}-'))
        self.crt, self.key = identity or make_certificate(self.folder, domain)
        self.authority = authority or self.crt
        self.ports = {'c2s': free_port(), 'c2s_direct_tls': free_port()}
        self.process = None

    def certificate(self, domain):
        return str(self.authority)

    # What a test does with Stentor it does with a peer, by the same calls.
    secure, login, online = Server.secure, Server.login, Server.online

    def connect(self, kind='c2s', **options):
        return Client(self, kind, **options)

    def start(self):
        with (self.folder / 'output').open('w') as out:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, stdout=out,
                                            stderr=out, stdin=subprocess.DEVNULL,
                                            env=self.environment())
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                for place in self.listens():
                    socket.create_connection(place, 1).close()
                return self
            except OSError:
                time.sleep(0.1)
        raise Failed(f'{self.package} does not come up: {(self.folder / "output").read_text()}')

    def listens(self):
        """Where there is somebody when it is up."""
        return [('127.0.0.1', self.ports['c2s_direct_tls'])]

    def environment(self):
        return dict(os.environ)

    def kill(self):
        """As a crash does it."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


PROSODY = '''\
run_as_root = true
data_path = "{folder}/data"
pidfile = "{folder}/pid"
log = {{ {level} = "{folder}/log" }}
storage = "{storage}"
sql = {{ driver = "SQLite3", database = "prosody.sqlite" }}
authentication = "internal_{passwords}"
password_hash = "{hash}"
modules_enabled = {{ "disco", "roster", "saslauth", "tls", "posix", "private", "{vcard}",
	"offline", "mam", "blocklist", "pep"{modules} }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {ports[c2s]} }}
c2s_direct_tls_ports = {{ {ports[c2s_direct_tls]} }}
ssl = {{ certificate = "{crt}", key = "{key}", cafile = "{authority}" }}
{federation}
VirtualHost "{domain}"
Component "rooms.{domain}" "muc"
	modules_enabled = {{ "muc_mam" }}
'''


class Prosody(Peer):
    """storage: internal or sql; hash of the passwords, or None for plain ones; vcard: the module
    that keeps vCards, vcard_legacy as PEP nodes; modules: more of them; federation: the lines that
    are about other servers; level of the log."""

    package = 'prosody'

    def __init__(self, storage='internal', hash='SHA-1', vcard='vcard', modules=(),
                 federation='modules_disabled = { "s2s" }', level='warn', **options):
        super().__init__(**options)
        (self.folder / 'data').mkdir()
        (self.folder / 'certs').mkdir()
        self.config = self.folder / 'prosody.cfg.lua'
        self.config.write_text(PROSODY.format(
            folder=self.folder, storage=storage, hash=hash or 'SHA-1', ports=self.ports,
            vcard=vcard, passwords='hashed' if hash else 'plain', crt=self.crt, key=self.key,
            authority=self.authority, domain=self.domain, federation=federation, level=level,
            modules=''.join(f', "{module}"' for module in modules)))
        self.scram = f'SCRAM-{hash or "SHA-1"}'
        self.database = self.folder / 'data/prosody.sqlite'
        self.data = self.folder / 'data'

    def command(self):
        return ['prosody', '-F', '--config', str(self.config)]

    def account(self, user, password):
        subprocess.run(['prosodyctl', '--config', str(self.config), 'register', user, self.domain,
                        password], check=True, capture_output=True)
        return Account(user, self.domain, password)


EJABBERD = '''\
loglevel: {level}
hosts: ["{domain}"]
certfiles: ["{pem}"]
acme: {{ auto: false }}
listen:
  - {{ port: {ports[c2s]}, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true }}
  - {{ port: {ports[c2s_direct_tls]}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true }}
  - {{ port: {http}, ip: "127.0.0.1", module: ejabberd_http,
      request_handlers: {{ /api: mod_http_api }} }}
{listeners}
api_permissions:
  all: {{ who: all, what: "*" }}
auth_password_format: {passwords}
{database}
{federation}
modules:
  mod_caps: {{}}
  mod_disco: {{}}
  mod_offline: {{}}
  mod_roster: {{}}
  mod_vcard: {{}}
  mod_private: {{}}
  mod_privacy: {{}}
  mod_blocking: {{}}
  mod_mam: {{ default: always }}
  mod_muc: {{ host: "rooms.{domain}" }}
  mod_pubsub: {{ plugins: [flat, pep] }}
{modules}
'''

SQLITE = '''\
default_db: sql
sql_type: sqlite
sql_database: "{folder}/ejabberd.sqlite"'''


class Ejabberd(Peer):
    """Under Erlang without distribution, which needs no epmd; commands go over its HTTP API.
    sql: SQLite instead of Mnesia; listeners, modules, federation: more lines of its configuration;
    level of the log."""

    package = 'ejabberd'
    scram = 'SCRAM-SHA-1'

    def __init__(self, sql=False, passwords='scram', listeners='', modules='', federation='',
                 level='warning', **options):
        super().__init__(**options)
        for name in ('mnesia', 'logs'):
            (self.folder / name).mkdir()
        pem = self.folder / 'both.pem'
        pem.write_bytes(self.key.read_bytes() + self.crt.read_bytes())
        self.http = free_port()
        (self.folder / 'ejabberd.yml').write_text(EJABBERD.format(
            pem=pem, ports=self.ports, http=self.http, passwords=passwords, domain=self.domain,
            database=SQLITE.format(folder=self.folder) if sql else '', listeners=listeners,
            modules=modules, federation=federation, level=level))
        self.database = self.folder / 'ejabberd.sqlite'

    def command(self):
        return ['erl', '-noinput', '+sbwt', 'none', '-mnesia', 'dir', f'"{self.folder}/mnesia"',
                '-s', 'ejabberd']

    def environment(self):
        listed = subprocess.run(['dpkg', '-L', 'ejabberd'], capture_output=True, text=True)
        found = re.search(r'^(/\S+)/ejabberd-[^/]+/ebin$', listed.stdout, re.M)
        return {**os.environ, 'HOME': str(self.folder),
                'ERL_LIBS': found.group(1) if found else '/usr/lib',
                'ERL_CRASH_DUMP': str(self.folder / 'crash'),
                'EJABBERD_CONFIG_PATH': str(self.folder / 'ejabberd.yml'),
                'EJABBERD_LOG_PATH': str(self.folder / 'logs/ejabberd.log')}

    def api(self, command, **arguments):
        request = urllib.request.Request(f'http://127.0.0.1:{self.http}/api/{command}',
                                         json.dumps(arguments).encode(),
                                         {'Content-Type': 'application/json'})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def account(self, user, password):
        self.api('register', user=user, host=self.domain, password=password)
        return Account(user, self.domain, password)

    def export(self, last):
        """`ejabberdctl export_piefxis`: the main file of those that it wrote, once what was
        done last is in them."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            folder = Path(tempfile.mkdtemp(dir=self.folder))
            self.api('export_piefxis', dir=str(folder))
            files = {'_' in path.name: path for path in folder.iterdir()}
            if last in files[True].read_text():
                return files[False]
            time.sleep(0.1)
        raise Failed(f'ejabberd never exported {last}')


ROSTER = "<query xmlns='jabber:iq:roster'>{}</query>"


def login(peer, account, resource):
    """A client that is online and wants its roster."""
    client = peer.secure(peer.domain)
    answer = client.scram(account.user, account.password, peer.scram)
    assert answer.tag == name('sasl:success'), show(answer)
    client.open()
    client.bind(resource)
    client.get(ROSTER.format(''))
    client.send('<presence/>')
    client.presence(from_=client.jid)
    return client


OWNER = ("<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
         "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
         '{}</x></query>')
ADMIN = "<query xmlns='http://jabber.org/protocol/muc#admin'>{}</query>"
NICKNAME = ("<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"
            "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
            "<field var='muc#register_roomnick'><value>{}</value></field></x></query>")


def fill_room(peer, juliet, romeo, **more):
    """Makes a room of juliet's, in which both have said something. more: of its configuration."""
    hers, his = login(peer, juliet, 'balcony'), login(peer, romeo, 'garden')
    room = f'garden@rooms.{peer.domain}'
    enter = "<presence to='{}'><x xmlns='http://jabber.org/protocol/muc'>{}</x></presence>"
    hers.send(enter.format(f'{room}/jul', ''))
    hers.presence(from_=f'{room}/jul')
    fields = {'persistentroom': 1, 'roomname': 'The garden', 'roomdesc': 'ü', 'publicroom': 0,
              'membersonly': 1, 'passwordprotectedroom': 1, 'roomsecret': 'sesam',
              'whois': 'anyone', 'moderatedroom': 1, 'changesubject': 1, **more}
    hers.set(OWNER.format(''.join(f"<field var='muc#roomconfig_{name}'><value>{value}</value></field>"
                                  for name, value in fields.items())), to=room)
    for jid, affiliation in ((romeo.jid, 'member'), ('nurse@example.net', 'admin'),
                             ('tybalt@example.org', 'outcast')):
        hers.set(ADMIN.format(f"<item affiliation='{affiliation}' jid='{jid}'/>"), to=room)
    if peer.package == 'prosody':
        hers.set(NICKNAME.format('jul'), to=room)
    his.send(enter.format(f'{room}/rom', '<password>sesam</password>'))
    his.presence(from_=f'{room}/rom')
    hers.send(f"<message type='groupchat' to='{room}'><subject>night</subject></message>")
    for client, text in ((hers, 'hello'), (his, 'who is there?')):
        client.send(f"<message type='groupchat' to='{room}' id='{len(text)}'><body>{text}</body></message>")
        client.message(id=str(len(text)))


def fill(peer, juliet, romeo):
    """Makes data of every kind: juliet's, at which romeo plays his part. Two messages are
    delivered to her and answered, two wait for her."""
    hers, his = login(peer, juliet, 'balcony'), login(peer, romeo, 'garden')
    hers.set(ROSTER.format(f"<item jid='{romeo.jid}' name='Romeo &amp; &quot;x&quot;'>"
                           '<group>Friends</group><group>Mädels</group></item>'))
    hers.set(ROSTER.format("<item jid='nurse@example.net' name='Nurse'/>"))
    hers.send(f"<presence to='{romeo.jid}' type='subscribe'/>")
    his.presence(type='subscribe')
    his.send(f"<presence to='{juliet.jid}' type='subscribed'/>")
    hers.presence(type='subscribed')
    hers.send("<presence to='nurse@example.net' type='subscribe'/>")
    hers.set("<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN>"
             '<PHOTO><TYPE>image/png</TYPE><BINVAL>aGVsbG8=</BINVAL></PHOTO>'
             '<NOTE>two\nlines &lt;&amp;</NOTE></vCard>')
    hers.set("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
             "<conference jid='park@rooms.example' name='a&apos;b'/></storage></query>")
    hers.set("<block xmlns='urn:xmpp:blocking'><item jid='tybalt@example.org'/></block>")
    hers.set("<prefs xmlns='urn:xmpp:mam:2' default='roster'>"
             f'<always><jid>{romeo.jid}</jid></always>'
             '<never><jid>tybalt@example.org</jid></never></prefs>')
    hers.set("<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
             "<publish node='http://jabber.org/protocol/nick'><item id='current'>"
             "<nick xmlns='http://jabber.org/protocol/nick'>J</nick></item></publish></pubsub>")
    hers.send(f"<message to='{romeo.jid}/garden' type='chat' id='m1'><body>Who &lt;are&gt; you?\n"
              '😀</body></message>')
    his.message(id='m1')
    his.send(f"<message to='{juliet.jid}/balcony' type='chat' id='m2'><body>me</body></message>")
    hers.message(id='m2')
    hers.send("<presence type='unavailable'/></stream:stream>")
    hers.wait_closed()
    for number, text in (('m3', 'are you there?'), ('m4', 'hello?')):
        his.send(f"<message to='{juliet.jid}' type='chat' id='{number}'><body>{text}</body>"
                 '</message>')
    his.send(f"<presence to='{juliet.jid}' type='subscribe'/>")
    his.send("<iq type='get' id='last'><query xmlns='jabber:iq:roster'/></iq>")
    his.iq(id='last')
    his.close()
