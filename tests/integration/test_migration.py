"""Exports, imports and backups of Stentor itself (docs/migration.md)."""
import hashlib
import hmac
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET

import pytest

from harness import moved
from harness.client import mechanisms
from harness.scram import b64
from harness.server import Account, environment, program
from harness.xmpp import text_of

PIE = '{urn:xmpp:pie:0}'
JULIET = Account('juliet', 'example.org', 'O Romeo, Romeo! ü')
ROMEO = Account('romeo', 'example.org', 's3cret')


def document(inside, domain='example.org'):
    return (f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{domain}'>{inside}</host>"
            '</server-data>')


def account(name, inside='', password='secret'):
    return f"<user name='{name}' password='{password}'>{inside}</user>"


@pytest.fixture
def write(tmp_path):
    def to_file(text, name='in.xml'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)
    return to_file


def import_into(server, path, *words, check=True):
    return server.ctl('import', *words, path, check=check)


def export(server, path, *words):
    server.ctl('export', *words, str(path))
    return path.read_bytes()


def ready(server):
    """A server that has been started once, so that it has all of its files."""
    server.start()
    server.stop()
    return server


MESSAGES = [  # id, from, to, text, microsecond of their stamps
    ('m1', 'juliet@example.org/balcony', 'romeo@example.org/garden', 'Who &lt;are&gt; you?\n😀',
     1),
    ('m2', 'romeo@example.org/garden', 'juliet@example.org/balcony', 'me', 2),
    ('m3', 'romeo@example.org/garden', 'juliet@example.org', 'are you there?', 123456),
    ('m4', 'romeo@example.org/garden', 'juliet@example.org', 'hello?', 999999)]


def message(number, inside=''):
    id, from_, to, text, _ = MESSAGES[number]
    return (f"<message xmlns='jabber:client' type='chat' id='{id}' from='{from_}' to='{to}'>"
            f'<body>{text}</body>{inside}</message>')


def delay(number, from_=''):
    return (f"<delay xmlns='urn:xmpp:delay' {from_} "
            f"stamp='2020-02-29T10:00:00.{MESSAGES[number][4]:06}Z'/>")


def waiting(number):
    """One that waits, and stands in the archive too."""
    return message(number, f"<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@example.org' "
                   f"id='old-{number}'/>" + delay(number, "from='example.org'"))


def archive():
    return "<archive xmlns='urn:xmpp:pie:0#mam'>" + ''.join(
        f"<result xmlns='urn:xmpp:mam:2' id='old-{n}'><forwarded xmlns='urn:xmpp:forward:0'>"
        f'{delay(n)}{message(n)}</forwarded></result>' for n in range(4)) + '</archive>'


# What harness.peers.fill() makes elsewhere, in the words of XEP-0227.
PEOPLE = document(account('juliet', f"""
  <query xmlns='jabber:iq:roster'>
    <item jid='romeo@example.org' name='Romeo &amp; &quot;x&quot;' subscription='to'>
      <group>Friends</group><group>Mädels</group></item>
    <item jid='nurse@example.net' name='Nurse' subscription='none' ask='subscribe'/>
  </query>
  <vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN>
    <PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO><NOTE>two
lines &lt;&amp;</NOTE></vCard>
  <query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>
    <conference jid='park@rooms.example' name="a'b"/></storage></query>
  <offline-messages>{waiting(2)}{waiting(3)}</offline-messages>
  <presence xmlns='jabber:client' type='subscribe' from='romeo@example.org'/>
  <query xmlns='jabber:iq:privacy'><default name='public'/>
    <list name='public'><item type='jid' value='tybalt@example.org' action='deny' order='1'/>
      <item action='allow' order='2'/></list>
    <list name='other'><item type='jid' value='nurse@example.net' action='deny' order='1'/></list>
  </query>
  <prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>romeo@example.org</jid></always>
    <never><jid>tybalt@example.org</jid></never></prefs>
  {archive()}
""", JULIET.password) + account('romeo', f"""
  <query xmlns='jabber:iq:roster'>
    <item jid='juliet@example.org' subscription='from' ask='subscribe'/></query>
  {archive()}
""", ROMEO.password))


def test_import(make_server, write):
    """All of XEP-0227 that the server has a place for is there for the people."""
    server = make_server(start=False)
    said = import_into(server, write(PEOPLE)).stdout
    assert said.startswith('imported: 2 accounts, 3 contacts, 1 requests to subscribe, 1 vCards')
    server.start()
    juliet, romeo = moved.log_in(server, JULIET), moved.log_in(server, ROMEO, 'SCRAM-SHA-512')
    moved.log_in_plain(server, JULIET)
    moved.has_contacts(juliet, romeo)
    moved.has_documents(juliet)
    moved.has_lists(juliet)
    moved.has_preferences(juliet)
    moved.has_archive(juliet)
    moved.has_archive(romeo)
    moved.has_waiting(juliet)


def test_round_trip(make_server, write, tmp_path):
    """What is exported, imported elsewhere and exported again is the same, byte for byte."""
    first, second = make_server(start=False), make_server(start=False)
    import_into(first, write(PEOPLE))
    one = export(first, tmp_path / 'one.xml')
    import_into(second, str(tmp_path / 'one.xml'))
    assert export(second, tmp_path / 'two.xml') == one
    assert (tmp_path / 'one.xml').stat().st_mode & 0o777 == 0o600
    assert one.count(b'2020-02-29T10:00:00.123456Z') == 3


def test_round_trip_of_a_life(make_server, tmp_path):
    """What people did on a server is the same on another one, ids of the archives included."""
    first, second = make_server(), make_server(start=False)
    juliet, romeo = first.account('juliet'), first.account('romeo')
    hers, his = first.online(juliet), first.online(romeo)
    hers.set("<vCard xmlns='vcard-temp'><FN>J</FN></vCard>")
    hers.set("<block xmlns='urn:xmpp:blocking'><item jid='tybalt@example.org'/></block>")
    hers.set("<query xmlns='jabber:iq:roster'><item jid='romeo@example.org' name='R'/></query>")
    for n in range(3):
        hers.send(f"<message to='{his.jid}' type='chat' id='a{n}'><body>{n}</body></message>")
        his.message(id=f'a{n}')
        his.send(f"<message to='{hers.jid}' type='chat' id='b{n}'><body>{n}</body></message>")
        hers.message(id=f'b{n}')
    hers.send('</stream:stream>')
    hers.wait_closed()
    first.gone_offline(juliet.jid)
    for n in range(3):
        his.send(f"<message to='{juliet.jid}' type='chat' id='c{n}'><body>{n}</body></message>")
    his.sync()
    first.wait_stat('ledger_waiting', 3)
    one = export(first, tmp_path / 'one.xml')
    his.close()
    said = import_into(second, str(tmp_path / 'one.xml')).stdout
    assert '3 offline messages, 18 archived messages' in said
    assert export(second, tmp_path / 'two.xml') == one
    second.start()
    hers = second.online(juliet)
    assert [hers.message().get('id') for _ in range(3)] == ['c0', 'c1', 'c2']
    assert [entry[0] for entry in moved.archive(hers)] == [
        'a0', 'b0', 'a1', 'b1', 'a2', 'b2', 'c0', 'c1', 'c2']


def test_round_trip_of_nodes(make_server, tmp_path):
    """XEP-0227 section 4.10: configuration, people and items of PEP nodes come over, and do what
    they did."""
    first, second = make_server(), make_server(start=False)
    juliet, romeo = first.account('juliet'), first.account('romeo')
    pubsub = 'http://jabber.org/protocol/pubsub'
    form = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
            f"<value>{pubsub}#node_config</value></field><field var='pubsub#access_model'>"
            "<value>whitelist</value></field><field var='pubsub#max_items'><value>2</value>"
            '</field></x>')
    hers = first.online(juliet)
    hers.set(f"<pubsub xmlns='{pubsub}'><create node='urn:n'/><configure>{form}</configure></pubsub>")
    hers.set(f"<pubsub xmlns='{pubsub}#owner'><affiliations node='urn:n'><affiliation "
             "jid='romeo@example.org' affiliation='member'/></affiliations></pubsub>")
    for n in range(3):
        hers.set(f"<pubsub xmlns='{pubsub}'><publish node='urn:n'><item id='i{n}'>"
                 f"<x xmlns='urn:x'>{n}</x></item></publish></pubsub>")
    his = first.online(romeo)
    his.set(f"<pubsub xmlns='{pubsub}'><subscribe node='urn:n' jid='romeo@example.org'/></pubsub>",
            to='juliet@example.org')
    one = export(first, tmp_path / 'one.xml')
    said = import_into(second, str(tmp_path / 'one.xml')).stdout
    assert '1 PEP nodes with 2 items' in said
    assert 'left out' not in said
    assert export(second, tmp_path / 'two.xml') == one
    second.start()
    his = second.online(romeo)
    got = his.get(f"<pubsub xmlns='{pubsub}'><items node='urn:n'/></pubsub>", to='juliet@example.org')
    assert [i.get('id') for i in got.iter(f'{{{pubsub}}}item')] == ['i1', 'i2']
    hers = second.online(juliet)
    hers.set(f"<pubsub xmlns='{pubsub}'><publish node='urn:n'><item id='new'>"
             "<x xmlns='urn:x'/></item></publish></pubsub>")
    event = his.message(from_='juliet@example.org')
    assert [i.get('id') for i in event.iter(f'{{{pubsub}#event}}item')] == ['new']


def test_export_of_some(make_server, write, tmp_path):
    server = make_server(start=False)
    import_into(server, write(document(account('a') + account('b'))))
    import_into(server, write(document(account('a'), 'example.net')))
    out = ET.fromstring(export(server, tmp_path / 'out.xml', '--host', 'EXAMPLE.org', '--user',
                               'b'))
    assert [h.get('jid') for h in out] == ['example.org']
    assert [u.get('name') for u in out.iter(f'{PIE}user')] == ['b']


def test_a_message_is_stored_once(make_server, write, tmp_path):
    """One that waits and stands in the archive is one record; those that stand in no archive
    wait all the same, in their order."""
    server = make_server(start=False)
    lone = message(0, delay(0, "from='example.org'"))
    said = import_into(server, write(document(account(
        'juliet', f'<offline-messages>{lone}{waiting(2)}{waiting(3)}</offline-messages>' +
        archive())))).stdout
    assert '3 offline messages, 4 archived messages' in said
    export(server, tmp_path / 'out.xml')
    out = ET.parse(tmp_path / 'out.xml')
    offline = out.find(f'.//{PIE}offline-messages')
    assert [m.get('id') for m in offline] == ['m1', 'm3', 'm4']
    ids = [m.find('{urn:xmpp:sid:0}stanza-id') for m in offline]
    results = [r.get('id') for r in out.iter('{urn:xmpp:mam:2}result')]
    assert [i is not None and i.get('id') for i in ids] == [False, *results[2:]]


def test_archive_out_of_order(make_server, write, tmp_path):
    """XEP-0227 section 4.11 forbids it; nothing is lost, and each gets an id of its own."""
    server = make_server(start=False)
    results = archive().replace('10:00:00.999999', '09:00:00.0').replace('.000002Z', '.000001Z')
    import_into(server, write(document(account('juliet', results))))
    export(server, tmp_path / 'out.xml')
    out = ET.parse(tmp_path / 'out.xml')
    ids = [r.get('id') for r in out.iter('{urn:xmpp:mam:2}result')]
    assert len(ids) == 4 and ids == sorted(set(ids))
    assert [m.get('id') for m in out.iter('{jabber:client}message')] == ['m1', 'm2', 'm3', 'm4']


def test_keys_of_one_hash(make_server, write):
    """Section 4.3: SCRAM keys. A host that offers their hash alone lets every client in, for
    which the strongest mechanism offered is the only one that they try."""
    server = make_server(start=False, hosts={'example.org': 'scram = sha1'})
    salt, secret = b'salt' * 4, JULIET.password.encode()
    salted = hashlib.pbkdf2_hmac('sha1', secret, salt, 4096)
    stored = hashlib.sha1(hmac.digest(salted, b'Client Key', 'sha1')).digest()
    said = import_into(server, write(document(
        "<user name='juliet'><scram-credentials xmlns='urn:xmpp:pie:0#scram' "
        f"mechanism='SCRAM-SHA-1'><iter-count>4096</iter-count><salt>{b64(salt)}</salt>"
        f"<server-key>{b64(hmac.digest(salted, b'Server Key', 'sha1'))}</server-key>"
        f'<stored-key>{b64(stored)}</stored-key></scram-credentials></user>'))).stdout
    assert '1 accounts have keys for SCRAM-SHA-1 alone: "scram = sha1"' in said
    server.start()
    offered = mechanisms(server.secure().features)
    assert {m.removesuffix('-PLUS') for m in offered} == {'SCRAM-SHA-1', 'PLAIN'}
    moved.log_in(server, JULIET)
    moved.log_in_plain(server, JULIET)


def test_existing_accounts(make_server, write):
    """They stay as they are, unless they are to be replaced: with everything then."""
    server = make_server(start=False)
    import_into(server, write(PEOPLE))
    other = write(document(account('juliet', password='new') + account('tybalt')), 'other.xml')
    said = import_into(server, other).stdout
    assert said.startswith('imported: 1 accounts')
    assert 'not touched: 1 accounts that exist already' in said
    said = import_into(server, other, '--replace', '--user', 'juliet').stdout
    assert said.startswith('imported: 1 accounts')
    server.start()
    juliet = server.login(Account('juliet', 'example.org', 'new'))
    assert moved.contacts(juliet) == {}
    assert moved.archive(juliet) == []
    juliet.send('<presence/>')
    juliet.presence(from_=juliet.jid)
    assert juliet.sync() == []


def test_running_server(make_server, write):
    """An import is refused; a check is not."""
    server = make_server()
    path = write(PEOPLE)
    refused = import_into(server, path, check=False)
    assert refused.returncode == 1 and 'the server runs' in refused.stderr
    assert import_into(server, path, '--check').stdout.startswith('to import: 2 accounts')
    assert server.ctl('users').stdout == ''


BROKEN = {
    'cut': (PEOPLE[:-30], 'in.xml:'),
    'not well-formed at the end': (PEOPLE.replace('</server-data>', '</x>'), 'mismatched tag'),
    'no XEP-0227': ('<html/>', 'no <server-data'),
    'a document type': ('<!DOCTYPE x SYSTEM "file:///etc/passwd">' + PEOPLE, 'document type'),
    'an include of nothing': (document("<include xmlns='http://www.w3.org/2001/XInclude' "
                                       "href='nothing.xml'/>"), 'cannot be read'),
    'an include that leads out': (document("<include xmlns='http://www.w3.org/2001/XInclude' "
                                           "href='/etc/passwd'/>"), 'no plain file'),
    'another that does': (document("<include xmlns='http://www.w3.org/2001/XInclude' "
                                   "href='x/%2e%2e/%2E%2E/y'/>"), 'no plain file'),
    'one that includes itself': (document("<include xmlns='http://www.w3.org/2001/XInclude' "
                                          "href='host.xml'/>"), 'include each other'),
}


@pytest.mark.parametrize('what', BROKEN)
def test_broken_input(make_server, write, what):
    """Nothing is changed, whatever stands before the fault."""
    server = ready(make_server(start=False))
    text, message = BROKEN[what]
    write("<include href='host.xml' xmlns='http://www.w3.org/2001/XInclude'/>", 'host.xml')
    refused = import_into(server, write(text), check=False)
    assert refused.returncode == 1
    assert message in refused.stderr and 'nothing was changed' in refused.stderr
    server.start()
    assert server.ctl('users').stdout == ''


def test_includes(make_server, write):
    """XEP-0227 section 5.1: a file for each host and account, with names that are escaped."""
    xi = "xmlns:xi='http://www.w3.org/2001/XInclude'"
    main = write(f"<server-data xmlns='urn:xmpp:pie:0' {xi}>"
                 "<xi:include href='example.org.xml'/></server-data>")
    write(f"<host xmlns='urn:xmpp:pie:0' {xi} jid='example.org'>"
          "<xi:include href='example.org/juliet%20c.xml'/></host>", 'example.org.xml')
    write(f"<user xmlns='urn:xmpp:pie:0' {xi} name='juliet' password='x'>"
          "<xi:include href='roster.xml'/><vCard xmlns='vcard-temp'>"
          "<xi:include href='not-this.xml'/></vCard></user>", 'example.org/juliet c.xml')
    write("<query xmlns='jabber:iq:roster'><item jid='romeo@example.net'/></query>",
          'example.org/roster.xml')
    said = import_into(make_server(start=False), main).stdout
    assert said.startswith('imported: 1 accounts, 1 contacts, 0 requests to subscribe, 1 vCards')


def test_what_is_left_out(make_server, write):
    """It is counted, and the place of the first one is given."""
    said = import_into(make_server(start=False), write(document(
        account('a', "\n<query xmlns='jabber:iq:roster'><item jid='@'/><item jid='x@@y'/>"
                     "<item jid='good@example.net'/></query><new xmlns='urn:new'/>") +
        account('b c')) + '\n')).stdout
    assert 'imported: 1 accounts, 1 contacts' in said
    assert 'left out: 2 x contact whose address is none; the first at ' in said
    assert 'in.xml:2' in said
    assert "element <new xmlns='urn:new'/>" in said
    assert 'account b c@example.org, whose name is no localpart' in said


def test_bad_table_of_prosody(make_server, tmp_path):
    """A file that is a program is an error with its line, and none is run."""
    folder = tmp_path / 'example%2eorg' / 'accounts'
    folder.mkdir(parents=True)
    (folder / 'a.dat').write_text('return {\n\t["password"] = "x";\n};\n')
    (folder / 'b.dat').write_text('return {\n\t["password"] = os.exit();\n};\n')
    server = ready(make_server(start=False))
    refused = import_into(server, str(tmp_path), '--from', 'prosody', check=False)
    assert refused.returncode == 1
    assert 'b.dat:2: an unknown word' in refused.stderr
    server.start()
    assert server.ctl('users').stdout == ''


def test_stores_of_prosody(make_server, tmp_path):
    """What of an account has no place here is named; accounts without a file are none."""
    host = tmp_path / 'example%2eorg'
    for store, name, text in [('accounts', 'j%2ed.dat', 'return {["password"]="x";};'),
                              ('lastlog', 'j%2ed.dat', 'return {};'),
                              ('archive2', 'j%2ed.list', ''), ('archive2', 'gone.list', '')]:
        (host / store).mkdir(parents=True, exist_ok=True)
        (host / store / name).write_text(text)
    server = make_server(start=False)
    said = import_into(server, str(tmp_path), '--from', 'prosody').stdout
    assert 'left out: 1 x store "archive2" of an account' in said
    assert 'left out: 1 x store "lastlog" of an account' in said
    server.start()
    assert server.ctl('users').stdout == 'j.d@example.org\n'


def test_interrupted(make_server, tmp_path):
    """What was begun is taken out again, and the number of those that are done is said."""
    path = tmp_path / 'in.xml'
    path.write_text(document(''.join(
        account(f'u{n}', f'<offline-messages>{waiting(2)}</offline-messages>')
        for n in range(2000))))
    server = make_server(start=False)
    running = subprocess.Popen([program('STENTORCTL'), '-c', str(server.config), 'import',
                                str(path)], env=environment(), stderr=subprocess.PIPE, text=True)
    while not (server.data / 'stentor.db-wal').exists():
        assert running.poll() is None
    time.sleep(0.3)
    running.terminate()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    done = int(re.search(r'interrupted\n.*?(\d+) accounts were imported before', said)[1])
    assert 0 < done < 2000
    server.start()
    assert len(server.ctl('users').stdout.split()) == done


@pytest.mark.parametrize('words', [
    ['export'], ['import'], ['export', 'a', 'b'], ['import', '--from', 'x', 'y'],
    ['export', '--host', '..', 'x'], ['import', '--unknown', 'x']])
def test_wrong_usage(make_server, words):
    done = make_server(start=False).ctl(*words, check=False)
    assert done.returncode == 2 and done.stderr


def test_data_needs_a_configuration():
    done = subprocess.run([program('STENTORCTL'), '-s', 'socket', 'export', 'out.xml'],
                          capture_output=True, text=True, env=environment())
    assert done.returncode == 2 and 'give -c' in done.stderr


def test_no_file_is_left_behind(make_server, tmp_path):
    """An export that fails leaves neither a part nor what stood there before in pieces."""
    server = make_server(start=False)
    out = tmp_path / 'out.xml'
    out.write_text('before')
    done = server.ctl('export', str(out), check=False)  # there is no data folder
    assert done.returncode == 1
    assert out.read_text() == 'before'
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can be somebody else')
def test_files_of_root(make_server, write, tmp_path):
    """What root imports belongs to the user of the server."""
    nobody = pwd.getpwnam('nobody')
    server = ready(make_server(start=False))
    for path in [server.data, *server.data.rglob('*')]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    server.folder.chmod(0o755)
    import_into(server, write(PEOPLE))
    owners = {path.name: path.stat().st_uid for path in [server.data, *server.data.rglob('*')]}
    assert set(owners.values()) == {nobody.pw_uid}, owners


def test_many(make_server, tmp_path):
    """Ten thousand offline messages of one account; memory is bounded by what is held."""
    message = ("<message xmlns='jabber:client' from='romeo@example.net'><body>{}</body>"
               "<delay xmlns='urn:xmpp:delay' from='example.org' "
               "stamp='2020-02-29T10:00:00.{:06}Z'/></message>")
    inside = ''.join(message.format('x' * 1000, n) for n in range(10000))
    path = tmp_path / 'in.xml'
    path.write_text(document(account('juliet',
                                     f'<offline-messages>{inside}</offline-messages>')))
    server = make_server(start=False, limits='offline_messages = 20000')
    assert '10000 offline messages' in import_into(server, str(path)).stdout
    server.start()
    assert server.stats()['ledger_waiting'] == 10000


# ---- rooms of Prosody ----

ROOM = '''return {
	["jid"] = "%(name)s@rooms.example.org";
	["_data"] = {
		["persistent"] = %(persistent)s; ["name"] = "Old"; ["whois"] = "%(whois)s";
		["hidden"] = true; ["presence_broadcast"] = { ["visitor"] = false; };
		["subject"] = "day"; ["subject_from"] = "elsewhere@rooms.example.org/x";
	};
	["_affiliations"] = {
		["juliet@example.org"] = "owner"; ["nobody@example.org"] = "none";
		["a b@example.org"] = "member"; ["romeo@example.org"] = "king";
	};
};
'''


@pytest.fixture
def old_rooms(tmp_path):
    """Rooms as Prosody 0.10 kept them, at a service that is ours and at one that is not."""
    def room(service, name, file, **options):
        folder = tmp_path / service / 'config'
        folder.mkdir(parents=True, exist_ok=True)
        values = {'name': name, 'persistent': 'true', 'whois': 'anyone', **options}
        (folder / f'{file}.dat').write_text(ROOM % values)

    room('rooms%2eexample%2eorg', 'garden', 'garden')
    room('rooms%2eexample%2eorg', 'attic', 'attic', persistent='false')
    room('rooms%2eexample%2eorg', 'odd', 'odd', whois='nobody')
    room('rooms%2eexample%2eorg', 'a b', 'a%20b')
    room('rooms%2eexample%2ecom', 'other', 'other')
    return tmp_path


def test_rooms_of_prosody_0_10(make_server, old_rooms):
    """Affiliations in a table of their own. What cannot be is left out, and named."""
    server = make_server(start=False)
    said = server.ctl('import', '--from', 'prosody', str(old_rooms)).stdout
    assert '\n2 rooms\n' in said
    for note in ('1 x room that ends with its last occupant',
                 '1 x configuration of a room: whois is moderators or anyone',
                 '4 x affiliation of a room that is none',
                 '2 x subject of a room that is from elsewhere',
                 'room a b@rooms.example.org, whose name is no localpart'):
        assert note in said, said
    server.start()
    lines = stays_of(server, 'garden@rooms.example.org')
    for line in ('config\troomname\tOld', 'config\twhois\tanyone', 'config\tpublicroom\t0',
                 'config\tpresencebroadcast\tmoderator\tparticipant'):
        assert line in lines
    assert [line for line in lines if line.startswith('affiliation')] == [
        'affiliation\towner\tjuliet@example.org\t\t']
    assert [line.split('\t')[0] for line in server.ctl('rooms').stdout.splitlines()] == [
        'garden@rooms.example.org', 'odd@rooms.example.org']


@pytest.mark.parametrize('words, rooms', [
    (['--host', 'example.org'], 2), (['--host', 'rooms.example.org'], 2),
    (['--host', 'example.net'], 0), (['--user', 'garden'], 0), (['--check'], 2)])
def test_which_rooms(make_server, old_rooms, words, rooms):
    """Of one host or service; not with --user, who is a person."""
    server = make_server(start=False)
    said = server.ctl('import', '--from', 'prosody', *words, str(old_rooms)).stdout
    assert (f'\n{rooms} rooms\n' in said) == (rooms > 0)
    server.start()
    assert len(server.ctl('rooms').stdout.splitlines()) == (0 if '--check' in words else rooms)


# ---- backups ----


def test_backup(make_server, write, tmp_path):
    """A copy of a running server, on which another can be started."""
    server, other = make_server(start=False), make_server(start=False)
    import_into(server, write(PEOPLE))
    server.start()
    server.ctl('adduser', 'late@example.org', stdin='late\n')
    said = server.ctl('backup', str(tmp_path / 'copy')).stdout
    assert 'database, ' in said and 'certificate of example.org' in said
    server.stop()
    shutil.copytree(tmp_path / 'copy', other.data)
    other.start()
    assert other.ctl('users').stdout.split() == [
        'juliet@example.org', 'late@example.org', 'romeo@example.org']
    assert (other.data / 'example.org.crt').read_bytes() == (
        server.data / 'example.org.crt').read_bytes()
    juliet = moved.log_in(other, JULIET)
    moved.has_documents(juliet)
    moved.has_waiting(juliet)
    mode = {p.name: p.stat().st_mode & 0o077 for p in (tmp_path / 'copy').rglob('*')}
    assert not any(mode.values()), mode


def test_backup_of_rooms(make_server, tmp_path):
    """Rooms are in the copy with all that makes them up: configuration, affiliations, subject,
    archive (XEP-0045)."""
    server, other = make_server(start=False), make_server(start=False)
    server.start()
    romeo, room = server.account('romeo'), 'garden@rooms.example.org'
    for words in (['create', room, romeo.jid], ['configure', room, 'roomname', 'The garden'],
                  ['configure', room, 'enablearchiving', '1'],
                  ['affiliate', room, 'tybalt@example.org', 'outcast', 'too loud']):
        server.ctl('room', *words)
    his = enter(server, romeo, room)
    his.message(type='groupchat')
    his.send(f"<message type='groupchat' to='{room}' id='s'><subject>night</subject></message>")
    his.message(id='s')
    his.send(f"<message type='groupchat' to='{room}' id='m'><body>hello</body></message>")
    his.message(id='m')
    his.sync()
    server.wait_stat('ledger_waiting', 0)
    server.ctl('backup', str(tmp_path / 'copy'))
    was = stays_of(server, room)
    his.close()
    server.stop()
    shutil.copytree(tmp_path / 'copy', other.data)
    other.start()
    assert stays_of(other, room) == was
    his = enter(other, romeo, room)
    assert text_of(his.message(type='groupchat'), 'body') == 'hello'
    assert text_of(his.message(type='groupchat'), 'subject') == 'night'


def enter(server, account, room):
    client = server.online(account)
    client.send(f"<presence to='{room}/me'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    client.presence(from_=f'{room}/me')
    return client


def stays_of(server, room):
    """What `room show` prints of a room but for who is in it."""
    lines = server.ctl('room', 'show', room).stdout.splitlines()
    return sorted(line for line in lines if not line.startswith('occupant'))


def test_backup_under_load(make_server, tmp_path):
    """What was said to be stored before the command is in the copy."""
    server, other = make_server(start=False), make_server(start=False)
    server.start()
    juliet, romeo = server.account('juliet'), server.account('romeo')
    his = server.online(romeo)
    for n in range(200):
        his.send(f"<message to='{juliet.jid}' type='chat' id='b{n}'><body>{n}</body></message>")
    his.sync()
    server.wait_stat('ledger_waiting', 200)
    copying = subprocess.Popen([program('STENTORCTL'), '-c', str(server.config), 'backup',
                                str(tmp_path / 'copy')], env=environment(),
                               stdout=subprocess.PIPE)
    for n in range(200):
        his.send(f"<message to='{juliet.jid}' type='chat' id='a{n}'><body>{n}</body></message>")
    assert copying.wait(60) == 0
    copying.stdout.close()
    his.close()
    server.stop()
    shutil.copytree(tmp_path / 'copy', other.data)
    other.start()
    hers = other.online(juliet)
    got = [hers.message() for _ in range(200)]
    assert [m.get('id') for m in got] == [f'b{n}' for n in range(200)]
    assert [text_of(m, 'body') for m in got] == [str(n) for n in range(200)]


def test_backup_relative(make_server, tmp_path):
    """A path is relative to where stentorctl runs, and not to where the server does."""
    server = make_server()
    done = subprocess.run([program('STENTORCTL'), '-c', str(server.config), 'backup', 'here'],
                          cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'here/stentor.db').exists()


def test_backups_at_once(make_server, tmp_path):
    """Of two into one folder one is refused, and takes nothing of the other away."""
    server = make_server()
    for n in range(5):
        folder = tmp_path / str(n)
        folder.mkdir()
        both = [subprocess.Popen([program('STENTORCTL'), '-c', str(server.config), 'backup',
                                  str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for _ in range(2)]
        said = [one.communicate()[1].decode() for one in both]
        assert sorted(one.returncode for one in both) == [0, 1], said
        assert ('another copy is being made' in ''.join(said) or
                'there is something in this folder' in ''.join(said)), said
        assert {'stentor.db', 'ledger', 'secret'} <= {path.name for path in folder.iterdir()}


def test_export_interrupted(make_server, tmp_path):
    """Ctrl-C leaves neither a file nor the server's copy behind."""
    server = make_server()
    for milliseconds in (2, 5, 10, 20):
        process = subprocess.Popen([program('STENTORCTL'), '-c', str(server.config), 'export',
                                    str(tmp_path / 'out.xml')], stderr=subprocess.PIPE)
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert not list(server.data.glob('export-*'))
        assert not (tmp_path / 'out.xml.part').exists()


def test_backup_refused(make_server, tmp_path):
    """Nothing is written over, and what is there stays."""
    server = make_server()
    folder = tmp_path / 'full'
    folder.mkdir()
    (folder / 'stentor.db').write_text('mine')
    done = server.ctl('backup', str(folder), check=False)
    assert done.returncode == 1 and 'there is something in this folder' in done.stderr
    assert [p.name for p in folder.iterdir()] == ['stentor.db']
    assert (folder / 'stentor.db').read_text() == 'mine'
    done = server.ctl('backup', str(tmp_path / 'no/such'), check=False)
    assert done.returncode == 1 and 'No such file' in done.stderr
    (tmp_path / 'empty').mkdir()
    server.ctl('backup', str(tmp_path / 'empty'))
    assert (tmp_path / 'empty/ledger').is_dir()


@pytest.fixture
def small_disk(tmp_path):
    """A file system with hardly any room."""
    folder = tmp_path / 'small'
    folder.mkdir()
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder],
                          capture_output=True) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        pytest.skip('a small file system needs root and the right to mount')
    yield folder
    subprocess.run(['umount', '-l', folder], check=True)


def test_backup_on_a_full_disk(make_server, small_disk):
    """It fails with words, leaves nothing behind, and the server goes on."""
    server = make_server()
    server.expected |= {'store_failed', 'ledger_failed', 'ledger_backup'}
    juliet, romeo = server.account('juliet'), server.account('romeo')
    his = server.online(romeo)
    his.send(f"<message to='{juliet.jid}' type='chat'><body>{'x' * 100000}</body></message>")
    his.sync()
    server.wait_stat('ledger_waiting', 1)
    done = server.ctl('backup', str(small_disk / 'copy'), check=False)
    assert done.returncode == 1 and 'nothing was left behind' in done.stderr
    assert list(small_disk.iterdir()) == []
    his.sync()
    his.close()


def test_export_of_a_running_server(make_server, tmp_path, write):
    """The same as of one that stands still, and no copy of the data stays behind."""
    server = make_server(start=False)
    import_into(server, write(PEOPLE))
    still = export(server, tmp_path / 'still.xml')
    server.start()
    assert export(server, tmp_path / 'running.xml') == still
    assert not [p for p in server.data.iterdir() if p.name.startswith('export')]
