"""What is run, and what is read from it: the one table of scenarios, figures and targets."""
import math
from collections import namedtuple

# One run of stentor-bench on every server. args: its options but for where the server is. floor:
# bench-floor can do it too. storm: while accounts are registered. archive: on the servers with
# their archives on, not on those without. only: on this server alone. once: in the first round
# alone, since it takes long. half_of: at half the rate that a server carried in the run of this
# key, or half_most where that is less. occupants: of each room, for bench-floor. pairs: on two
# servers that talk to each other. nodes: publish-subscribe is on.
Run = namedtuple('Run', 'key scenario tls args floor figures storm archive only once half_of '
                 'half_most occupants pairs nodes',
                 defaults=(False, False, None, False, None, math.inf, 0, False, False))

# What bench-floor is sent in the place of a scenario.
ON_FLOOR = {'chat': 'floor', 'room': 'room-floor'}

# A figure of a run. read: from the run's JSON; None: this server has no such thing. digits: behind the point. targets: pairs of what
# it is held against ('floor', 'peer': a ratio to these; 'most', 'least': the figure itself) and
# the bound. more: more is better. nought: it may be that there is nothing.
Figure = namedtuple('Figure', 'key title unit read digits targets more nought',
                    defaults=(False, False))

# page: messages in the archive that every server pages; big: the same for Stentor alone, or 0 to
# leave out what takes long. crowd: occupants of the largest room; room: of one in each round;
# rooms: how many, and occupants of each; idle_rooms: rooms in which nothing happens; big_idle: the
# same for Stentor alone.
Size = namedtuple('Size', 'seconds accounts idle presence contacts offline messages scale '
                  'archive_pairs page big crowd room rooms idle_rooms big_idle rounds')

FULL = Size(seconds=3, accounts=10000, idle=5000, presence=500, contacts=20, offline=200,
            messages=20, scale=(100, 1000, 10000), archive_pairs=100, page=2000, big=1000000,
            crowd=1000, room=200, rooms=(1000, 10), idle_rooms=1000, big_idle=10000,
            rounds=3)
QUICK = Size(seconds=1, accounts=1000, idle=1000, presence=100, contacts=10, offline=100,
             messages=10, scale=(500,), archive_pairs=20, page=200, big=0, crowd=100, room=20,
             rooms=(50, 10), idle_rooms=200, big_idle=0, rounds=1)

PAIRS = 100
HALF_MOST = 15000      # messages a second
STORM_FIRST = 1000000  # number of the first user of a storm of registrations
STORM_ROUND = 100000   # from one round to the next
JOINS = 8              # newcomers of a room
KIB = 1024


def phase_of(run, phase):
    """By its place or its name; None when there is none of this name."""
    if isinstance(phase, int):
        return run['phases'][phase]
    return next((p for p in run['phases'] if p['name'] == phase), None)


def cpu(phase=0):
    return lambda run: phase_of(run, phase)['server_cpu_us_per_unit']


def latency(name, phase=0):
    return lambda run: phase_of(run, phase)['latency_us'][name] / 1000


def rate(phase=0):
    return lambda run: phase_of(run, phase)['rate']


def held(phase):
    """Nought where the server has given back more than it took; the floor has nothing to hold."""
    def read(run):
        found = phase_of(run, phase)
        return max(0, found['held_bytes_per_unit']) / KIB if found else None
    return read


def cpu_beyond_chat(run):
    """Of a resumption, without the messages that flow in both phases."""
    chat, resume = run['phases']
    return (resume['server_cpu_share'] - chat['server_cpu_share']) * 1e6 / resume['rate']


def bytes_a_connection(run):
    phase = run['phases'][0]
    return (phase['end']['pss'] - run['before']['pss']) / phase['units'] / KIB


def chat(key, title, tls, args, size, targets, more=()):
    return Run(f'{key}-{tls}', 'chat', tls,
               ['--users', 2 * PAIRS, '--seconds', size.seconds, *args], True,
               [Figure(f'{key}-{tls}', title, 'us', cpu(), 2, targets), *more])


def words(tls):
    return 'plain' if tls == 'none' else 'TLS'


def chats(size):
    for tls in ('none', 'starttls'):
        yield chat('chat-1', f'chat, {PAIRS} pairs, window 1, {words(tls)}: CPU a message', tls,
                   ['--window', 1], size, [('floor', 1.3)])
        yield chat('chat-8', f'chat, {PAIRS} pairs, window 8, {words(tls)}: CPU a message', tls,
                   ['--window', 8], size, [('peer', 1 / 10), ('floor', 3)])
        title = f'open loop, 2,000 messages a second, {words(tls)}'
        yield chat('open', f'{title}: CPU a message', tls, ['--rate', 2000], size,
                   [('floor', 1.3)], [Figure(f'open-p99-{tls}', f'{title}: p99', 'ms',
                                             latency('p99'), 2, [('most', 1)])])


def logins(size):
    args = ['--users', 200, '--seconds', size.seconds]
    for key, tls, title, more, targets in (
            ('login-plain', 'none', 'plain, SCRAM', [], [('most', 100)]),
            ('login-tls', 'starttls', 'TLS 1.3, SCRAM', [], [('most', 350)]),
            ('login-resumed', 'starttls', 'TLS 1.3 resumed, SCRAM', ['--resume'], [])):
        yield Run(key, 'login', tls, [*args, *more], False,
                  [Figure(key, f'login, {title}: CPU a login', 'us', cpu(), 0, targets)])


def idles(size):
    for tls, most in (('none', 3), ('starttls', 13)):
        title = f'idle connection, {words(tls)}: memory of the process'
        yield Run(f'idle-{tls}', 'idle', tls, ['--users', size.idle, '--seconds', 1], False,
                  [Figure(f'idle-{tls}', title, 'KiB', bytes_a_connection, 1, [('most', most)])],
                  once=True)


def others(size):
    who = f'{size.presence} users with {size.contacts} contacts'
    yield Run('presence', 'presence', 'none',
              ['--users', size.presence, '--contacts', size.contacts, '--seconds', size.seconds],
              False,
              [Figure('presence-login', f'presence at login, {who}: CPU a delivery', 'us', cpu(0),
                      2, [('peer', 1 / 10)]),
               Figure('presence-change', f'presence change, {who}: CPU a delivery', 'us', cpu(1),
                      2, [('peer', 1 / 7)])])
    yield Run('offline', 'offline', 'none',
              ['--users', size.offline, '--messages', size.messages], False,
              [Figure('offline-store', 'offline: CPU a message stored', 'us', cpu(0), 2,
                      [('peer', 1 / 10)]),
               Figure('offline-deliver', 'offline: CPU a message delivered', 'us', cpu(1), 2,
                      [('peer', 1 / 10)])])
    yield Run('register', 'register', 'none',
              ['--users', 200, '--at-once', 8, '--seconds', 3 * size.seconds], False,
              [Figure('register', 'registration in band: CPU', 'us', cpu(), 0, [])], once=True)
    yield Run('storm', 'chat', 'none',
              ['--users', 2 * PAIRS, '--rate', 500, '--seconds', size.seconds], False,
              [Figure('storm', 'chat at 500 a second while accounts are registered: p99', 'ms',
                      latency('p99'), 2, [('most', 5)])], storm=True)


def acks(size):
    title = f'chat, {PAIRS} pairs, window 8, plain, acks asked for after 4: CPU a message'
    yield Run('chat-acks', 'chat', 'none',
              ['--users', 2 * PAIRS, '--seconds', size.seconds, '--window', 8, '--ack-every', 4],
              False, [Figure('chat-acks', title, 'us', cpu(), 2, [('peer', 1 / 10)])])


def resumes(size, archive):
    key = 'archive-resume' if archive else 'resume'
    title = '50 broken connections a second resumed'
    yield Run(key, 'resume', 'none',
              ['--users', 2 * PAIRS, '--seconds', size.seconds, '--rate', 50, '--breaks', 50],
              False,
              [Figure(key, f'{title}: CPU each', 'us', cpu_beyond_chat, 0, []),
               Figure(f'{key}-p99', f'{title}: p99, login and all', 'ms', latency('p99', 1), 1,
                      [])], archive=archive, once=archive)


def archives(size):
    """With the archive on. Writing: the next message when one is acknowledged; durable, where the
    server promises that."""
    pairs = size.archive_pairs
    users = ['--users', 2 * pairs, '--seconds', size.seconds]
    title = f'chat, archive on, {pairs} pairs, window 8, plain'
    yield Run('archive-chat', 'chat', 'none', [*users, '--window', 8], False,
              [Figure('archive-chat', f'{title}: CPU a message', 'us', cpu(), 2,
                      [('peer', 1 / 30)]),
               Figure('archive-chat-rate', f'{title}: messages a second', '', rate(), 0,
                      [('least', 30000)], True)], archive=True)
    page = f'page of 50 out of {size.page:,}'
    title = f'writing, {pairs} pairs, 8 without ack'
    yield Run('archive-write', 'archive', 'none', [*users, '--window', 8, '--messages', size.page],
              False,
              [Figure('archive-write', f'{title}: CPU a message', 'us', cpu(), 2,
                      [('peer', 1 / 30)]),
               Figure('archive-write-rate', f'{title}: acknowledged a second', '', rate(), 0,
                      [('least', 30000)], True),
               Figure('archive-write-p99', f'{title}: p99 to the ack', 'ms', latency('p99'), 2, []),
               Figure('archive-back', f'{page}, backwards: CPU a page', 'us', cpu(1), 0,
                      [('most', 1000)]),
               Figure('archive-back-p50', f'{page}, backwards: p50', 'ms', latency('p50', 1), 2,
                      []),
               Figure('archive-on', f'{page}, forwards: CPU a page', 'us', cpu(2), 0,
                      [('most', 1000)])], archive=True)
    title = f'writing at half of that rate, {HALF_MOST:,} at most'
    yield Run('archive-half', 'archive', 'none', [*users, '--messages', 1], False,
              [Figure('archive-half', f'{title}: p99 to the ack', 'ms', latency('p99'), 2,
                      [('most', 10)])],
              archive=True, half_of='archive-write', half_most=HALF_MOST, once=True,
              only=None if size.big else 'stentor')
    if size.big:
        yield from resumes(size, True)
        title = f'page of 50 out of {size.big:,}'
        yield Run('archive-big', 'archive', 'none',
                  ['--users', 2, '--window', 8, '--seconds', 20, '--messages', size.big], False,
                  [Figure('archive-big-back', f'{title}, backwards: CPU a page', 'us', cpu(1), 0,
                          [('most', 1000)]),
                   Figure('archive-big-on', f'{title}, forwards: CPU a page', 'us', cpu(2), 0,
                          [('most', 1000)])],
                  archive=True, only='stentor', once=True)


def scales(size):
    for n in size.scale:
        yield Run(f'scale-{n}', 'chat', 'none',
                  ['--users', n, '--window', 1, '--at-once', 100, '--seconds', size.seconds], True,
                  [Figure(f'scale-{n}', f'chat, window 1, {n:,} connections: CPU a message', 'us',
                          cpu(), 2, [])], once=True)


def room(key, title, tls, n, occupants, window, size, targets, more=(), archive=False, once=True):
    """A room or several. The second phase, at half of the rate of the first, has the latencies."""
    title = f'{title}, {words(tls)}'
    return Run(key, 'room', tls,
               ['--rooms', n, '--occupants', occupants, '--window', window,
                '--seconds', size.seconds], not archive,
               [Figure(key, f'{title}: CPU a copy', 'us', cpu('talk'), 2, targets),
                Figure(f'{key}-rate', f'{title}: copies a second', '', rate('talk'), 0, [], True),
                Figure(f'{key}-half', f'{title}: p99 at half of that', 'ms',
                       latency('p99', 'half'), 2, [('most', 20)] if window == 1 else []),
                *more], archive=archive, once=once, occupants=occupants)


def rooms(size):
    """With one message under way in a room each copy is a write of its own, on the floor too; with
    more they share writes, and a copy costs less than what the floor does not do."""
    alone = [('peer', 1 / 7), ('floor', 1.2)]
    crowd = f'room of {size.crowd:,}'
    yield room('room-crowd', f'{crowd}, window 1', 'none', 1, size.crowd, 1, size, alone)
    yield Run('room-join', 'room-join', 'none',
              ['--occupants', size.crowd, '--at-once', JOINS, '--seconds', size.seconds], False,
              [Figure('room-join-rate', f'{crowd}, {JOINS} enter and leave: joins a second', '',
                      rate('join'), 1, [('peer', 10)], True),
               Figure('room-join', f'{crowd}, {JOINS} enter and leave: CPU a join', 'us',
                      cpu('join'), 0, [])], once=True)
    middle = f'room of {size.room:,}'
    yield room('room-1', f'{middle}, window 1', 'none', 1, size.room, 1, size, alone, once=False)
    yield room('room-1-tls', f'{middle}, window 1', 'starttls', 1, size.room, 1, size, alone)
    yield room('room-8', f'{middle}, window 8', 'none', 1, size.room, 8, size, [('peer', 1 / 7)])
    n, occupants = size.rooms
    title = f'{n:,} rooms of {occupants}'
    yield room('rooms', f'{title}, window 1', 'none', n, occupants, 1, size, alone,
               [Figure('rooms-memory', f'{title}: memory of an occupant', 'KiB', held('enter'), 1,
                       [])])
    yield idle_rooms('room-idle', size.idle_rooms)
    if size.big_idle:
        yield idle_rooms('room-idle-big', size.big_idle, 'stentor')


def idle_rooms(key, n, only=None):
    title = f'{n:,} persistent rooms'
    return Run(key, 'room-idle', 'none', ['--users', 200, '--rooms', n], False,
               [Figure(f'{key}-occupied', f'{title}, one occupant in each: memory of a room', 'KiB',
                       held('occupied'), 1, [], nought=True),
                Figure(f'{key}-empty', f'{title}, all empty: memory of a room', 'KiB',
                       held('empty'), 1, [], nought=True)], only=only, once=True)


def publications(size):
    """A node's next item when one is with all of its subscribers, and then half of the rate."""
    def run(key, scenario, title, args, **more):
        return Run(key, scenario, 'none', [*args, '--seconds', size.seconds], False,
                   [Figure(key, f'{title}: CPU a notification', 'us', cpu('publish'), 2,
                           [('peer', 1 / 10)]),
                    Figure(f'{key}-rate', f'{title}: notifications a second', '', rate('publish'),
                           0, [], True),
                    Figure(f'{key}-p50', f'{title}: p50 at half of that', 'ms',
                           latency('p50', 'half'), 2, []),
                    Figure(f'{key}-p99', f'{title}: p99 at half of that', 'ms',
                           latency('p99', 'half'), 2, [])], nodes=True, **more)

    def node(key, n, subscribers, words, **more):
        return run(key, 'pubsub', words, ['--nodes', n, '--subscribers', subscribers, '--window', 1],
                   **more)

    n, each = size.rooms
    yield node('pubsub-one', 1, size.crowd, f'one publisher to {size.crowd:,}')
    yield node('pubsub-many', n, each, f'{n:,} publishers to {each} each', once=True)
    yield run('pep', 'pep', f'{size.presence} accounts (XEP-0163) to {size.contacts} contacts',
              ['--users', size.presence, '--contacts', size.contacts])
    yield idle_nodes(size)


def idle_nodes(size):
    n = size.idle_rooms
    title = f'{n:,} nodes, 10 items and 10 subscriptions each: memory of'
    return Run('pubsub-idle', 'pubsub-idle', 'none', ['--nodes', n, '--subscribers', 10], False,
               [Figure(f'pubsub-idle-{key}', f'{title} {words}', 'KiB', held(key), 2, [],
                       nought=True) for key, words in (('nodes', 'a node'), ('items', 'an item'),
                                                       ('subscriptions', 'a subscription'))],
               once=True, nodes=True)


def archive_rooms(size):
    yield room('archive-room', f'room of {size.room:,}, archive on, window 1', 'none', 1, size.room,
               1, size, [('peer', 1 / 7)], archive=True)


def federations(size):
    """One user of each pair on each of two servers; the CPU is that of both."""
    users = ['--users', 2 * PAIRS, '--seconds', size.seconds]

    def run(key, how, args, figures, half_of=None):
        title = f'{PAIRS} pairs between two servers, TLS, {how}'
        return Run(key, 'federation', 'starttls', [*users, *args], False,
                   [Figure(f'{key}{end}', f'{title}: {what}', unit, read, digits, targets, more)
                    for end, what, unit, read, digits, targets, more in figures],
                   half_of=half_of, pairs=True)

    carried = ('-rate', 'messages a second', '', rate(), 0, [], True)
    cost = ('', 'CPU a message', 'us', cpu(), 2, [('peer', 1 / 10)], False)
    p99 = ('-p99', 'p99', 'ms', latency('p99'), 2)
    yield run('federation-8', 'window 8', ['--window', 8], [carried, cost])
    yield run('federation-open', '2,000 messages a second', ['--rate', 2000],
              [cost, (*p99, [], False)])
    yield run('federation-half', 'at half of what window 8 carried', [],
              [cost, (*p99, [('most', 10)], False)], half_of='federation-8')


def runs(size):
    """In this order; memory first, of servers that have done little."""
    yield from idles(size)
    yield from chats(size)
    yield from acks(size)
    yield from logins(size)
    yield from others(size)
    yield from resumes(size, False)
    yield from scales(size)
    yield from rooms(size)
    yield from publications(size)
    yield from federations(size)
    yield from archives(size)
    yield from archive_rooms(size)


# Stentor alone: how much more two shards on two cores carry than one on one. What a core carries
# follows from the CPU a message costs, since the load generator needs a core too.
SHARDS = [
    ('1', dict(shards=1, cores=[0]), []),
    ('2', dict(shards=2, cores=[0, 1]), ['--across', 2]),
]
SHARDS_TARGET = 1.7
ARCHIVE_TARGET = 2     # times the cost of a message, with archive and acks


def shards_run(label, args, size):
    return Run(f'shards-{label}', 'chat', 'none',
               ['--users', 2 * PAIRS, '--window', 8, '--seconds', size.seconds, *args], False,
               [Figure(f'shards-{label}', '', 'us', cpu(), 2, [])])
