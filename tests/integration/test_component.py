"""Components over sockets (XEP-0114, docs/components.md). The rules of the protocol are in
tests/script/xep0114_component.txt; here is what needs sockets, TLS, time and reloading."""
import hashlib
import signal
import ssl
import time

import pytest

from harness import StreamClosed, condition, find, text_of
from harness.component import HEADER, LISTENERS, Component, section

DOMAIN = 'irc.example.org'
MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"
TOP = LISTENERS + section(DOMAIN) + section('two.example.org', connections=2)
SERVER = {'top': TOP}


def component(server, domain=DOMAIN, **options):
    return Component(server, domain, **options)


def join(server, domain=DOMAIN, **options):
    return component(server, domain, **options).join()


# ---- hostile bytes ----

HOSTILE = [
    (b'\x16\x03\x01\x02\x00\x01\x00', 'not-well-formed'),
    (b'GET / HTTP/1.1\r\nHost: irc\r\n\r\n', 'not-well-formed'),
    (b"<?xml version='1.0' encoding='UTF-16'?>", 'unsupported-encoding'),
    (b"<!DOCTYPE stream [<!ENTITY a 'a'>]>", 'restricted-xml'),
    (HEADER.format('x@irc.example.org').encode(), 'host-unknown'),
    (HEADER.format('example.org').encode(), 'host-unknown'),
    (HEADER.format('rooms.example.org').encode(), 'host-unknown'),
    (b"<stream:stream xmlns='jabber:component:accept' to='" + b'x' * 20000, 'policy-violation'),
    (HEADER.format(DOMAIN).encode() + b'<handshake>' + b'a' * 20000, 'policy-violation'),
    (HEADER.format(DOMAIN).encode() + b'<handshake/>', 'not-authorized'),
    (HEADER.format(DOMAIN).encode() + b"<iq type='get' id='1'/>", 'not-authorized'),
    (HEADER.format(DOMAIN).encode() + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
     'unsupported-stanza-type'),
    (HEADER.format(DOMAIN).encode() + b'\xff', 'unsupported-encoding'),
]


@pytest.mark.parametrize('data, wanted', HOSTILE)
def test_hostile_bytes(server, others_are_served, data, wanted):
    """RFC 6120 section 4.9: an error behind a header, then the end; whole and byte by byte."""
    whole = component(server)
    whole.send(data)
    assert whole.stream_error() == wanted
    pieces = component(server)
    for byte in data[:400]:
        pieces.send(bytes([byte]))
    pieces.send(data[400:])
    assert pieces.stream_error() == wanted


def test_wrong_secret(server):
    """Section 3: the stream and the connection end."""
    client = component(server)
    client.open()
    before = server.stats()['login_failures']
    client.handshake('wrong')
    assert client.stream_error() == 'not-authorized'
    assert server.stats()['login_failures'] == before + 1


def test_cut_off_anywhere(server, others_are_served):
    """A component may vanish at any byte."""
    data = HEADER.format(DOMAIN) + '<handshake>0123</handshake>'
    for n in range(0, len(data), 7):
        client = component(server)
        client.send(data[:n])
        client.reset()
    server.wait_stat('components', 0)


def test_stanza_bytes(server):
    """stanza_bytes behind the handshake, as for a client."""
    client = join(server)
    client.send(f"<message from='{DOMAIN}' to='x@example.org'><body>{'x' * 270000}")
    assert client.stream_error() == 'policy-violation'


def test_time_for_the_handshake(make_server):
    """login_seconds, until the handshake."""
    server = make_server(top=TOP, limits='login_seconds = 1')
    client, joined = component(server), join(server)
    client.open()
    assert client.stream_error() == 'connection-timeout'
    assert joined.sync() == []


def test_half_open(make_server):
    """half_open_per_address counts components too, until the handshake."""
    server = make_server(top=TOP, limits='half_open_per_address = 2')
    joined = join(server)
    waiting = [component(server) for _ in range(2)]
    for client in waiting:
        client.open()
    third = component(server)
    third.wait_closed()
    assert joined.sync() == []
    waiting[0].close()
    server.wait_stat('connections_refused', 1)


# ---- TLS ----

def test_direct_tls(server):
    """A listener of type component_direct_tls."""
    client = component(server, kind='component_direct_tls')
    context = ssl.create_default_context(cafile=server.certificate('example.org'))
    client.socket = context.wrap_socket(client.socket, server_hostname='example.org')
    client.join()
    assert client.sync() == []
    client.send('</stream:stream>')
    client.wait_end()


# ---- life ----

def test_conversation(server):
    """Accounts on both shards, and a component; every message in order, both ways."""
    client = join(server)
    people = [server.online(account) for account in server.two_accounts()]
    for person in people:
        for n in range(50):
            person.send(f"<message to='x@{DOMAIN}' type='chat'><body>{n}</body></message>")
            client.send(f"<message from='x@{DOMAIN}' to='{person.jid}' type='chat'>"
                        f'<body>{n}</body></message>')
    for person in people:
        for n in range(50):
            assert text_of(person.message(from_=f'x@{DOMAIN}'), 'body') == str(n)
            assert text_of(client.message(from_=person.jid), 'body') == str(n)


def test_two_connections(server):
    """Each addressee's stanzas come over one of them; when it is lost, over the other."""
    both = [join(server, 'two.example.org') for _ in range(2)]
    third = component(server, 'two.example.org')
    third.open()
    third.handshake()
    assert third.stream_error() == 'conflict'
    person = server.online(server.account())
    for n in range(3):
        for user in range(40):
            person.send(f"<message to='u{user}@two.example.org' id='{user}-{n}'/>")
    got = {}
    for which, client in enumerate(both):
        place = f'w{which}@two.example.org'
        client.send(f"<message from='{place}' to='{person.jid}'/>")
        person.message(from_=place)
    server.wait_stat('component_stanzas_out', lambda value: value >= 120)
    for which, client in enumerate(both):
        client.socket.settimeout(0.5)
        try:
            while True:
                client._receive('more')
        except AssertionError:
            pass
        client.socket.settimeout(60)
        for message in client.inbox:
            user, n = message.get('id').split('-')
            got.setdefault(user, []).append((which, int(n)))
        client.inbox = []
    assert len(got) == 40
    for seen in got.values():
        assert len({which for which, _ in seen}) == 1
        assert [n for _, n in seen] == [0, 1, 2]
    assert {seen[0][0] for seen in got.values()} == {0, 1}
    both[0].reset()
    server.wait_stat('components', 1)
    for user in range(40):
        person.send(f"<message to='u{user}@two.example.org' id='again-{user}'/>")
    for user in range(40):
        both[1].message(id=f'again-{user}')


def test_away_and_back(make_server):
    """What is sent while the component is away waits for it, and comes in order; after
    queue_seconds it is refused (RFC 6120 section 8.3.3.17)."""
    server = make_server(top=LISTENERS + section(DOMAIN, queue_seconds=3))
    person = server.online(server.account())
    client = join(server)
    client.reset()
    server.wait_stat('components', 0)
    for n in range(10):
        person.send(f"<message to='x@{DOMAIN}' id='{n}'><body>{n}</body></message>")
    server.wait_stat('component_bytes_waiting', lambda value: value > 0)
    client = join(server)
    for n in range(10):
        assert text_of(client.message(), 'body') == str(n)
    server.wait_stat('component_bytes_waiting', 0)
    client.reset()
    server.wait_stat('components', 0)
    person.send(f"<message to='x@{DOMAIN}' id='late'><body>1</body></message>")
    started = time.monotonic()
    refused = person.message(id='late')
    assert condition(refused) == 'remote-server-timeout'
    assert find(refused, 'error').get('type') == 'wait'
    assert time.monotonic() - started > 2
    assert server.stats()['component_bytes_waiting'] == 0


def test_slow_reader(make_server):
    """output_bytes: who does not read is given up, and what has no room waits for the next."""
    server = make_server(top=TOP, limits='output_bytes = 64K\nstanza_bytes = 20000')
    person = server.online(server.account())
    client = component(server, receive_buffer=4096).join()
    body = 'x' * 10000
    sent = 0
    while server.stats()['components']:
        assert sent < 5000
        for _ in range(50):
            person.send(f"<message to='x@{DOMAIN}' type='headline' id='{sent}'>"
                        f'<body>{body}</body></message>')
            sent += 1
        person.sync()
    server.wait_log('slow_reader')
    client.wait_closed()
    fresh = join(server)
    assert fresh.message(type='headline')
    person.send(f"<message to='x@{DOMAIN}' id='last'/>")
    fresh.message(id='last')


def test_server_stops_and_starts(make_server):
    """RFC 6120 section 4.9.3.20; a component connects again."""
    server = make_server(top=TOP)
    client = join(server)
    server.process.send_signal(signal.SIGTERM)
    assert client.stream_error() == 'system-shutdown'
    assert server.wait() == 0
    server.process = None
    server.start()
    assert join(server).sync() == []


def test_server_crashes(make_server):
    server = make_server(top=TOP)
    client = join(server)
    server.kill()
    client.wait_closed()
    server.start()
    assert join(server).sync() == []


# ---- reloading ----

def test_reload(make_server):
    """Adds components, takes them away, and changes secrets; who is connected stays unless its
    component is gone."""
    server = make_server(top=TOP)
    person = server.online(server.account())
    client, other = join(server), join(server, 'two.example.org')
    server.write_config(top=LISTENERS + section(DOMAIN, 'changed') + section('new.example.org'))
    assert server.ctl('reload').stdout == ''
    assert other.stream_error() == 'host-gone'
    assert client.sync() == []
    person.send("<message to='x@two.example.org' id='1'/>")
    assert condition(person.message(id='1')) == 'remote-server-not-found'
    assert join(server, 'new.example.org').sync() == []
    client.close()
    server.wait_stat('components', 1)
    wrong = component(server)
    wrong.open()
    wrong.handshake('test')
    assert wrong.stream_error() == 'not-authorized'
    component(server).join('changed')


def test_reload_of_grants(make_server):
    """A component is told of what it may do now (XEP-0355 section 8, rule 3; XEP-0356), of what it
    may not any more, and of nothing where nothing has changed."""
    delegates, roster = '{ "urn:x:y", "urn:x:z a" }', {'roster': 'both', 'iq': '{ "urn:x:y set" }'}
    server = make_server(top=LISTENERS + section(DOMAIN, delegates=delegates, **roster))
    client = join(server)

    def told(tag):
        content = client.message(from_='example.org', to=DOMAIN)[0]
        assert content.tag == f'{{urn:xmpp:{tag}:2}}{tag}'
        return [(child.tag.partition('}')[2], dict(child.attrib)) for child in content]

    assert told('delegation') == [('delegated', {'namespace': 'urn:x:y'}),
                                  ('delegated', {'namespace': 'urn:x:z'})]
    assert told('privilege') == [
        ('perm', {'access': 'roster', 'type': 'both', 'push': 'true'}), ('perm', {'access': 'iq'})]
    for _ in range(4):
        assert client.iq(type='get', from_='example.org') is not None
    server.ctl('reload')
    assert client.sync() == []
    server.write_config(top=LISTENERS + section(DOMAIN, message='outgoing'))
    server.ctl('reload')
    assert told('delegation') == []
    assert told('privilege') == [
        ('perm', {'access': 'roster', 'type': 'none', 'push': 'false'}),
        ('perm', {'access': 'message', 'type': 'outgoing'}), ('perm', {'access': 'iq'})]
    client.send(f"<iq type='get' id='r' from='{DOMAIN}' to='{server.account().jid}'>"
                "<query xmlns='jabber:iq:roster'/></iq>")
    assert condition(client.iq(id='r')) == 'forbidden'


def test_reload_with_presence(make_server):
    """Who may see presence from now on is told who is there (XEP-0356 section 8, rule 1)."""
    server = make_server(top=LISTENERS + section(DOMAIN))
    person, client = server.online(server.account()), join(server)
    server.write_config(top=LISTENERS + section(DOMAIN, presence='managed_entity'))
    server.ctl('reload')
    assert client.presence(to=DOMAIN).get('from') == person.jid
    server.write_config(top=LISTENERS + section(DOMAIN))
    server.ctl('reload')
    person.close()
    server.wait_stat('sessions', 0)
    assert [element.tag for element in client.sync()] == ['{jabber:client}message'] * 2


def test_reload_with_something_waiting(make_server):
    """What waits for a component that is taken away is refused."""
    server = make_server(top=TOP)
    person = server.online(server.account())
    person.send(f"<message to='x@{DOMAIN}' id='1'><body>1</body></message>")
    person.sync()
    server.write_config(top=LISTENERS)
    server.ctl('reload')
    assert condition(person.message(id='1')) == 'remote-server-not-found'
    assert server.stats()['component_bytes_waiting'] == 0


def test_reload_with_an_occupant(make_server):
    """A room goes on, and loses users of a component that is taken away, whose addresses another
    shard owns now (XEP-0045 section 18.1.2)."""
    hosts = {'example.org': 'room_makers = anybody'}
    server = make_server(top=TOP, hosts=hosts)
    ghosts = [name for n in range(20) if server.owner(name := f'g{n}@{DOMAIN}') !=
              server.owner(DOMAIN)][:3]
    person, client = server.online(server.account()), join(server)
    room = 'hall@rooms.example.org'
    person.send(f"<presence to='{room}/person'>{MUC}</presence>")
    person.presence(from_=f'{room}/person')
    person.set("<query xmlns='http://jabber.org/protocol/muc#owner'>"
               "<x xmlns='jabber:x:data' type='submit'/></query>", to=room)
    for n, ghost in enumerate(ghosts):
        client.send(f"<presence from='{ghost}/x' to='{room}/{n}'>{MUC}</presence>")
        person.presence(from_=f'{room}/{n}')
    server.write_config(top=LISTENERS, hosts=hosts)
    server.ctl('reload')
    assert client.stream_error() == 'host-gone'
    person.send(f"<message type='groupchat' to='{room}' id='m'><body>Ho!</body></message>")
    person.message(from_=f'{room}/person', id='m')
    for n in range(len(ghosts)):
        person.presence(from_=f'{room}/{n}', type='unavailable')


# ---- administration ----

def test_administration(make_server):
    """stentorctl components, and the counters of stats."""
    server = make_server(top=TOP)
    assert sorted(server.ctl('components').stdout.splitlines()) == [
        'irc.example.org\t0\t0', 'two.example.org\t0\t0']
    clients = [join(server, 'two.example.org') for _ in range(2)]
    person = server.online(server.account())
    person.send(f"<message to='x@{DOMAIN}' id='1'><body>1</body></message>")
    server.wait_stat('component_bytes_waiting', lambda value: value > 0)
    lines = dict(line.split('\t', 1) for line in server.ctl('components').stdout.splitlines())
    assert lines['two.example.org'] == '2\t0'
    assert lines[DOMAIN].startswith('0\t') and lines[DOMAIN] != '0\t0'
    clients[0].sync()
    stats = server.stats()
    assert stats['components'] == 2
    assert stats['component_stanzas_in'] == 1
    assert stats['component_stanzas_out'] == 1


def test_secret_is_not_logged(make_server):
    """Whatever the level of the log."""
    server = make_server(top=LISTENERS + section(DOMAIN, 'aleph-null') + 'log_level = debug\n')
    component(server).join('aleph-null')
    wrong = component(server)
    wrong.open()
    wrong.handshake('x')
    wrong.stream_error()
    server.ctl('components')
    assert 'aleph-null' not in server.log_file.read_text()


def test_no_client_at_the_port_of_components(server):
    """And no component where clients are."""
    client = component(server)
    client.send("<stream:stream xmlns='jabber:client' to='example.org' version='1.0' "
                "xmlns:stream='http://etherx.jabber.org/streams'>")
    assert client.stream_error() == 'invalid-namespace'
    other = server.connect()
    other.send(HEADER.format(DOMAIN))
    with pytest.raises(StreamClosed):
        other.take('stream:features')


def test_handshake_in_pieces(server):
    """White space around what is hashed is none of it."""
    client = component(server)
    client.open()
    digest = hashlib.sha1((client.header.get('id') + 'test').encode()).hexdigest()
    for byte in f'<handshake>\n {digest}\n</handshake>':
        client.send(byte)
    client.take('handshake')
