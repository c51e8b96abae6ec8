"""A disk without room: who sends gets an error, the server goes on, and recovers."""
import errno
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from harness import condition, find
from harness.server import environment, program

SIZE = 256  # MiB: some segments of the ledger


@pytest.fixture
def disk():
    """A small file system of its own."""
    folder = tempfile.mkdtemp(prefix='stentor-disk-')
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={SIZE}m', 'tmpfs', folder],
                          capture_output=True, text=True) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        os.rmdir(folder)
        pytest.skip('a small file system needs root and the right to mount')
    try:
        yield Path(folder)
    finally:
        subprocess.run(['umount', '-l', folder], check=True)
        os.rmdir(folder)


def fill(disk, leave):
    """Takes all but so many bytes of the room. The server may take some of it meanwhile."""
    with open(disk / 'ballast', 'wb') as file:
        while True:
            room = shutil.disk_usage(disk).free - leave
            try:
                os.posix_fallocate(file.fileno(), 0, max(room, 1))
                return
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise


def free(disk):
    (disk / 'ballast').unlink()


def message(to, number):
    """A large one, so that the ledger's segment is soon full."""
    return f"<message to='{to}' type='chat' id='m{number}'><body>{'x' * 200000}</body></message>"


def test_messages_on_a_full_disk(make_server, disk):
    """disk_reserve_bytes: messages for offline users are refused while less is free; those for
    others go on. When there is room again they are stored."""
    server = make_server(data=disk, limits='disk_reserve_bytes = 16M')
    server.expected.add('ledger_full')
    first, second = server.two_accounts()
    sender = server.online(first)
    fill(disk, 16 * 1024 * 1024)
    sent, refused = 0, []
    while not refused or server.stats()['offline_stored'] + len(refused) < sent:
        if not refused:
            sender.send(message(second.jid, sent))
            sent += 1
        refused += [m for m in sender.sync() if m.tag.endswith('}message')]
    assert {condition(m) for m in refused} <= {'resource-constraint', 'service-unavailable'}
    stored = sent - len(refused)
    assert stored > 0
    other = server.online(first)
    sender.send(message(other.jid, 'live'))
    other.message(id='mlive')
    free(disk)
    while server.stats()['offline_stored'] == stored:
        sender.send(message(second.jid, 'late'))
        sender.sync()
    receiver = server.online(second)
    got = [receiver.message().get('id') for _ in range(stored + 1)]
    assert got == [f'm{i}' for i in range(stored)] + ['mlate']


def test_database_on_a_full_disk(make_server, disk):
    """Rosters and accounts: an error for who asked, nothing half done, and everything goes on
    when there is room."""
    server = make_server(data=disk, limits='disk_reserve_bytes = 0')
    server.expected.add('store_failed')
    account = server.account()
    client = server.online(account)
    fill(disk, 0)
    refused = set()
    for i in range(2000):
        answer = client.ask("<query xmlns='jabber:iq:roster'>"
                            f"<item jid='c{i}@example.org' name='{'x' * 1000}'/></query>", 'set')
        if answer.get('type') == 'error':
            refused.add(condition(answer))
            break
    assert refused <= {'resource-constraint', 'internal-server-error'} and refused
    assert server.ctl('adduser', 'more@example.org', stdin='x\n', check=False).returncode == 1
    client.sync()
    server.online(account).sync()
    free(disk)
    roster = "<query xmlns='jabber:iq:roster'/>"
    while client.ask("<query xmlns='jabber:iq:roster'><item jid='late@example.org'/></query>",
                     'set').get('type') == 'error':
        assert server.process.poll() is None
    before = {i.get('jid') for i in find(client.get(roster), 'roster:query')}
    assert before == {f'c{k}@example.org' for k in range(i)} | {'late@example.org'}
    server.account('more')
    server.kill()
    server.start()
    client = server.online(account)
    assert {i.get('jid') for i in find(client.get(roster), 'roster:query')} == before


def describe(text):
    """Gives a room another description, as its owner does it."""
    return ("<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' "
            "type='submit'><field var='FORM_TYPE'><value>"
            'http://jabber.org/protocol/muc#roomconfig</value></field>'
            f"<field var='muc#roomconfig_roomdesc'><value>{text}</value></field></x></query>")


def description(server, room):
    """As the server has it in memory."""
    for line in server.ctl('room', 'show', room).stdout.splitlines():
        if line.startswith('config\troomdesc\t'):
            return line.split('\t')[2]
    return None


def stored_description(server):
    with sqlite3.connect(f'file:{server.data}/stentor.db?mode=ro', uri=True) as database:
        return database.execute('SELECT about FROM rooms').fetchone()[0]


def test_room_on_a_full_disk(make_server, disk):
    """docs/rooms.md: an error for the owner whose change cannot be written; it holds in memory, and
    is written by the server itself when there is room."""
    server = make_server(data=disk, limits='disk_reserve_bytes = 0')
    server.expected |= {'store_failed', 'room'}
    room, account = 'garden@rooms.example.org', server.account()
    server.ctl('room', 'create', room, account.jid)
    owner = server.online(account)
    fill(disk, 0)
    for number in range(2000):
        text = f'{number} {"x" * 4000}'
        answer = owner.ask(describe(text), 'set', to=room)
        if answer.get('type') == 'error':
            break
    assert condition(answer) in ('resource-constraint', 'internal-server-error')
    assert description(server, room) == text
    assert stored_description(server) != text
    free(disk)
    while stored_description(server) != text:
        time.sleep(0.1)
    server.kill()
    server.start()
    assert description(server, room) == text


def hats(name, fields=''):
    """A command about the hats of a room (XEP-0317)."""
    return ("<command xmlns='http://jabber.org/protocol/commands' "
            f"node='urn:xmpp:hats:commands:{name}'>{fields}</command>")


def create_hat(title):
    """Always the same one, with another title."""
    return hats('create', "<x xmlns='jabber:x:data' type='submit'><field var='hats#title'><value>"
                f"{title}</value></field><field var='hats#uri'><value>hat:0</value></field></x>")


def title_of_hat(client, room):
    answer = client.ask(hats('list'), 'set', to=room)
    texts = [value.text for value in answer.iter('{jabber:x:data}value')]
    return texts[0] if texts else None


def test_hats_on_a_full_disk(make_server, disk):
    """docs/rooms.md: an error for who changes a hat; the same command writes it when there is
    room, though it changes nothing more."""
    server = make_server(data=disk, limits='disk_reserve_bytes = 0')
    server.expected |= {'store_failed', 'room'}
    room, account = 'garden@rooms.example.org', server.account()
    server.ctl('room', 'create', room, account.jid)
    owner = server.online(account)
    fill(disk, 0)
    for number in range(20000):
        title = f'{number} {"x" * 240}'
        answer = owner.ask(create_hat(title), 'set', to=room)
        if answer.get('type') == 'error':
            break
    assert condition(answer) in ('resource-constraint', 'internal-server-error')
    assert title_of_hat(owner, room) == title
    free(disk)
    assert owner.ask(create_hat(title), 'set', to=room).get('type') == 'result'
    server.kill()
    server.start()
    assert title_of_hat(server.online(account), room) == title


def test_start_on_a_full_disk(make_server, disk):
    """It says what is wrong and ends with 1, or starts and works as far as it can."""
    server = make_server(start=False, data=disk)
    fill(disk, 0)
    process = subprocess.Popen([program('STENTORD'), '-c', str(server.config)],
                               stderr=subprocess.PIPE, text=True, env=environment())
    try:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1, said
        assert '"level":"error"' in said
    finally:
        process.kill()
