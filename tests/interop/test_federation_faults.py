"""Other servers stop, are killed, hang and are cut off: what was acknowledged is there once or
comes back as one error, and all goes on as soon as it can."""
import itertools
import time

import pytest

from harness import find, text_of
from harness.federation import EjabberdSite, ProsodySite, StentorSite, World
from harness.person import both
from harness.xmpp import condition
from test_federation_life import person

pytestmark = pytest.mark.skipif(bool(World.missing()), reason=World.missing() or '')

OURS = 'capulet.example'
PEERS = {ProsodySite: 'montague.example', EjabberdSite: 'verona.example'}
SM = 'urn:xmpp:sm:3'
SECONDS = 60
MANY = 300

# What a stanza comes back with when its server cannot be reached.
UNREACHABLE = {'remote-server-not-found', 'remote-server-timeout'}


@pytest.fixture(name='world')
def fixture_world():
    with World() as world:
        yield world


@pytest.fixture(params=PEERS, ids=lambda kind: kind.package)
def sites(world, request):
    """Stentor and another server."""
    return near_and(world, request.param)


@pytest.fixture(params=[False, True], ids=['two_streams', 'bidi'])
def reliable_sites(world, request):
    """With Prosody, which has stream management between servers (XEP-0198), as ejabberd has not."""
    return near_and(world, ProsodySite, bidi=request.param)


def near_and(world, kind, bidi=False, **options):
    if kind.missing():
        pytest.skip(kind.missing())
    near = world.site(StentorSite, OURS, world.issue(OURS, client=True), bidi=bidi, **options)
    far = world.site(kind, PEERS[kind], bidi=bidi)
    world.start()
    return near, far


# ---- counting ----

def counted(client):
    """Somebody whose messages are counted."""
    client.sent, client.returned = [], []
    return client


def managed(client):
    """The same, with stream management, which tells when the server has taken them."""
    client.send(f"<enable xmlns='{SM}'/>")
    client.take('sm:enabled')
    return counted(client)


def tell(client, to, numbers):
    """Messages with these numbers."""
    numbers = list(numbers)
    client.send(''.join(f"<message to='{to}' type='chat' id='{n}'><body>{n}</body></message>"
                        for n in numbers))
    client.sent += numbers


def acknowledged(client):
    """Until the client's server has taken all."""
    handled = 0
    while handled < len(client.sent):
        client.send(f"<r xmlns='{SM}'/>")
        handled = int(client.take('sm:a').get('h'))


def returned(client):
    """The numbers of the messages that an error came for up to now."""
    for stanza in client.sync():
        if stanza.get('type') == 'error':
            assert client.server.domain != OURS or condition(stanza) in UNREACHABLE
            client.returned.append(int(stanza.get('id')))
    return client.returned


def archived(client, other):
    """The numbers of the messages from somebody that an account's archive has, in its order."""
    found, after = [], ''
    while True:
        answer = client.set(
            "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>"
            "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>"
            f"<field var='with'><value>{other}</value></field></x>"
            f"<set xmlns='http://jabber.org/protocol/rsm'><max>100</max>{after}</set></query>")
        kept = [find(m, 'mam:result/forward:forwarded/message') for m in client.inbox]
        found += [int(m.get('id')) for m in kept
                  if m is not None and m.get('from').startswith(other)]
        client.inbox = []
        end = find(answer, 'mam:fin')
        if end.get('complete') == 'true':
            return found
        after = f"<after>{text_of(end, 'rsm:set/rsm:last')}</after>"


def nothing_lost_or_doubled(sender, receiver):
    """In the end each message is in the receiver's archive or came back to the sender; if a server
    was lost just then, maybe both; neither twice. What arrived is in order."""
    deadline = time.monotonic() + SECONDS
    while True:
        back, arrived = returned(sender), archived(receiver, sender.bare)
        lost = set(sender.sent) - set(back) - set(arrived)
        if not lost or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert not lost
    assert arrived == sorted(set(arrived))
    assert len(back) == len(set(back))
    return arrived, back


def heard(receiver, sender, count):
    """The numbers of the next messages."""
    return [int(receiver.message(from_=sender.jid, type='chat').get('id')) for _ in range(count)]


def pair(near, far):
    """Somebody of each, whose servers know each other."""
    juliet, romeo = managed(near.somebody()), counted(far.somebody())
    for sender, receiver in ((juliet, romeo), (romeo, juliet)):
        tell(sender, receiver.jid, [0])
        assert heard(receiver, sender, 1) == [0]
    return juliet, romeo


def until_it_arrives(sender, receiver, numbers):
    """Messages, one a time, until one is there; a server that came back is found soon."""
    deadline = time.monotonic() + SECONDS
    for number in numbers:
        tell(sender, receiver.jid, [number])
        receiver.socket.settimeout(1)
        try:
            heard(receiver, sender, 1)
            return
        except AssertionError:
            assert time.monotonic() < deadline
        finally:
            receiver.socket.settimeout(SECONDS)


# ---- another server goes and comes ----

def test_it_was_stopped(sites):
    """RFC 6120 section 10.4.2: while there is nobody each stanza comes back, once; then all is as
    before."""
    near, far = sites
    juliet, romeo = pair(near, far)
    far.stop()
    tell(juliet, romeo.jid, range(1, 21))
    juliet.send(f"<iq to='{far.domain}' type='get' id='i'><ping xmlns='urn:xmpp:ping'/></iq>"
                f"<presence to='{romeo.jid}' id='p'/>"
                f"<message to='{romeo.jid}' type='error' id='e'/>"
                f"<iq to='{romeo.jid}' type='result' id='r'/>")
    assert condition(juliet.iq(id='i')) in UNREACHABLE
    assert condition(juliet.presence(id='p', type='error')) in UNREACHABLE
    deadline = time.monotonic() + SECONDS
    while 20 not in returned(juliet):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # The first one it may have had, and not have acknowledged.
    assert [n for n in juliet.returned if n > 0] == list(range(1, 21))
    far.start()
    again = far.online(romeo.account, 'again')
    until_it_arrives(juliet, again, itertools.count(21))
    until_it_arrives(counted(again), juliet, itertools.count(1))
    acknowledged(juliet)
    nothing_lost_or_doubled(juliet, again)


def test_it_was_killed(reliable_sites):
    """XEP-0198 between servers: what it had acknowledged it has, all else comes back."""
    near, far = reliable_sites
    juliet, romeo = pair(near, far)
    tell(juliet, romeo.bare, range(1, MANY))
    heard(romeo, juliet, MANY // 3)
    far.kill()
    acknowledged(juliet)
    far.start()
    again = far.online(romeo.account, 'again')
    nothing_lost_or_doubled(juliet, again)
    until_it_arrives(juliet, again, itertools.count(MANY))


def test_it_was_killed_without_acknowledgements(world):
    """ejabberd has no XEP-0198 between servers: what it was reading when it was killed nobody can
    know of. But nothing is sent twice, all that comes later arrives or comes back, and it is found
    again."""
    near, far = near_and(world, EjabberdSite)
    juliet, romeo = pair(near, far)
    tell(juliet, romeo.bare, range(1, MANY))
    got = heard(romeo, juliet, MANY // 3)
    assert got == list(range(1, MANY // 3 + 1))
    far.kill()
    acknowledged(juliet)
    later = range(MANY, MANY + 20)
    tell(juliet, romeo.bare, later)
    far.start()
    again = far.online(romeo.account, 'again')
    until_it_arrives(juliet, again, itertools.count(MANY + 20))
    arrived, back = archived(again, juliet.bare), returned(juliet)
    assert set(later) <= set(arrived) | set(back)
    assert len(back) == len(set(back)) and not set(back) & set(got)


def test_it_hangs(world):
    """Who reads from it waits; who writes to others or at home does not; and nothing is lost."""
    near, far = near_and(world, ProsodySite)
    juliet, romeo = pair(near, far)
    nurse = near.somebody()
    far.freeze()
    try:
        tell(juliet, romeo.bare, range(1, MANY))
        for n in range(20):
            juliet.send(f"<message to='{nurse.jid}' id='n{n}'><body>x</body></message>")
            nurse.message(id=f'n{n}')
    finally:
        far.thaw()
    assert heard(romeo, juliet, MANY - 1) == list(range(1, MANY))
    acknowledged(juliet)
    assert not returned(juliet)


def test_who_was_in_a_room(sites):
    """XEP-0045 section 7.14, through errors: occupants of a server that is
    gone leave the room when something is said."""
    near, far = sites
    owner, visitor = near.somebody(), far.somebody()
    room = f'room@{near.rooms}'
    for client, nick in ((owner, 'owner'), (visitor, 'visitor')):
        client.send(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/>"
                    '</presence>')
        client.presence(from_=f'{room}/{nick}')
        if nick == 'owner':
            owner.set("<query xmlns='http://jabber.org/protocol/muc#owner'>"
                      "<x xmlns='jabber:x:data' type='submit'/></query>", to=room)
    assert owner.presence(from_=f'{room}/visitor').get('type') is None
    far.kill()
    owner.send(f"<message to='{room}' type='groupchat'><body>anybody?</body></message>")
    assert owner.presence(from_=f'{room}/visitor').get('type') == 'unavailable'


def test_who_was_online(sites):
    """RFC 6121 section 4.3: when a server is back each sees the other again. ejabberd, when it is
    killed, forgets accounts that were just made."""
    near, far = sites
    juliet, romeo = person(near), person(far)
    both(juliet, romeo)
    if isinstance(far, EjabberdSite):
        far.stop()
    else:
        far.kill()
    far.start()
    romeo.come()
    assert romeo.sees(juliet).get('type') is None
    while juliet.sees(romeo).get('type') is not None:
        pass


# ---- the network ----

def test_nobody_answers(world):
    """RFC 8305 and the option connect_seconds: what cannot be connected to within that time is
    given up, and each stanza comes back once; then it is found again."""
    near, far = near_and(world, ProsodySite, more='connect_seconds = 2')
    juliet, romeo = managed(near.somebody()), far.somebody()
    with world.network.losing():
        tell(juliet, romeo.jid, range(20))
        acknowledged(juliet)
        deadline = time.monotonic() + SECONDS
        while len(returned(juliet)) < 20:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert juliet.returned == list(range(20))
    until_it_arrives(juliet, romeo, itertools.count(20))


def test_a_short_cut(world, sites):
    """Five seconds without a packet: all arrives, in order, once."""
    near, far = sites
    juliet, romeo = pair(near, far)
    tell(juliet, romeo.jid, range(1, MANY // 2))
    tell(romeo, juliet.jid, range(1, MANY // 2))
    with world.network.losing():
        tell(juliet, romeo.jid, range(MANY // 2, MANY))
        tell(romeo, juliet.jid, range(MANY // 2, MANY))
        time.sleep(5)
    assert heard(romeo, juliet, MANY - 1) == list(range(1, MANY))
    assert heard(juliet, romeo, MANY - 1) == list(range(1, MANY))
    acknowledged(juliet)
    assert not returned(juliet) and not returned(romeo)


def test_lost_packets(world, sites):
    """Each tenth packet is lost, from the first of the connection on."""
    near, far = sites
    juliet, romeo = managed(near.somebody()), counted(far.somebody())
    with world.network.losing(10):
        tell(romeo, juliet.jid, [0])
        assert heard(juliet, romeo, 1) == [0]
        tell(juliet, romeo.jid, range(MANY))
        tell(romeo, juliet.jid, range(1, MANY))
        assert heard(romeo, juliet, MANY) == list(range(MANY))
        assert heard(juliet, romeo, MANY - 1) == list(range(1, MANY))


# ---- we go and come ----

def test_we_are_killed(reliable_sites):
    """XEP-0198 between servers: what we acknowledged to another server is on disk."""
    near, far = reliable_sites
    juliet, romeo = pair(near, far)
    tell(romeo, juliet.bare, range(1, MANY))
    heard(juliet, romeo, MANY // 3)
    near.kill()
    returned(romeo)
    near.start()
    again = near.online(juliet.account, 'again')
    nothing_lost_or_doubled(romeo, again)
    until_it_arrives(romeo, again, itertools.count(MANY))


def test_we_are_stopped(reliable_sites):
    """In order: what was on its way is delivered or comes back, and others find us again."""
    near, far = reliable_sites
    juliet, romeo = pair(near, far)
    tell(romeo, juliet.bare, range(1, MANY))
    heard(juliet, romeo, MANY // 3)
    near.stop()
    near.start()
    again = near.online(juliet.account, 'again')
    nothing_lost_or_doubled(romeo, again)
    until_it_arrives(romeo, again, itertools.count(MANY))
