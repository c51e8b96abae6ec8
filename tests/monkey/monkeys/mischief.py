"""What a monkey may do in a room: stanzas with random data, and what spoils them."""
import itertools
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

MUC = 'http://jabber.org/protocol/muc'
FORM = 'jabber:x:data'
RETRACT = 'urn:xmpp:message-retract:1'

NICKS = ('Romeo', 'juliet', 'Nurse', "O'Hara", '<&>', 'Ünï cödé', '薔薇', 'e\u0301', 'ﬁ',
         'x' * 1023, 'x' * 1024, ' ', '', '\u202e', 'a/b@c')
TEXTS = ('', 'x', 'What’s in a name?', '<&">', ' \n\t', '薔薇' * 50, 'y' * 5000)
FIELDS = {
    'persistentroom': ('0', '1'), 'publicroom': ('0', '1'), 'membersonly': ('0', '0', '0', '1'),
    'moderatedroom': ('0', '0', '1'), 'changesubject': ('0', '1'), 'allowinvites': ('0', '1'),
    'whois': ('moderators', 'anyone'), 'maxusers': ('', '3', '10', '100'),
    'allowpm': ('anyone', 'participants', 'moderators', 'none'), 'enablearchiving': ('0', '1'),
    'allowvoicerequests': ('0', '1'), 'roomname': TEXTS, 'roomdesc': TEXTS, 'lang': ('', 'en', '!'),
    'enablelogging': ('0', '1'), 'slow_mode_duration': ('0', '0', '0', '1'),
    'forwardmentions': ('0', '1'),
}
ROLES = 'visitor', 'participant', 'moderator'
AFFILIATIONS = 'none', 'none', 'member', 'admin', 'owner', 'outcast'
JUNK = ('', '0', '-1', '4294967296', '18446744073709551616', 'x' * 3000, '@', 'a@b/c', '\u00ad',
        'true', 'none', '1970-01-01T00:00:00Z', '9999-99-99T99:99:99Z', 'urn:xmpp:sid:0', FORM, MUC)


def field(name, *values):
    texts = ''.join(f'<value>{escape(value)}</value>' for value in values)
    return f'<field var={quoteattr(name)}>{texts}</field>'


def form(kind, *fields):
    return f"<x xmlns='{FORM}' type='submit'>{field('FORM_TYPE', kind)}{''.join(fields)}</x>"


class Mischief:
    """One monkey's choices. Each action is given the monkey's view of a room and returns a stanza,
    without an id where it is an IQ; the monkey writes that."""

    def __init__(self, client, random, people):
        self.client, self.random, self.people = client, random, people
        self.numbers = itertools.count(1)

    def choose(self, view):
        actions, weights = zip(*ACTIONS)
        return self.random.choices(actions, weights)[0](self, view)

    # ---- random data ----

    def some(self, *choices):
        return self.random.choice(choices)

    def nick(self, view):
        """Often that of somebody who is there."""
        there = [*view.occupants]
        return self.random.choice(there if there and self.random.random() < 0.6 else NICKS)

    def person(self):
        return self.random.choice([*self.people, 'stranger@elsewhere.example'])

    def reason(self):
        return f'<reason>{escape(self.some(*TEXTS))}</reason>' if self.random.random() < 0.5 else ''

    def known_id(self, view):
        return max(view.hearing.texts, default='nothing')

    @staticmethod
    def presence(view, nick, children='', kind=''):
        return f"<presence to={quoteattr(f'{view.room}/{nick}')}{kind}>{children}</presence>"

    @staticmethod
    def message(view, children, kind='groupchat', to=''):
        return f"<message to={quoteattr(view.room + to)} type='{kind}'>{children}</message>"

    @staticmethod
    def iq(view, children, kind='set', to=''):
        return f"<iq to={quoteattr(view.room + to)} type='{kind}'>{children}</iq>"

    # ---- presence ----

    def enter(self, view):
        history = self.some('', "<history maxstanzas='0'/>", "<history maxchars='1000'/>",
                            "<history seconds='5'/>", "<history since='2020-01-01T00:00:00Z'/>")
        secret = self.some('', '', '<password>secret</password>', '<password/>')
        view.entrances += 1
        return self.presence(view, self.random.choice(NICKS),
                             f"<x xmlns='{MUC}'>{history}{secret}</x>")

    def change_nick(self, view):
        return self.presence(view, self.nick(view))

    def update(self, view):
        show = self.some('<show>away</show>', f'<status>{escape(self.some(*TEXTS))}</status>', '')
        return self.presence(view, view.nick or 'nobody', show)

    def leave(self, view):
        return self.presence(view, view.nick or 'nobody', self.some('', '<status>bye</status>'),
                             " type='unavailable'")

    # ---- messages ----

    def say(self, view):
        filling = 'z' * self.random.randrange(300)
        return self.message(view, f'<body>{self.client} {next(self.numbers)}.{filling}</body>')

    def set_subject(self, view):
        return self.message(view, f'<subject>{escape(self.some(*TEXTS))}</subject>')

    def whisper(self, view):
        return self.message(view, '<body>psst</body>', self.some('chat', 'normal', 'groupchat'),
                            f'/{self.nick(view)}')

    def retract(self, view):
        return self.message(view, f"<retract xmlns='{RETRACT}' id='{self.known_id(view)}'/>"
                                  '<body>taken back</body>')

    def invite(self, view):
        invite = f"<invite to='{self.person()}'>{self.reason()}</invite>"
        return self.message(view, f"<x xmlns='{MUC}#user'>{invite}</x>", 'normal')

    def decline(self, view):
        decline = f"<decline to='{self.person()}'/>"
        return self.message(view, f"<x xmlns='{MUC}#user'>{decline}</x>", 'normal')

    def ask_for_voice(self, view):
        request = form(f'{MUC}#request', field('muc#role', 'participant'))
        return self.message(view, request, 'normal')

    def give_voice(self, view):
        return self.message(view, form(
            f'{MUC}#request', field('muc#role', self.some(*ROLES)), field('muc#jid', self.person()),
            field('muc#roomnick', self.nick(view)),
            field('muc#request_allow', self.some('0', '1'))), 'normal')

    # ---- IQs ----

    def admin(self, view, *items):
        return self.iq(view, f"<query xmlns='{MUC}#admin'>{''.join(items)}</query>")

    def kick(self, view):
        nick = quoteattr(self.nick(view))
        return self.admin(view, f"<item nick={nick} role='none'>{self.reason()}</item>")

    def change_role(self, view):
        nick, role = quoteattr(self.nick(view)), self.some(*ROLES)
        return self.admin(view, f"<item nick={nick} role='{role}'>{self.reason()}</item>")

    def affiliate(self, view):
        return self.admin(view, *(
            f"<item jid='{self.person()}' affiliation='{self.some(*AFFILIATIONS)}'>"
            f'{self.reason()}</item>'
            for _ in range(self.random.randrange(1, 4))))

    def read_list(self, view):
        what = self.some(*(f"role='{role}'" for role in ROLES),
                         *(f"affiliation='{a}'" for a in AFFILIATIONS))
        return self.iq(view, f"<query xmlns='{MUC}#admin'><item {what}/></query>", 'get')

    def configure(self, view):
        names = self.random.sample([*FIELDS], self.random.randrange(4))
        fields = [field(f'muc#roomconfig_{name}', self.some(*FIELDS[name])) for name in names]
        if self.random.random() < 0.3:
            shown = self.random.sample(ROLES, self.random.randrange(len(ROLES) + 1))
            fields.append(field('muc#roomconfig_presencebroadcast', *shown))
        if self.random.random() < 0.2:
            locked = self.some('0', '0', '1')
            fields += [field('muc#roomconfig_passwordprotectedroom', locked),
                       field('muc#roomconfig_roomsecret', 'secret')]
        if self.random.random() < 0.1:
            fields.append(field('muc#roomconfig_roomowners', self.person(), self.person()))
        config = form(f'{MUC}#roomconfig', *fields)
        return self.iq(view, f"<query xmlns='{MUC}#owner'>{config}</query>")

    def read_config(self, view):
        return self.iq(view, f"<query xmlns='{MUC}#owner'/>", 'get')

    def destroy(self, view):
        destroy = f"<destroy jid='{view.room}'>{self.reason()}</destroy>"
        return self.iq(view, f"<query xmlns='{MUC}#owner'>{destroy}</query>")

    def register(self, view):
        nick = field('muc#register_roomnick', self.nick(view))
        return self.iq(view, "<query xmlns='jabber:iq:register'>" + self.some(
            form(f'{MUC}#register', nick), form(f'{MUC}#register', nick), '<remove/>') + '</query>')

    def read_register(self, view):
        return self.iq(view, "<query xmlns='jabber:iq:register'/>", 'get')

    def moderate(self, view):
        id = self.known_id(view)
        return self.iq(view, f"<moderate xmlns='urn:xmpp:message-moderate:1' id='{id}'>"
                             f"<retract xmlns='{RETRACT}'/>{self.reason()}</moderate>")

    def read_archive(self, view):
        page = self.some('<max>5</max><before/>', '<max>0</max>',
                         f'<after>{self.known_id(view)}</after>')
        return self.iq(view, "<query xmlns='urn:xmpp:mam:2'>"
                             f"<set xmlns='http://jabber.org/protocol/rsm'>{page}</set></query>")

    def discover(self, view):
        kind = self.some('info', 'items')
        node = self.some('', '', " node='x-roomuser-item'", f" node='{MUC}#traffic'")
        return self.iq(view, f"<query xmlns='http://jabber.org/protocol/disco#{kind}'{node}/>",
                       'get')

    def ask_occupant(self, view):
        question = self.some("<vCard xmlns='vcard-temp'/>", "<ping xmlns='urn:xmpp:ping'/>",
                             "<query xmlns='jabber:iq:version'/>")
        return self.iq(view, question, 'get', f'/{self.nick(view)}')

    # ---- spoilt stanzas ----

    def spoil(self, text):
        """The same with some of it changed, or with more than there should be, or less. What the
        answer to an IQ goes by, its type and its id, stays."""
        root = ET.fromstring(text)
        for _ in range(self.random.randrange(1, 4)):
            parent = self.random.choice([*root.iter()])
            self.some(self.spoil_attribute, self.spoil_text, self.spoil_children,
                      self.spoil_name)(root, parent)
        return ET.tostring(root, 'unicode')

    def spoil_attribute(self, root, element):
        names = [name for name in element.keys() if element is not root or name != 'to']
        if element is root and root.tag != 'message':
            return
        if names and self.random.random() < 0.5:
            del element.attrib[self.random.choice(names)]
        else:
            name = self.random.choice(names or ['jid', 'nick', 'affiliation', 'role', 'type'])
            element.set(name, self.some(*JUNK))

    def spoil_text(self, root, element):
        element.text = self.some(*JUNK)

    def spoil_children(self, root, element):
        children = [*element]
        if not children:
            ET.SubElement(element, self.some('item', '{jabber:x:data}x', 'reason', '{urn:x}value'))
        elif self.random.random() < 0.5:
            element.remove(self.random.choice(children))
        else:
            element.extend([self.random.choice(children)] * self.random.randrange(1, 300))

    def spoil_name(self, root, element):
        if element is not root:
            space, bracket, local = element.tag.rpartition('}')
            element.tag = self.some(f'{{urn:x}}{local}', f'{space}{bracket}other')


ACTIONS = (
    (Mischief.enter, 14), (Mischief.change_nick, 4), (Mischief.update, 4), (Mischief.leave, 3),
    (Mischief.say, 30), (Mischief.set_subject, 3), (Mischief.whisper, 4), (Mischief.retract, 2),
    (Mischief.invite, 2), (Mischief.decline, 1), (Mischief.ask_for_voice, 1),
    (Mischief.give_voice, 1), (Mischief.kick, 2), (Mischief.change_role, 4),
    (Mischief.affiliate, 4), (Mischief.read_list, 2), (Mischief.configure, 5),
    (Mischief.read_config, 1), (Mischief.destroy, 0.5), (Mischief.register, 2),
    (Mischief.read_register, 1), (Mischief.moderate, 2), (Mischief.read_archive, 2),
    (Mischief.discover, 2), (Mischief.ask_occupant, 3),
)
