"""Accounts that real servers made are taken over with their passwords and their data."""
import pytest

from harness import moved
from harness import find
from harness.peers import Ejabberd, Prosody, fill, fill_room

PASSWORD = 'O Romeo, Romeo! ü'


@pytest.fixture
def make_peer():
    made = []

    def make(kind, **options):
        if kind.missing():
            pytest.skip(kind.missing())
        made.append(kind(**options))
        return made[-1]

    yield make
    for peer in made:
        peer.remove()


def people(peer):
    return peer.account('juliet', PASSWORD), peer.account('romeo', 's3cret')


def check_moved(server, juliet, romeo, mechanism, archive=True):
    server.start()
    hers = moved.log_in(server, juliet, mechanism)
    his = moved.log_in(server, romeo, mechanism)
    moved.log_in_plain(server, juliet)
    moved.has_contacts(hers, his)
    moved.has_documents(hers)
    moved.has_lists(hers)
    if archive:
        moved.has_preferences(hers)
        moved.has_archive(hers)
        moved.has_archive(his)
    moved.has_waiting(hers)


@pytest.mark.parametrize('storage, vcard, hash, mechanism', [
    ('internal', 'vcard', 'SHA-1', 'SCRAM-SHA-1'),
    ('internal', 'vcard_legacy', None, 'SCRAM-SHA-512'),
    ('sql', 'vcard', 'SHA-256', 'SCRAM-SHA-256'),
    ('sql', 'vcard_legacy', 'SHA-1', 'SCRAM-SHA-1')])
def test_prosody(make_server, make_peer, storage, vcard, hash, mechanism):
    """Its internal storage and its database; keys of either hash, or plain passwords; vCards, or
    PEP nodes in their place."""
    server = make_server(start=False)
    peer = make_peer(Prosody, storage=storage, vcard=vcard, hash=hash)
    juliet, romeo = people(peer)
    fill(peer.start(), juliet, romeo)
    peer.stop()
    path = peer.database if storage == 'sql' else peer.data
    said = server.ctl('import', '--from', 'prosody', str(path)).stdout
    assert said.startswith('imported: 2 accounts, 3 contacts, 1 requests to subscribe, 1 vCards')
    assert '2 offline messages, 8 archived messages' in said
    assert 'PEP node http://jabber.org/protocol/nick' in said
    check_moved(server, juliet, romeo, mechanism)


ROOM = {'roomname': 'The garden', 'roomdesc': 'ü', 'publicroom': '0', 'membersonly': '1',
        'passwordprotectedroom': '1', 'roomsecret': 'sesam', 'whois': 'anyone', 'moderatedroom': '1',
        'changesubject': '1', 'persistentroom': '1', 'enablearchiving': '1'}


def lines_of(server, room, kind):
    lines = [line.split('\t') for line in server.ctl('room', 'show', room).stdout.splitlines()]
    return [line[1:] for line in lines if line[0] == kind]


@pytest.mark.parametrize('storage', ['internal', 'sql'])
def test_prosody_rooms(make_server, make_peer, storage):
    """Persistent rooms with configuration, affiliations, registered nicknames, subject and archive;
    those that are there already stay, or are replaced."""
    server, peer = make_server(start=False), make_peer(Prosody, storage=storage, hash='SHA-256')
    juliet, romeo = people(peer)
    fill_room(peer.start(), juliet, romeo, historylength=9)
    peer.stop()
    path = str(peer.database if storage == 'sql' else peer.data)
    said = server.ctl('import', '--from', 'prosody', path).stdout
    assert said.startswith('imported: 2 accounts') and '2 archived messages' in said
    assert '\n1 rooms\n' in said
    assert 'not touched: 1 rooms' in server.ctl('import', '--from', 'prosody', path).stdout
    server.ctl('import', '--from', 'prosody', '--replace', path)
    server.start()
    room = 'garden@rooms.example.org'
    has_room(server, room, juliet, romeo, 'jul', maxhistoryfetch='9')
    assert [line.split('\t')[0] for line in server.ctl('rooms').stdout.splitlines()] == [room]
    has_past(server.online(romeo), room)


def has_room(server, room, juliet, romeo, nick, **more):
    """What fill_room() made, in which juliet's nickname may be registered."""
    config = {name: values for name, *values in lines_of(server, room, 'config')}
    for name, value in {**ROOM, **more}.items():
        assert config[name] == [value], name
    assert sorted(lines_of(server, room, 'affiliation')) == [
        ['admin', 'nurse@example.net', '', ''], ['member', romeo.jid, '', ''],
        ['outcast', 'tybalt@example.org', '', ''], ['owner', juliet.jid, nick, '']]


def has_past(client, room):
    client.send(f"<presence to='{room}/rom'><x xmlns='http://jabber.org/protocol/muc'>"
                '<password>sesam</password></x></presence>')
    client.presence(from_=f'{room}/rom')
    past = [client.message(type='groupchat') for _ in range(3)]
    assert [(m.get('from'), find(m, 'body').text) for m in past[:2]] == [
        (f'{room}/jul', 'hello'), (f'{room}/rom', 'who is there?')]
    assert (past[2].get('from'), find(past[2], 'subject').text) == (f'{room}/jul', 'night')


@pytest.mark.parametrize('passwords, mechanism', [
    ('scram', 'SCRAM-SHA-1'), ('plain', 'SCRAM-SHA-256')])
def test_ejabberd_export(make_server, make_peer, passwords, mechanism):
    """What `ejabberdctl export_piefxis` writes: XEP-0227 with XInclude, and keys that are
    encoded twice. It has no archives."""
    server, peer = make_server(start=False), make_peer(Ejabberd, passwords=passwords)
    juliet, romeo = people(peer.start())
    fill(peer, juliet, romeo)
    said = server.ctl('import', str(peer.export(last='hello?'))).stdout
    assert said.startswith('imported: 2 accounts, 3 contacts, 1 requests to subscribe, 1 vCards')
    check_moved(server, juliet, romeo, mechanism, archive=False)


def test_ejabberd_sqlite(make_server, make_peer):
    """Its SQL schema, which does not say whose it is."""
    server, peer = make_server(start=False), make_peer(Ejabberd, sql=True)
    juliet, romeo = people(peer.start())
    fill(peer, juliet, romeo)
    peer.export(last='hello?')
    peer.stop()
    refused = server.ctl('import', '--from', 'ejabberd', str(peer.database), check=False)
    assert refused.returncode == 1 and '--host' in refused.stderr
    said = server.ctl('import', '--from', 'ejabberd', '--host', 'example.org',
                      str(peer.database)).stdout
    assert said.startswith('imported: 2 accounts, 3 contacts, 1 requests to subscribe, 1 vCards')
    assert '2 offline messages, 8 archived messages' in said
    check_moved(server, juliet, romeo, 'SCRAM-SHA-1')


def test_ejabberd_rooms(make_server, make_peer):
    """Persistent rooms of its database, with configuration, affiliations, subject and archive."""
    server, peer = make_server(start=False), make_peer(Ejabberd, sql=True, passwords='plain')
    juliet, romeo = people(peer.start())
    fill_room(peer, juliet, romeo, mam=1, maxusers=100)
    peer.export(last='romeo')
    peer.stop()
    words = ['import', '--from', 'ejabberd', '--host', 'example.org', str(peer.database)]
    said = server.ctl(*words).stdout
    assert '\n1 rooms\n' in said and '3 archived messages' in said
    assert 'not touched: 1 rooms' in server.ctl(*words).stdout
    server.start()
    room = 'garden@rooms.example.org'
    has_room(server, room, juliet, romeo, '', maxusers='100')
    has_past(server.online(romeo), room)
