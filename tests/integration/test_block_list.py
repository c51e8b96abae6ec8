"""Blocking (XEP-0191), as far as it needs the whole server: the disk, the log, the configuration."""
from harness import findall

BLOCK = "<block xmlns='urn:xmpp:blocking'>{}</block>"
LIST = "<blocklist xmlns='urn:xmpp:blocking'/>"


def item(jid, inner=''):
    return f"<item jid='{jid}'>{inner}</item>"


def blocked(client):
    return [i.get('jid') for i in findall(client.get(LIST), 'blocking:blocklist/blocking:item')]


def test_what_was_answered_outlives_a_crash(make_server):
    """Section 3.3: a block is not limited in time."""
    server = make_server()
    account = server.account()
    for n in range(5):
        client = server.login(account)
        assert blocked(client) == [f'{i}@spam.example' for i in range(n)]
        client.set(BLOCK.format(item(f'{n}@spam.example')))
        server.kill()
        client.close()
        server.start()
    client = server.login(account)
    assert len(blocked(client)) == 5
    client.set("<unblock xmlns='urn:xmpp:blocking'/>")
    server.kill()
    client.close()
    server.start()
    assert blocked(server.login(account)) == []


def test_reports_are_logged(make_server):
    """XEP-0377 section 6: who is reported, by whom and why, ten of a request at most; no text."""
    server = make_server()
    client = server.login(server.account('juliet'))
    report = "<report xmlns='urn:xmpp:reporting:1' reason='{}'><text>secret</text></report>"
    client.set(BLOCK.format(item('romeo@spam.example', report.format('urn:xmpp:reporting:spam')) +
                            item('quiet@spam.example')))
    [line] = server.log('reported')
    assert (line['account'], line['jid'], line['reason']) == (
        'juliet@example.org', 'romeo@spam.example', 'urn:xmpp:reporting:spam')
    client.set(BLOCK.format(''.join(item(f'{n}@spam.example', report.format('a&#10;b'))
                                    for n in range(12))))
    assert len(server.log('reported', reason='a\nb')) == 10
    assert 'secret' not in server.log_file.read_text()


def test_limit_of_the_configuration(make_server):
    """blocklist_items, after a reload too."""
    server = make_server(limits='blocklist_items = 2')
    client = server.login(server.account())
    client.set(BLOCK.format(item('a.example') + item('b.example')))
    assert client.refused(BLOCK.format(item('c.example')), type='set') == 'resource-constraint'
    server.write_config(limits='blocklist_items = 3')
    server.ctl('reload')
    client.set(BLOCK.format(item('c.example')))
    assert blocked(client) == ['a.example', 'b.example', 'c.example']
