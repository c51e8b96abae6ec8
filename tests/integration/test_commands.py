"""Ad-hoc commands of administrators (XEP-0050, XEP-0133), where those who are administered are on
other shards than who asks."""
import pytest

from harness import find, findall
from harness.client import failure
from harness.server import HOSTS
from harness.xmpp import name

ADMIN = 'http://jabber.org/protocol/admin'
ROOMS = 'rooms.example.org'


@pytest.fixture
def admin_of(make_server):
    """A server with the administrator juliet, and her client."""
    server = make_server(shards=3, hosts={**HOSTS, 'example.org': 'admins = { "juliet@example.org" }'})
    return server, server.online(server.account('juliet'))


def form(fields):
    written = ''.join(
        f"<field var='{var}'>{''.join(f'<value>{value}</value>' for value in values)}</field>"
        for var, values in fields.items())
    return f"<x xmlns='jabber:x:data' type='submit'>{written}</x>"


def command(client, to, node, session='', payload=''):
    session = f"sessionid='{session}'" if session else ''
    return find(client.set(f"<command xmlns='http://jabber.org/protocol/commands' node='{node}' "
                           f'{session}>{payload}</command>', to=to), 'commands:command')


def run(client, to, node, *forms):
    """All forms, one after the other; what completes the command."""
    answer = command(client, to, node)
    for fields in forms:
        assert answer.get('status') == 'executing'
        answer = command(client, to, node, answer.get('sessionid'), form(fields))
    assert answer.get('status') == 'completed'
    return answer


def note(answer):
    found = find(answer, 'commands:note')
    return None if found is None else found.text


def values(element, var):
    """The values of the fields of this name, in order."""
    return [value.text or '' for field in element.iter(name('data:field')) if field.get('var') == var
            for value in findall(field, 'data:value')]


def test_many_accounts(admin_of):
    """Made, counted, told something, sent away and deleted, on all shards."""
    server, juliet = admin_of
    jids = [f'person{n}@example.org' for n in range(12)]
    for jid in jids:
        run(juliet, 'example.org', f'{ADMIN}#add-user',
            {'accountjid': [jid], 'password': ['secret']})
    assert {server.owner(jid) for jid in jids} == {0, 1, 2}
    people = []
    for jid in jids:
        client = server.secure()
        assert client.plain(jid.split('@')[0], 'secret').tag == name('sasl:success')
        client.open()
        client.bind()
        client.send('<presence/>')
        client.presence(from_=client.jid)
        people.append(client)
    counted = run(juliet, 'example.org', f'{ADMIN}#get-online-users-num')
    assert values(counted, 'onlineusersnum') == ['13']
    listed = run(juliet, 'example.org', f'{ADMIN}#get-online-users-list', {'max_items': ['none']})
    assert sorted(values(listed, 'onlineuserjids')) == sorted([*jids, 'juliet@example.org'])
    run(juliet, 'example.org', f'{ADMIN}#announce', {'announcement': ['one', 'two']})
    for client in [*people, juliet]:
        assert find(client.message(type='headline'), 'body').text == 'one\ntwo'
    run(juliet, 'example.org', f'{ADMIN}#end-user-session', {'accountjids': jids[:6]})
    for client in people[:6]:
        assert client.stream_error() == 'policy-violation'
    gone = run(juliet, 'example.org', f'{ADMIN}#delete-user',
               {'accountjids': [*jids, 'nobody@example.org']})
    assert note(gone) == 'nobody@example.org: there is none'
    for client in people[6:]:
        assert client.stream_error() == 'not-authorized'
    assert failure(server.secure().plain('person0', 'secret')) == 'not-authorized'
    assert server.ctl('users', 'example.org').stdout.split() == ['juliet@example.org']


def test_many_rooms(admin_of):
    """Made, listed with who is in them, configured, and destroyed, on all shards."""
    server, juliet = admin_of
    rooms = [f'room{n}@{ROOMS}' for n in range(9)]
    assert {server.owner(room) for room in rooms} == {0, 1, 2}
    for room in rooms:
        run(juliet, ROOMS, 'create-room', {'room': [room], 'owner': ['juliet@example.org']})
        juliet.send(f"<presence to='{room}/me'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        juliet.presence(from_=f'{room}/me')
        run(juliet, ROOMS, 'configure-room', {'room': [room]},
            {'muc#roomconfig_roomname': [f'The {room}']})
        run(juliet, ROOMS, 'change-affiliations', {
            'room': [room], 'affiliation': ['outcast'], 'accountjids': ['tybalt@example.org']})
    listed = run(juliet, ROOMS, 'list-rooms')
    assert values(listed, 'jid') == rooms
    assert values(listed, 'name') == [f'The {room}' for room in rooms]
    assert values(listed, 'occupants') == ['1'] * len(rooms)
    for room in rooms:
        members = run(juliet, ROOMS, 'list-affiliations', {'room': [room]})
        assert sorted(values(members, 'affiliation')) == ['outcast', 'owner']
    run(juliet, ROOMS, 'destroy-rooms', {'rooms': rooms, 'reason': ['winter']})
    for room in rooms:
        juliet.presence(from_=f'{room}/me', type='unavailable')
    assert server.ctl('rooms').stdout == ''


def test_sessions_end_with_the_server(admin_of):
    """Forms that nobody fills in are no leak."""
    server, juliet = admin_of
    for _ in range(5):
        command(juliet, ROOMS, 'create-room')
    server.stop()
    server.start()


def test_who_administers_is_for_the_reload(admin_of):
    """Option admins: a session that has begun is of no use to who is none any more."""
    server, juliet = admin_of
    begun = command(juliet, ROOMS, 'create-room')
    server.write_config(hosts={**HOSTS, 'example.org': 'admins = { "romeo@example.org" }'})
    server.ctl('reload')
    romeo = server.online(server.account('romeo'))
    refused = juliet.refused(
        "<command xmlns='http://jabber.org/protocol/commands' node='create-room' "
        f"sessionid='{begun.get('sessionid')}'>{form({'room': [f'a@{ROOMS}']})}</command>",
        type='set', to=ROOMS)
    assert refused == 'forbidden'
    run(romeo, ROOMS, 'create-room', {'room': [f'a@{ROOMS}']})
