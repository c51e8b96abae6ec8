"""The results as Markdown, JSON and one HTML page that needs nothing else."""
import html
import json
import math
from statistics import median

from comparing import plan, setup

PAGE = setup.ROOT / 'docs/performance.md'
BEGIN, END = '<!-- last run: begin -->', '<!-- last run: end -->'

# Servers in the order of the tables, by the names of comparing/servers.py: what they are called in
# the heads of tables and beside bars.
PLAIN = {'stentor': 'Stentor', 'prosody': 'Prosody', 'ejabberd': 'ejabberd', 'floor': 'floor'}
ARCHIVE = {'stentor-archive': 'Stentor', 'prosody-files': 'Prosody, files',
           'prosody-sqlite': 'Prosody, SQLite', 'ejabberd-mnesia': 'ejabberd, Mnesia',
           'ejabberd-sqlite': 'ejabberd, SQLite'}
PAIRS = {'stentor-stentor': 'Stentor, Stentor', 'stentor-prosody': 'Stentor, Prosody',
         'stentor-ejabberd': 'Stentor, ejabberd', 'prosody-prosody': 'Prosody, Prosody',
         'ejabberd-ejabberd': 'ejabberd, ejabberd', 'prosody-ejabberd': 'Prosody, ejabberd'}
OURS = ('stentor', 'stentor-archive', 'stentor-stentor')
COLOURS = {'stentor': '#2b6cb0', 'prosody': '#b7791f', 'ejabberd': '#822727', 'floor': '#718096',
           'stentor-archive': '#2b6cb0', 'prosody-files': '#b7791f', 'prosody-sqlite': '#d69e2e',
           'ejabberd-mnesia': '#822727', 'ejabberd-sqlite': '#c53030',
           'stentor-stentor': '#2b6cb0', 'stentor-prosody': '#4299e1',
           'stentor-ejabberd': '#63b3ed', 'prosody-prosody': '#b7791f',
           'ejabberd-ejabberd': '#822727', 'prosody-ejabberd': '#9c5221'}

NOTE = '''\
Medians of {rounds} rounds of {seconds} s each; what takes long or varies little ran in one alone.
"To peers": Stentor's figure as a part of the better peer's, or as a multiple where more is better.
"To floor": as a multiple of `bench-floor`, which relays the same bytes with epoll and nothing else.
Registration, rosters, presence, offline messages, stream management, carbons and rooms are on
everywhere, publish-subscribe where it is what is measured; all limits on rates are off.'''
NOTE_ARCHIVE = '''\
The same with the archive on, of rooms too, for each server in every store that it offers by itself.
What Stentor acknowledges is on disk; the peers promise no such thing.'''

NOTE_PAIRS = '''\
Two servers and what passes between them: CPU is that of both together, and peers are those pairs
that Stentor is not in. Clients and servers use TLS, each server proves its domain by a certificate,
streams carry both ways (XEP-0288) where both servers can do that, archives are off.'''


def names_of(run):
    return PAIRS if run.pairs else ARCHIVE if run.archive else PLAIN


class Line:
    """A figure of all servers. lacking: what these do not have, by their names."""

    def __init__(self, run, figure, values, lacking):
        self.run, self.figure, self.values, self.lacking = run, figure, values, lacking
        self.names = names_of(run)
        peers = [v for name, v in values.items() if not name.startswith(('stentor', 'floor'))]
        self.ours = next((values[name] for name in OURS if name in values), None)
        self.to_peer = self.ratio((max if figure.more else min)(peers, default=None))
        self.to_floor = self.ratio(values.get('floor'))

    def cell(self, name):
        if name in self.lacking:
            return f'no {self.lacking[name]}'
        return number(self.values.get(name), self.figure.digits)

    def ratio(self, other):
        return self.ours / other if self.ours is not None and other else None

    def verdict(self):
        """The targets in words, and whether all are met of those that were tried."""
        said, met = [], []
        for against, bound in self.figure.targets:
            if against == 'least':
                value, words = self.ours, f'{bound:,} at least'
            elif against == 'peer':
                value, words = self.to_peer, (
                    f'{bound:g} x the better peer' if self.figure.more
                    else f'1/{round(1 / bound)} of the better peer')
            elif against == 'floor':
                value, words = self.to_floor, f'{bound:g} x the floor'
            else:
                value, words = self.ours, f'{bound:,} {self.figure.unit}'
            said.append(words)
            if value is not None:
                least = against == 'least' or (against == 'peer' and self.figure.more)
                met.append(value >= bound if least else value <= bound)
        if not met:
            return ', '.join(said), ''
        return ', '.join(said), 'met' if all(met) else 'missed'


def lines_of(comparison):
    found = []
    for run in comparison.runs:
        results = comparison.results.get(run.key, {})
        for figure in run.figures:
            read = {name: [figure.read(r) for r in each] for name, each in results.items()}
            values = {name: median(each) for name, each in read.items() if None not in each}
            found.append(Line(run, figure, values, comparison.lacking.get(run.key, {})))
    return found


def shards_line(comparison):
    """One core against two, by what a message costs."""
    cost = {}
    for label, _, args in plan.SHARDS:
        run = plan.shards_run(label, args, comparison.size)
        each = comparison.results.get(run.key, {}).get('stentor')
        if not each:
            return None
        cost[label] = median(run.figures[0].read(r) for r in each)
    return {'one_us': cost['1'], 'two_us': cost['2'], 'ratio': 2 * cost['1'] / cost['2']}


def archive_costs(lines):
    """What a message costs that is archived and acknowledged, beside one that is not."""
    ours = {line.figure.key: line.ours for line in lines}
    without, costs = ours.get('chat-8-none'), ours.get('archive-write')
    if not without or not costs:
        return []
    return [f'A message that is archived and acknowledged costs Stentor {costs / without:.2f} times '
            f'one that is neither (target: {plan.ARCHIVE_TARGET}).']


# ---- Markdown ----

def number(value, digits):
    return '' if value is None else f'{value:,.{digits}f}'


def ratio(value):
    if value is None:
        return ''
    return f'1/{1 / value:.1f}' if 0 < value < 1 else f'{value:.2f}'


def table(lines, names):
    floor = 'floor' in names
    ratios = ['to peers', *(['to floor'] if floor else [])]
    rows = [['scenario', 'unit', *names.values(), *ratios, 'target', ''],
            ['---', '---', *['---:'] * (len(names) + len(ratios)), '---', '---']]
    for line in lines:
        found = [ratio(line.to_peer), *([ratio(line.to_floor)] if floor else [])]
        rows.append([line.figure.title, line.figure.unit, *(line.cell(name) for name in names),
                     *found, *line.verdict()])
    return '\n'.join('| ' + ' | '.join(row) + ' |' for row in rows)


def facts_text(facts):
    versions = ', '.join(facts['versions'].values())
    return (f'{facts["date"]}, {facts["cores"]} cores of {facts["cpu"]}, '
            f'{facts["memory_gb"]} GB, Linux {facts["kernel"]}; {versions}. Load before the run '
            f'{facts["load_before"]}; it took {facts["minutes"]} minutes.')


def markdown(facts, lines, shards, comparison):
    plain, archive, pairs = ([line for line in lines if line.names is names]
                             for names in (PLAIN, ARCHIVE, PAIRS))
    parts = [facts_text(facts), NOTE.format(**facts)]
    if plain:
        parts.append(table(plain, PLAIN))
    if shards:
        parts.append(f'Stentor, window 8, plain: {shards["one_us"]:.2f} us of CPU a message with '
                     f'one shard on one core, {shards["two_us"]:.2f} us with two shards on two '
                     f'cores and every pair across them. Two cores so carry '
                     f'{shards["ratio"]:.2f} times what one carries (target: '
                     f'{plan.SHARDS_TARGET}).')
    if archive:
        parts += [NOTE_ARCHIVE, table(archive, ARCHIVE), *archive_costs(lines)]
    if pairs:
        parts += [NOTE_PAIRS, table(pairs, PAIRS)]
    for title, items in notes(comparison):
        parts.append(f'{title}:\n\n' + '\n'.join(f'* {item}' for item in items))
    return '\n\n'.join(parts) + '\n'


def notes(comparison):
    """What is to be said besides the figures: titles and items."""
    found = [('What was left out', comparison.absent),
             ('What failed or was refused', comparison.faults)]
    return [(title, items) for title, items in found if items]


def put_into_page(text):
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f'{before}{BEGIN}\n\n{text}\n{END}{after}')


# ---- HTML ----

STYLE = '''body{font:14px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
h2{margin-top:2em}svg{display:block}text{font:12px sans-serif}.t{font-size:10px;fill:#555}
.p{color:#555}'''


HISTOGRAMS = ('chat', 'archive', 'room', 'pubsub', 'pep', 'federation')
SIDE = 120 # px for the names of servers


def bars(line):
    """A bar for each server, the widest to the full width."""
    shown = [(n, line.values[n]) for n in line.names if n in line.values]
    if not shown:
        return ''
    widest = max(v for _, v in shown) or 1
    out = [f'<h3>{html.escape(line.figure.title)}</h3>'
           f'<svg width="800" height="{22 * len(shown)}">']
    for i, (name, value) in enumerate(shown):
        width = max(1, 560 * max(value, 0) / widest)
        text = f'{number(value, line.figure.digits)} {line.figure.unit}'
        out.append(f'<text x="0" y="{22 * i + 14}">{line.names[name]}</text>'
                   f'<rect x="{SIDE}" y="{22 * i + 2}" width="{width:.1f}" height="16" '
                   f'fill="{COLOURS[name]}"/>'
                   f'<text x="{SIDE + 6 + width:.1f}" y="{22 * i + 14}">{text}</text>')
    return ''.join(out) + '</svg>'


def joined_histogram(results, phase, from_exp, to_exp, steps):
    """Shares of latencies in equal steps of the logarithm, over all rounds."""
    shares, total = [0] * steps, 0
    for result in results:
        for us, count in plan.phase_of(result, phase)['histogram']:
            place = (math.log10(max(us, 1)) - from_exp) / (to_exp - from_exp) * steps
            shares[min(steps - 1, max(0, int(place)))] += count
            total += count
    return [s / total for s in shares] if total else shares


def histograms(run, results):
    """The latencies of each server, on one axis from 10 us to 10 s."""
    from_exp, to_exp, steps = 1, 7, 120
    width, high = 640, 60
    names = names_of(run)
    phase = {'room': 'talk', 'pubsub': 'publish'}.get(run.scenario, 0)
    shown = [n for n in names if results.get(n)]
    out = [f'<h3>{html.escape(run.figures[0].title.rsplit(":", 1)[0])}: latency</h3>'
           f'<svg width="800" height="{(high + 8) * len(shown) + 20}">']
    foot = (high + 8) * len(shown) + 8
    for e, label in enumerate(['10 us', '100 us', '1 ms', '10 ms', '100 ms', '1 s', '10 s']):
        x = SIDE + width * e / 6
        out.append(f'<path d="M{x:.0f} 0V{foot - 10}" stroke="#e2e2e2"/>'
                   f'<text class="t" x="{x:.0f}" y="{foot}" text-anchor="middle">{label}</text>')
    for i, name in enumerate(shown):
        base = (high + 8) * i + high
        shares = joined_histogram(results[name], phase, from_exp, to_exp, steps)
        most = max(shares) or 1
        out.append(f'<text x="0" y="{base}">{names[name]}</text>'
                   f'<path d="M{SIDE} {base}h{width}" stroke="#999"/>')
        for k, share in enumerate(shares):
            if share:
                tall = high * share / most
                out.append(f'<rect x="{SIDE + width * k / steps:.1f}" y="{base - tall:.1f}" '
                           f'width="{width / steps:.1f}" height="{tall:.1f}" '
                           f'fill="{COLOURS[name]}"/>')
    return ''.join(out) + '</svg>'


def page(facts, lines, comparison):
    parts = ['<!doctype html><meta charset="utf-8"><title>Stentor and its peers</title>',
             f'<style>{STYLE}</style><h1>Stentor and its peers</h1>',
             f'<p class="p">{html.escape(facts_text(facts))}</p>',
             f'<p class="p">{html.escape(NOTE.format(**facts))}</p><h2>Figures</h2>']
    parts += [bars(line) for line in lines if line.names is PLAIN]
    for title, note, names in (('With the archive on', NOTE_ARCHIVE, ARCHIVE),
                               ('Between servers', NOTE_PAIRS, PAIRS)):
        if shown := [bars(line) for line in lines if line.names is names]:
            parts += [f'<h2>{title}</h2><p class="p">{html.escape(note)}</p>', *shown]
    parts.append('<h2>Latencies</h2>')
    for run in comparison.runs:
        results = comparison.results.get(run.key, {})
        if run.scenario in HISTOGRAMS and results:
            parts.append(histograms(run, results))
    for title, said in notes(comparison):
        items = ''.join(f'<li>{html.escape(item)}' for item in said)
        parts.append(f'<h2>{title}</h2><ul>{items}</ul>')
    return '\n'.join(parts) + '\n'


# ---- JSON ----

def without_histograms(run):
    phases = [{k: v for k, v in p.items() if k != 'histogram'} for p in run['phases']]
    return {**run, 'phases': phases}


def data(facts, lines, shards, comparison):
    figures = [{'key': line.figure.key, 'title': line.figure.title, 'unit': line.figure.unit,
                'medians': line.values, 'to_peer': line.to_peer, 'to_floor': line.to_floor,
                'lacking': line.lacking, 'target': line.verdict()[0],
                'verdict': line.verdict()[1]} for line in lines]
    runs = {key: {name: [without_histograms(r) for r in each] for name, each in results.items()}
            for key, results in comparison.results.items()}
    return {'facts': facts, 'figures': figures, 'shards': shards, 'absent': comparison.absent,
            'faults': comparison.faults, 'runs': runs}


def write(out, facts, comparison, whole):
    out.mkdir(parents=True, exist_ok=True)
    lines, shards = lines_of(comparison), shards_line(comparison)
    text = markdown(facts, lines, shards, comparison)
    (out / 'comparison.md').write_text(f'# Stentor and its peers\n\n{text}')
    (out / 'comparison.json').write_text(
        json.dumps(data(facts, lines, shards, comparison), indent=1) + '\n')
    (out / 'comparison.html').write_text(page(facts, lines, comparison))
    if whole:
        put_into_page(text)
    print(text)
