"""stentorctl and rooms: what it says of them, what it does to them, and what it refuses
(stentorctl(8)); and what a reload does to them (docs/configuration.md)."""
import itertools
import signal

import pytest

from harness import find, findall
from harness.server import HOSTS

numbers = itertools.count(1)


def refused(server, *words):
    """What is said on standard error of a command that exits with 1."""
    done = server.ctl(*words, check=False)
    assert done.returncode == 1, done
    assert done.stdout == ''
    return done.stderr


def room_jid():
    return f'room{next(numbers)}@rooms.example.org'


@pytest.fixture
def room(server):
    """A room that stays, without an owner."""
    jid = room_jid()
    server.ctl('room', 'create', jid)
    return jid


def enter(server, room, nick, account=None):
    """A client in the room, which has seen its own presence and the subject."""
    client = server.online(account or server.account())
    client.send(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    client.presence(from_=f'{room}/{nick}')
    client.message(type='groupchat')
    return client


def listed(server, *words):
    """The lines of `rooms` by room: the columns behind it."""
    return {line.split('\t')[0]: line.split('\t')[1:]
            for line in server.ctl('rooms', *words).stdout.splitlines()}


def shown(server, room, kind):
    """The columns of the lines of `room show` of a kind."""
    lines = [line.split('\t') for line in server.ctl('room', 'show', room).stdout.splitlines()]
    return [line[1:] for line in lines if line[0] == kind]


def config(server, room):
    return {name: values for name, *values in shown(server, room, 'config')}


def codes(presence):
    return {status.get('code') for status in findall(presence, 'muc-user:x/muc-user:status')}


# ---- making and listing ----

def test_create(server):
    """The room is there for all shards, stays while nobody is in it, and has its owner."""
    room, owner = room_jid(), server.account()
    server.ctl('room', 'create', room, owner.jid)
    assert listed(server)[room] == ['0 occupants', 'persistent', 'listed', '']
    assert shown(server, room, 'affiliation') == [['owner', owner.jid, '', '']]
    assert 'already' in refused(server, 'room', 'create', room)
    assert 'already' in refused(server, 'room', 'create', room.upper())


def test_create_is_durable(make_server):
    """What was answered is there after a crash."""
    server = make_server()
    room = room_jid()
    server.ctl('room', 'create', room)
    server.ctl('room', 'configure', room, 'roomname', 'Capulet’s orchard')
    server.ctl('room', 'affiliate', room, 'nurse@example.org', 'member')
    server.kill()
    server.start()
    assert listed(server)[room] == ['0 occupants', 'persistent', 'listed', 'Capulet’s orchard']
    assert shown(server, room, 'affiliation') == [['member', 'nurse@example.org', '', '']]


def test_list(make_server):
    """Rooms of all hosts, or of one, by its name or its rooms'. Temporary rooms are listed while
    somebody is in them."""
    server = make_server()
    server.ctl('room', 'create', 'b@rooms.example.org')
    server.ctl('room', 'create', 'a@rooms.example.org')
    server.ctl('room', 'create', 'c@rooms.example.net')
    server.ctl('room', 'configure', 'b@rooms.example.org', 'publicroom', '0')
    first = enter(server, 'a@rooms.example.org', 'first')
    enter(server, 'a@rooms.example.org', 'second')
    assert listed(server) == {
        'a@rooms.example.org': ['2 occupants', 'persistent', 'listed', ''],
        'b@rooms.example.org': ['0 occupants', 'persistent', 'hidden', ''],
        'c@rooms.example.net': ['0 occupants', 'persistent', 'listed', '']}
    assert list(listed(server, 'example.org')) == ['a@rooms.example.org', 'b@rooms.example.org']
    assert list(listed(server, 'rooms.example.net')) == ['c@rooms.example.net']
    assert listed(server, 'example.com') == {}
    first.send("<presence to='d@rooms.example.org/first'><x xmlns='http://jabber.org/protocol/muc'/>"
               "</presence>")
    first.presence(from_='d@rooms.example.org/first')
    assert listed(server)['d@rooms.example.org'][:2] == ['1 occupants', 'temporary']


# ---- showing ----

def test_show(server, room):
    """Configuration, affiliations, occupants with their real addresses."""
    account = server.account()
    server.ctl('room', 'affiliate', room, account.jid, 'admin', 'a friend')
    client = enter(server, room, 'the nurse', account)
    assert shown(server, room, 'affiliation') == [['admin', account.jid, '', 'a friend']]
    assert shown(server, room, 'occupant') == [['moderator', 'the nurse', client.jid]]
    assert config(server, room)['persistentroom'] == ['1']
    assert len(shown(server, room, 'made')) == 1


def test_texts_of_others_make_no_lines(server, room):
    """A name with a line end in it is one value still."""
    server.ctl('room', 'configure', room, 'roomdesc', 'one\ttwo')
    assert config(server, room)['roomdesc'] == ['one two']


# ---- changing ----

def test_configure(server, room):
    """By the field's name, with or without what stands before all of them; occupants are told
    (XEP-0045 section 10.2.1)."""
    client = enter(server, room, 'first')
    server.ctl('room', 'configure', room, 'muc#roomconfig_roomname', 'The orchard')
    assert '104' in codes(client.message(type='groupchat'))
    server.ctl('room', 'configure', room, 'presencebroadcast', 'moderator', 'participant')
    assert config(server, room)['roomname'] == ['The orchard']
    assert config(server, room)['presencebroadcast'] == ['moderator', 'participant']
    server.ctl('room', 'configure', room, 'roomname')
    assert config(server, room)['roomname'] in ([], [''])


@pytest.mark.parametrize('words, why', [
    (['persistentroom', 'maybe'], 'persistentroom'), (['whois', 'nobody'], 'whois'),
    (['unknown', '1'], 'no such field'), (['passwordprotectedroom', '1'], 'password'),
])
def test_configure_with_what_cannot_be(server, room, words, why):
    before = config(server, room)
    assert why in refused(server, 'room', 'configure', room, *words)
    assert config(server, room) == before


def test_affiliate(server, room):
    """Who is in the room is told, and removed where he may not stay (XEP-0045 section 9.1)."""
    account = server.account()
    client = enter(server, room, 'first', account)
    server.ctl('room', 'affiliate', room, account.jid, 'member')
    item = find(client.presence(from_=f'{room}/first'), 'muc-user:x/muc-user:item')
    assert item.get('affiliation') == 'member'
    server.ctl('room', 'affiliate', room, account.jid, 'outcast', 'go away')
    gone = client.presence(from_=f'{room}/first', type='unavailable')
    assert {'301', '110'} <= codes(gone)
    assert find(gone, 'muc-user:x/muc-user:item/muc-user:reason').text == 'go away'
    assert shown(server, room, 'affiliation') == [['outcast', account.jid, '', 'go away']]
    server.ctl('room', 'affiliate', room, account.jid, 'none')
    assert shown(server, room, 'affiliation') == []


def test_the_last_owner_stays(server):
    """XEP-0045 section 10.3 and 10.4: a room keeps an owner."""
    room = room_jid()
    server.ctl('room', 'create', room, 'juliet@example.org')
    assert 'keeps an owner' in refused(server, 'room', 'affiliate', room, 'juliet@example.org',
                                       'member')
    server.ctl('room', 'affiliate', room, 'romeo@example.org', 'owner')
    server.ctl('room', 'affiliate', room, 'juliet@example.org', 'member')


def test_the_bound_of_affiliations(make_server):
    """Option room_members."""
    server = make_server(limits='room_members = 2')
    server.ctl('room', 'create', 'a@rooms.example.org')
    for name in ('juliet', 'nurse'):
        server.ctl('room', 'affiliate', 'a@rooms.example.org', f'{name}@example.org', 'member')
    assert 'as many' in refused(server, 'room', 'affiliate', 'a@rooms.example.org',
                                'romeo@example.org', 'member')


def test_kick(server, room):
    """XEP-0045 section 8.2: by the nickname; he may come back."""
    account = server.account()
    client = enter(server, room, 'first', account)
    server.ctl('room', 'kick', room, 'first', 'enough')
    assert {'307', '110'} <= codes(client.presence(from_=f'{room}/first', type='unavailable'))
    assert shown(server, room, 'occupant') == []
    assert 'nobody' in refused(server, 'room', 'kick', room, 'first')
    enter(server, room, 'first', account)


# ---- the end ----

def test_destroy(server, room):
    """Occupants are told why (XEP-0045 section 10.9), and nothing is left."""
    client = enter(server, room, 'first')
    server.ctl('room', 'affiliate', room, 'nurse@example.org', 'member')
    server.ctl('room', 'destroy', room, 'the play is over')
    gone = client.presence(from_=f'{room}/first', type='unavailable')
    assert find(gone, 'muc-user:x/muc-user:destroy/muc-user:reason').text == 'the play is over'
    assert room not in listed(server)
    assert 'no such room' in refused(server, 'room', 'destroy', room)
    server.ctl('room', 'create', room)
    assert shown(server, room, 'affiliation') == []


@pytest.mark.parametrize('words', [
    ['show'], ['destroy'], ['configure', 'roomname', 'x'], ['affiliate', 'a@example.org', 'member'],
    ['kick', 'nick']], ids=lambda words: words[0])
def test_no_such_room(server, words):
    what, *rest = words
    assert 'no such room' in refused(server, 'room', what, 'nobody@rooms.example.org', *rest)


@pytest.mark.parametrize('words, why', [
    (['create', 'room'], 'address'), (['create', 'rooms.example.org'], 'address'),
    (['create', 'a@example.org'], 'no rooms'), (['create', 'a@elsewhere.example'], 'no rooms'),
    (['create', 'a@rooms.example.org', 'juliet'], 'owner'),
    (['affiliate', 'a@rooms.example.org', 'juliet@@', 'member'], 'address'),
    (['affiliate', 'a@rooms.example.org', 'juliet@example.org', 'king'], 'affiliation is'),
    (['destroy', 'a@rooms.example.org', 'x' * 4097], 'too long'),
    (['kick', 'a@rooms.example.org', 'nick', 'x' * 4097], 'too long'),
    (['show', 'a@rooms.example.org', 'x'], 'too many words'),
    (['configure', 'a@rooms.example.org'], 'too few'), (['affiliate', 'a@rooms.example.org'], 'too few'),
    (['unknown', 'a@rooms.example.org'], 'no such command'),
])
def test_words_that_cannot_be(server, words, why):
    assert why in refused(server, 'room', *words)


# ---- numbers and reloads ----

def test_stats(server, room):
    before = server.stats()
    client = enter(server, room, 'first')
    client.send(f"<message type='groupchat' to='{room}' id='m'><body>hello</body></message>")
    client.message(id='m')
    after = server.stats()
    assert after['room_occupants'] == before['room_occupants'] + 1
    assert after['room_messages'] == before['room_messages'] + 1
    client.close()
    server.wait_stat('room_occupants', before['room_occupants'])


def test_a_service_that_goes_and_comes_back(make_server):
    """Option rooms: occupants are told (status 332, XEP-0045 section 16.6.2); what is stored stays."""
    server = make_server()
    room = 'garden@rooms.example.org'
    server.ctl('room', 'create', room)
    account = server.account()
    client = enter(server, room, 'first', account)
    server.write_config(hosts={**HOSTS, 'example.org': 'rooms = ""'})
    server.ctl('reload')
    assert {'332', '110'} <= codes(client.presence(from_=f'{room}/first', type='unavailable'))
    client.send(f"<message type='groupchat' to='{room}' id='m'><body>hello</body></message>")
    assert find(client.message(id='m', type='error'), 'error/stanzas:remote-server-not-found') \
        is not None
    assert 'no rooms' in refused(server, 'room', 'show', room)
    server.write_config()
    server.ctl('reload')
    assert room in listed(server)
    enter(server, room, 'second', account)


def test_a_service_that_becomes_a_host(make_server):
    """No domain has two uses, so the reload takes both from the file at once."""
    server = make_server(hosts={'example.org': 'rooms = "two.example.org"'})
    client = enter(server, 'garden@two.example.org', 'first')
    server.write_config(hosts={'example.org': '', 'two.example.org': 'rooms = ""'})
    server.process.send_signal(signal.SIGHUP)
    assert '332' in codes(client.presence(from_='garden@two.example.org/first', type='unavailable'))
    other = server.online(server.account(domain='two.example.org'))
    client.send(f"<message to='{other.jid}' id='m'/>")
    assert other.message(id='m').get('from') == client.jid
