"""What a moved account must have: the data that harness.peers.fill() made elsewhere."""
from harness.xmpp import find, findall, name, show, text_of

NS_ROSTER = '{jabber:iq:roster}'
MAM = '{urn:xmpp:mam:2}'
RSM = 'http://jabber.org/protocol/rsm'


def log_in(server, account, mechanism='SCRAM-SHA-1', resource='moved'):
    """With the old password, by the mechanism whose keys the other server had."""
    client = server.secure(account.domain)
    answer = client.scram(account.user, account.password, mechanism)
    assert answer.tag == name('sasl:success'), show(answer)
    client.open()
    client.bind(resource)
    return client


def log_in_plain(server, account):
    client = server.secure(account.domain)
    answer = client.plain(account.user, account.password)
    assert answer.tag == name('sasl:success'), show(answer)
    client.close()


def contacts(client):
    """Of each address: subscription, ask, name and groups."""
    answer = client.get("<query xmlns='jabber:iq:roster'/>")
    return {item.get('jid'): (item.get('subscription'), item.get('ask'), item.get('name'),
                              sorted(g.text for g in item))
            for item in answer.iter(f'{NS_ROSTER}item')}


def has_contacts(juliet, romeo):
    assert contacts(juliet) == {
        'romeo@example.org': ('to', None, 'Romeo & "x"', ['Friends', 'Mädels']),
        'nurse@example.net': ('none', 'subscribe', 'Nurse', [])}
    assert contacts(romeo) == {'juliet@example.org': ('from', 'subscribe', None, [])}


def has_documents(juliet):
    """vCard and private storage."""
    vcard = juliet.get("<vCard xmlns='vcard-temp'/>").find('{vcard-temp}vCard')
    assert vcard.findtext('{vcard-temp}FN') == 'Juliet Capulet'
    assert vcard.findtext('{vcard-temp}NOTE') == 'two\nlines <&'
    assert vcard.findtext('{vcard-temp}PHOTO/{vcard-temp}BINVAL') == 'aGVsbG8='
    kept = juliet.get("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/>"
                      '</query>')
    conference = next(kept.iter('{storage:bookmarks}conference'))
    assert (conference.get('jid'), conference.get('name')) == ('park@rooms.example', "a'b")


def has_waiting(juliet):
    """What waited, once she is available: messages in order with the time of their sending, and
    the request to subscribe."""
    juliet.send('<presence/>')
    got = [juliet.message(), juliet.message()]
    assert [m.get('id') for m in got] == ['m3', 'm4']
    assert [text_of(m, 'body') for m in got] == ['are you there?', 'hello?']
    for message in got:
        assert message.get('from') == 'romeo@example.org/garden'
        delays = findall(message, 'delay:delay')
        assert [d.get('from') for d in delays] == ['example.org'], show(message)
    assert juliet.presence(type='subscribe').get('from') == 'romeo@example.org'
    assert find(juliet.presence(from_=juliet.jid), 'body') is None


def has_lists(juliet):
    """Blocked addresses and the preferences of the archive."""
    blocked = juliet.get("<blocklist xmlns='urn:xmpp:blocking'/>")
    assert [i.get('jid') for i in blocked.iter('{urn:xmpp:blocking}item')] == [
        'tybalt@example.org']


def has_preferences(juliet):
    prefs = juliet.get("<prefs xmlns='urn:xmpp:mam:2'/>").find(f'{MAM}prefs')
    assert prefs.get('default') == 'roster'
    assert [j.text for j in prefs.find(f'{MAM}always')] == ['romeo@example.org']
    assert [j.text for j in prefs.find(f'{MAM}never')] == ['tybalt@example.org']


def archive(client):
    """Of each message of the history: id attribute, sender, text."""
    client.set(f"<query xmlns='urn:xmpp:mam:2' queryid='all'><set xmlns='{RSM}'><max>100</max>"
               '</set></query>')
    results = [m.find(f'{MAM}result') for m in client.inbox
               if m.find(f'{MAM}result') is not None]
    client.inbox = []
    found = []
    for result in results:
        forwarded = result.find('{urn:xmpp:forward:0}forwarded')
        message = find(forwarded, 'message')
        assert find(forwarded, 'delay:delay').get('stamp')
        assert find(message, 'delay:delay') is None
        found.append((message.get('id'), message.get('from'), text_of(message, 'body')))
    return found


def has_archive(client):
    assert archive(client) == [
        ('m1', 'juliet@example.org/balcony', 'Who <are> you?\n😀'),
        ('m2', 'romeo@example.org/garden', 'me'),
        ('m3', 'romeo@example.org/garden', 'are you there?'),
        ('m4', 'romeo@example.org/garden', 'hello?')]
