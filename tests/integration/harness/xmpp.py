"""Names of XMPP and short ways through its elements."""

NS = {
    'bind': 'urn:ietf:params:xml:ns:xmpp-bind',
    'blocking': 'urn:xmpp:blocking',
    'c': 'jabber:client',
    'cb': 'urn:xmpp:sasl-cb:0',
    'commands': 'http://jabber.org/protocol/commands',
    'data': 'jabber:x:data',
    'delay': 'urn:xmpp:delay',
    'forward': 'urn:xmpp:forward:0',
    'info': 'http://jabber.org/protocol/disco#info',
    'items': 'http://jabber.org/protocol/disco#items',
    'last': 'jabber:iq:last',
    'mam': 'urn:xmpp:mam:2',
    'muc': 'http://jabber.org/protocol/muc',
    'muc-user': 'http://jabber.org/protocol/muc#user',
    'ping': 'urn:xmpp:ping',
    'register': 'jabber:iq:register',
    'register-feature': 'http://jabber.org/features/iq-register',
    'roster': 'jabber:iq:roster',
    'rsm': 'http://jabber.org/protocol/rsm',
    'sasl': 'urn:ietf:params:xml:ns:xmpp-sasl',
    'session': 'urn:ietf:params:xml:ns:xmpp-session',
    'sm': 'urn:xmpp:sm:3',
    'stanzas': 'urn:ietf:params:xml:ns:xmpp-stanzas',
    'stream': 'http://etherx.jabber.org/streams',
    'streams': 'urn:ietf:params:xml:ns:xmpp-streams',
    'sub': 'urn:xmpp:features:pre-approval',
    'time': 'urn:xmpp:time',
    'tls': 'urn:ietf:params:xml:ns:xmpp-tls',
    'ver': 'urn:xmpp:features:rosterver',
    'version': 'jabber:iq:version',
}

# RFC 6120 section 8.3.3: the type that goes with a condition.
ERROR_TYPES = {
    'bad-request': 'modify',
    'conflict': 'cancel',
    'feature-not-implemented': 'cancel',
    'forbidden': 'auth',
    'internal-server-error': 'cancel',
    'item-not-found': 'cancel',
    'jid-malformed': 'modify',
    'not-acceptable': 'modify',
    'not-allowed': 'cancel',
    'not-authorized': 'auth',
    'policy-violation': 'modify',
    'registration-required': 'auth',
    'remote-server-not-found': 'cancel',
    'remote-server-timeout': 'wait',
    'resource-constraint': 'wait',
    'service-unavailable': 'cancel',
    'unexpected-request': 'wait',
}


def name(short):
    """'roster:query' in the form that ElementTree wants; without a prefix it is jabber:client."""
    prefix, _, local = short.rpartition(':')
    return f'{{{NS[prefix or "c"]}}}{local}'


def find(element, path):
    """The descendant at 'roster:query/roster:item', or None."""
    return element.find('/'.join(name(step) for step in path.split('/')))


def findall(element, path):
    return element.findall('/'.join(name(step) for step in path.split('/')))


def text_of(element, path):
    found = find(element, path)
    return None if found is None else found.text or ''


def condition(stanza):
    """The condition of an error stanza, whose form is checked (RFC 6120 section 8.3.2)."""
    assert stanza.get('type') == 'error', f'no error: {show(stanza)}'
    error = find(stanza, 'error')
    assert error is not None, f'an error without <error/>: {show(stanza)}'
    found = [child.tag.partition('}')[2] for child in error
             if child.tag.startswith(f'{{{NS["stanzas"]}}}') and child.tag != name('stanzas:text')]
    assert len(found) == 1, f'not exactly one condition: {show(stanza)}'
    assert error.get('type') == ERROR_TYPES[found[0]], show(stanza)
    return found[0]


def show(element):
    from xml.etree import ElementTree as ET
    return ET.tostring(element, encoding='unicode')


def shard_of(jid, shards):
    """Where the server keeps an account: one of 1,024 virtual shards by FNV-1a, dealt round.
    test_shards.py holds this to what the server does."""
    h = 0xcbf29ce484222325
    for byte in jid.encode():
        h = (h ^ byte) * 0x100000001b3 % 2**64
    return h % 1024 % shards
