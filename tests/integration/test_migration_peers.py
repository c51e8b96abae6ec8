"""Accounts that real servers made are taken over with their passwords and their data."""
import pytest

from harness import moved
from harness.peers import Ejabberd, Prosody, fill

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
