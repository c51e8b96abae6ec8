"""A room (XEP-0045), and persons who talk in it besides writing to their partners."""
from xml.etree import ElementTree as ET

from crashes.person import MESSAGE, PASSWORD, STANZA_ID, Person
from crashes.stream import CLIENT, DOMAIN, Refused, Stream

DELAY = '{urn:xmpp:delay}delay'
ROOM = 'room'               # as the book calls it
ROOM_JID = f'{ROOM}@rooms.{DOMAIN}'
OWNER = 'host'              # who makes it, and is not in it
SHARE = 0.7                 # of what one who is in the room has to say
CONFIG = ("<query xmlns='http://jabber.org/protocol/muc#owner'>"
          "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
          '<value>http://jabber.org/protocol/muc#roomconfig</value></field>'
          "<field var='muc#roomconfig_persistentroom'><value>1</value></field>"
          "<field var='muc#roomconfig_enablearchiving'><value>1</value></field></x></query>")


def entering(nick):
    return (f"<presence to='{ROOM_JID}/{nick}'>"
            "<x xmlns='http://jabber.org/protocol/muc'/></presence>")


async def make_room(port):
    """Durable when this returns."""
    stream = await Stream.connect(port)
    await stream.register(OWNER, PASSWORD)
    await stream.close()
    stream = await Stream.connect(port)
    await stream.authenticate(OWNER, PASSWORD)
    await stream.ask('set', "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
    stream.send(entering(OWNER))
    await stream.ask('set', CONFIG, ROOM_JID)
    await stream.close()


class Talker(Person):
    """Enters the room with each new session; one that is resumed is still in it. What its client
    shows of the room is apart from what it shows of its partner."""

    def __init__(self, *args):
        super().__init__(*args)
        self.heard = self.book.reader(f'{self.name} in the {ROOM}')
        self.told = set()   # what the room told of its history at the last entrance

    def arrive(self):
        super().arrive()
        self.told = set()
        self.send(entering(self.name))

    # ---- talking ----

    def say(self):
        if self.random.random() < SHARE:
            self.send_to_room(self.filling())
        else:
            super().say()

    def send_to_room(self, filling):
        message = self.book.write(self.name, ROOM, filling, in_room=True)
        self.book.sent(message, self.session.number)
        self.send(f"<message to='{ROOM_JID}' type='groupchat' id='{message.key}'>"
                  f'<body>{message.body}</body></message>', message)

    def send_again(self, message, filling):
        if message.in_room:
            self.send_to_room(filling)
        else:
            super().send_again(message, filling)

    # ---- hearing ----

    def on_stanza(self, element):
        if element.tag == f'{CLIENT}presence' and element.get('type') == 'error':
            raise Refused(f'{self.bare} gets {ET.tostring(element, "unicode")}')
        super().on_stanza(element)

    def on_message(self, element):
        if element.get('type') == 'groupchat':
            self.hear(element)
        else:
            super().on_message(element)

    def hear(self, element):
        """Said now, or part of the room's history; or the subject, which has no body. The history
        is short: what it tells may be older than what has been heard before, and a client puts it
        where it belongs by its time."""
        body = element.findtext(f'{CLIENT}body')
        if body is None:
            return
        key = self.book.key(body, element.get('from').partition('/')[2])
        if key is None:
            return
        ids = [e.get('id') for e in element.findall(STANZA_ID) if e.get('by') == ROOM_JID]
        stanza_id = ids[0] if ids else None
        if any(e.get('from') == ROOM_JID for e in element.findall(DELAY)):
            self.remember(key, stanza_id)
        elif key in self.told:
            self.heard.twice.append(key)
        else:
            self.heard.see(key, stanza_id, self.session.number)

    def remember(self, key, stanza_id):
        before = self.heard.view.get(key)
        if key in self.told or stanza_id is None or (before and before.id != stanza_id):
            self.heard.twice.append(key)
        self.told.add(key)

    # ---- the archive ----

    async def read_room(self):
        """All of the room's archive, for the verdict."""
        results = await self.pages(self.session, None, ROOM_JID)
        found = [(result.get('id'), self.said(result.find(MESSAGE))) for result in results]
        self.book.reader(ROOM).archive = [(id, key) for id, key in found if key]

    def said(self, message):
        """The key of a message in the room's archive."""
        body = message.findtext(f'{CLIENT}body')
        sender = message.get('from').partition('/')[2]
        return self.book.key(body, sender) if body is not None else None
