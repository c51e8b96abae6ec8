"""Rooms under hostile and heavy use: what docs/rooms.md promises of bounds, of who is gone, of
memory, and of crashes."""
import itertools
import random
import re
import threading
from pathlib import Path

import pytest

from harness import StreamClosed, condition, find, findall, text_of

ROOM = 'garden@rooms.example.org'
MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"
OWNER = ("<query xmlns='http://jabber.org/protocol/muc#owner'>"
         "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
         '<value>http://jabber.org/protocol/muc#roomconfig</value></field>{}</x></query>')
ADMIN = "<query xmlns='http://jabber.org/protocol/muc#admin'>{}</query>"
SM = 'urn:xmpp:sm:3'
MIB = 1024 * 1024
CRASHES = 6


def codes(presence):
    return {status.get('code') for status in findall(presence, 'muc-user:x/muc-user:status')}


def entrance(room, nick):
    return f"<presence to='{room}/{nick}'>{MUC}</presence>"


def enter(client, nick, room=ROOM):
    """Enters, and takes all that comes up to the subject (XEP-0045 section 7.1): the nicknames of
    those who are there. Nothing else may have come."""
    client.send(entrance(room, nick))
    others = []
    while '110' not in codes(presence := client.take('presence')):
        others.append(presence.get('from').partition('/')[2])
    assert presence.get('from') == f'{room}/{nick}'
    assert find(client.take('message'), 'subject') is not None
    return others


def configure(client, room=ROOM, **fields):
    client.set(OWNER.format(''.join(
        f"<field var='muc#roomconfig_{field}'><value>{value}</value></field>"
        for field, value in fields.items())), to=room)


def make_room(server, room=ROOM):
    """One that stays, and that everybody may enter."""
    server.ctl('room', 'create', room)


def people(server, count, room=ROOM, **options):
    """Clients in the room, of accounts on both shards, all of whom have seen each other enter."""
    accounts = itertools.chain.from_iterable(server.two_accounts() for _ in range((count + 1) // 2))
    clients = []
    for number, account in enumerate(itertools.islice(accounts, count)):
        client = server.online(account, **options)
        enter(client, f'p{number}', room)
        for other in clients:
            other.presence(from_=f'{room}/p{number}')
        clients.append(client)
    return clients


def groupchat(number, filling='', room=ROOM):
    return f"<message to='{room}' type='groupchat' id='{number}'><body>{filling}</body></message>"


def hear(client, count):
    """The ids of the next messages of the room."""
    return [client.message(type='groupchat').get('id') for _ in range(count)]


def shown(server, kind, room=ROOM):
    lines = [line.split('\t') for line in server.ctl('room', 'show', room).stdout.splitlines()]
    return [line[1:] for line in lines if line[0] == kind]


def memory(server):
    """Bytes, without what is a file's."""
    status = Path(f'/proc/{server.process.pid}/status').read_text()
    return int(re.search(r'RssAnon:\s*(\d+) kB', status)[1]) * 1024


# ---- floods and those who cannot follow ----

def test_room_stanzas_per_second(make_server):
    """What one occupant sends too fast is refused (resource-constraint) and passed on to nobody;
    the others go on. What is passed on is what all get, in order."""
    server = make_server(limits='room_stanzas_per_second = 10')
    make_room(server)
    flooder, first, second = people(server, 3)
    flooder.send(''.join(groupchat(i) for i in range(500)))
    came = [flooder.message() for _ in range(500)]
    refused = [m for m in came if m.get('type') == 'error']
    passed = [m.get('id') for m in came if m.get('type') == 'groupchat']
    assert {condition(m) for m in refused} == {'resource-constraint'}
    assert len(passed) >= 10
    assert sorted([m.get('id') for m in refused] + passed, key=int) == [str(i) for i in range(500)]
    first.send(groupchat('other'))
    for client in (flooder, first, second):
        heard = hear(client, 1 if client is flooder else len(passed) + 1)
        assert heard[-1] == 'other'
        assert client is flooder or heard[:-1] == passed


def test_flood_without_a_bound(make_server):
    """room_stanzas_per_second = 0: nothing is lost or reordered, and the others' sessions live on
    and are served meanwhile."""
    server = make_server(limits='room_stanzas_per_second = 0')
    make_room(server)
    flooder, *others = people(server, 4)
    wanted = [str(i) for i in range(3000)]
    flooder.send(''.join(map(groupchat, wanted)))
    for place in range(0, 3000, 100):
        for client in (flooder, *others):
            assert hear(client, 100) == wanted[place:place + 100]
    for client in others:
        client.send(groupchat('end'))
        assert [hear(each, 1) for each in (flooder, *others)] == [['end']] * 4


@pytest.mark.parametrize('managed', [False, True], ids=['plain', 'stream management'])
def test_occupant_that_does_not_read(make_server, managed):
    """It costs its output buffer (output_bytes), then its connection, or with stream management its
    session (unacknowledged_bytes). The others see it leave; memory does not grow beyond that."""
    server = make_server(limits='output_bytes = 65536\nstanza_bytes = 30000\n'
                                'unacknowledged_bytes = 65536\nroom_stanzas_per_second = 0')
    make_room(server)
    server.ctl('room', 'configure', ROOM, 'enablearchiving', '0')
    writer, watcher = people(server, 2)
    reader = server.online(server.account(), receive_buffer=4096)
    if managed:
        reader.send(f"<enable xmlns='{SM}' resume='true'/>")
        reader.take()
    enter(reader, 'slow')
    before = memory(server)
    for number in range(2000):
        writer.send(groupchat(number, 'x' * 20000))
        assert hear(writer, 1) == hear(watcher, 1) == [str(number)]
        gone = [p for p in watcher.inbox if p.get('type') == 'unavailable']
        if gone:
            break
    assert [p.get('from') for p in gone] == [f'{ROOM}/slow']
    server.gone_offline(reader.jid)
    assert [nick for _, nick, _ in shown(server, 'occupant')] == ['p0', 'p1']
    assert memory(server) - before < 48 * MIB


# ---- coming and going ----

def test_a_thousand_entrances(make_server):
    """Each who enters gets the presence of all others, then its own with status 110, then the
    subject (XEP-0045 section 7.1), and each sees the others leave. When all are gone, nothing is
    left of a temporary room."""
    server = make_server(limits='room_stanzas_per_second = 0')
    names = [f'n{i}' for i in range(12)]
    clients = {nick: server.online(server.account()) for nick in names}
    choices = random.Random(1)
    there = ['n0']
    enter(clients['n0'], 'n0')
    configure(clients['n0'])
    for _ in range(1000):
        absent = [nick for nick in names if nick not in there]
        if absent and (len(there) < 2 or choices.random() < 0.6):
            nick = choices.choice(absent)
            assert sorted(enter(clients[nick], nick)) == sorted(there)
            for other in there:
                clients[other].presence(from_=f'{ROOM}/{nick}', type=None)
            there.append(nick)
        else:
            nick = there.pop(choices.randrange(len(there)))
            clients[nick].send(f"<presence to='{ROOM}/{nick}' type='unavailable'/>")
            assert '110' in codes(clients[nick].presence(type='unavailable'))
            for other in there:
                clients[other].presence(from_=f'{ROOM}/{nick}', type='unavailable')
    for nick in there:
        clients[nick].send(f"<presence to='{ROOM}/{nick}' type='unavailable'/>")
    server.wait_stat('rooms_resident', 0)
    assert server.stats()['room_occupants'] == 0
    assert server.ctl('rooms').stdout == ''


def test_occupants_on_each_shard(make_server):
    """All hear the same in the same order, wherever their accounts and the room are."""
    server = make_server(shards=4, limits='room_stanzas_per_second = 0')
    accounts = {}
    while len(accounts) < 4:
        account = server.account()
        accounts.setdefault(server.owner(account.jid), account)
    make_room(server)
    clients = [server.online(account) for account in accounts.values()]
    for number, client in enumerate(clients):
        assert enter(client, f'p{number}') == [f'p{i}' for i in range(number)]
    for client in clients:
        client.sync()
    for number, client in enumerate(clients):
        client.send(''.join(groupchat(f'{number}-{i}') for i in range(100)))
    heard = [hear(client, 400) for client in clients]
    assert heard[1:] == heard[:1] * 3
    for number in range(4):
        assert [id for id in heard[0] if id.startswith(f'{number}-')] == \
            [f'{number}-{i}' for i in range(100)]


@pytest.mark.parametrize('managed', [False, True], ids=['plain', 'stream management'])
def test_client_that_is_killed(make_server, managed):
    """Without a goodbye, it leaves when its session ends: with its connection, or when it has not
    come back in time (XEP-0198)."""
    server = make_server(limits='resume_seconds = 1')
    make_room(server)
    watcher, client = people(server, 2)
    if managed:
        client.send(f"<enable xmlns='{SM}' resume='true'/>")
        client.take()
    client.reset()
    assert watcher.presence(type='unavailable').get('from') == f'{ROOM}/p1'
    assert [nick for _, nick, _ in shown(server, 'occupant')] == ['p0']


# ---- memory ----

ROOMS = 1000
SAID = 100000    # bytes


@pytest.mark.timeout(400)
def test_rooms_that_nobody_is_in(make_server):
    """They leave memory after a minute, with what was said in them, so that as many others take no
    more of it; a restart finds them all and reads none of them until it is used. The slow one of
    these tests: it lasts more than a minute."""
    server = make_server(limits='stanza_bytes = 200000')
    owner = server.online(server.account())
    rooms = [f'room{i}@rooms.example.org' for i in range(ROOMS)]
    before = memory(server)
    talk_and_leave(owner, rooms[:ROOMS // 2])
    grown = memory(server) - before
    assert grown > ROOMS // 2 * SAID * 0.9
    server.wait_stat('rooms_resident', 0, seconds=180)
    talk_and_leave(owner, rooms[ROOMS // 2:])
    assert memory(server) - before < 1.5 * grown
    for restart in (server.stop, server.kill):
        restart()
        server.start()
        listed = {line.partition('\t')[0] for line in server.ctl('rooms').stdout.splitlines()}
        assert listed == set(rooms)
        assert server.stats()['rooms_resident'] == 0
    client = server.online(server.account())
    client.send(entrance(rooms[-1], 'juliet'))
    client.presence(from_=f'{rooms[-1]}/juliet')
    assert server.stats()['rooms_resident'] == 1


def talk_and_leave(client, rooms):
    """Makes rooms that stay, says something in each, and leaves them."""
    for room in rooms:
        config = OWNER.format("<field var='muc#roomconfig_persistentroom'><value>1</value></field>")
        client.send(entrance(room, 'owner')
                    + f"<iq type='set' id='{room}' to='{room}'>{config}</iq>"
                    + groupchat('m', 'x' * SAID, room)
                    + f"<presence to='{room}/owner' type='unavailable'/>")
        assert client.iq(id=room).get('type') == 'result'
        client.message(from_=f'{room}/owner')
        client.presence(from_=f'{room}/owner', type='unavailable')


# ---- crashes ----

def change_without_pause(client, numbers, done, news):
    """Changes the subject, the name and an affiliation over and over. done: the numbers whose
    changes got their results; news: released for each of them."""
    try:
        for number in numbers:
            config = OWNER.format(
                f"<field var='muc#roomconfig_roomname'><value>{number}</value></field>")
            item = ADMIN.format(f"<item affiliation='member' jid='u{number}@example.org'/>")
            client.send(f"<message to='{ROOM}' type='groupchat'><subject>{number}</subject>"
                        f"</message><iq type='set' id='c{number}' to='{ROOM}'>{config}</iq>"
                        f"<iq type='set' id='a{number}' to='{ROOM}'>{item}</iq>")
            for id in (f'c{number}', f'a{number}'):
                assert client.iq(id=id).get('type') == 'result'
            done.append(number)
            news.release()
    except (OSError, StreamClosed):
        pass


def test_changes_are_there_after_a_crash(make_server):
    """Configuration and affiliations are on disk before the IQ that changed them gets its result,
    and a subject that was set before that with them (SIGKILL at any moment)."""
    server = make_server(limits='room_stanzas_per_second = 0')
    account = server.account()
    server.ctl('room', 'create', ROOM, account.jid)
    numbers, done, choices = itertools.count(1), [], random.Random(1)
    for _ in range(CRASHES):
        client, news = server.online(account), threading.Semaphore(0)
        enter(client, 'owner')
        thread = threading.Thread(target=change_without_pause, args=[client, numbers, done, news])
        thread.start()
        for _ in range(choices.randrange(1, 30)):
            assert news.acquire(timeout=60)
        server.kill()
        thread.join()
        server.start()
        config = {field: values for field, *values in shown(server, 'config')}
        assert int(config['roomname'][0]) >= done[-1]
        members = {line[1] for line in shown(server, 'affiliation')}
        assert members >= {f'u{number}@example.org' for number in done}
        client = server.online(account)
        client.send(entrance(ROOM, 'owner'))
        assert int(text_of(client.message(type='groupchat'), 'subject')) >= done[-1]
        client.close()


def test_temporary_rooms_are_gone_after_a_crash(make_server):
    """With their archives: who enters at the same address makes a new room."""
    server = make_server()
    account = server.account()
    for number in range(CRASHES):
        client = server.online(account)
        client.send(entrance(ROOM, 'owner'))
        assert '201' in codes(client.presence(from_=f'{ROOM}/owner'))
        configure(client, enablearchiving='1', roomname=number)
        page = client.ask("<query xmlns='urn:xmpp:mam:2'/>", 'set', to=ROOM)
        assert page.get('type') == 'result'
        assert not [m for m in client.inbox if m.find('{urn:xmpp:mam:2}result') is not None]
        client.send(groupchat(f'm{number}', 'gone with the room'))
        client.message(id=f'm{number}')
        server.kill()
        client.close()
        server.start()
        while server.ctl('rooms').stdout:
            pass    # the server erases it soon
