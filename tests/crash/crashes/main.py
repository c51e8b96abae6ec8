"""The command: what it takes, and the summary."""
import argparse
import asyncio
import atexit
import random
import time

from crashes.book import Verdict
from crashes.faults import FAULTS
from crashes.rounds import Rounds
from crashes.servers import SERVERS, processes


def arguments(description):
    parser = argparse.ArgumentParser(prog='tests/crash/run', description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--server', choices=SERVERS, default='stentor')
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--seed', type=int, help='of all that is random (default: a new one)')
    parser.add_argument('--fault', choices=FAULTS, default='none', help='what else goes wrong')
    parser.add_argument('--planned', type=float, default=0, metavar='SHARE',
                        help='how often to stop the server in order instead (0 to 1)')
    parser.add_argument('--keep', action='store_true', help='leave the folders for a look')
    args = parser.parse_args()
    if args.fault not in SERVERS[args.server].faults:
        parser.error(f'{args.fault} is not for {args.server}')
    return args


def main(description):
    args = arguments(description)
    seed = args.seed if args.seed is not None else random.randrange(1 << 31)
    server = SERVERS[args.server]
    print(f'{server.version()}, {args.rounds} rounds, fault {args.fault}, seed {seed}', flush=True)
    start = time.monotonic()
    name = 'crash' if args.fault == 'none' else args.fault
    rounds = Rounds(server, FAULTS[args.fault](seed, server.ours), name, seed, args.planned,
                    args.keep)
    atexit.register(rounds.remove_folder)    # runs when watch_over() has ended the server
    processes.watch_over()
    processes.raise_open_files()
    asyncio.run(rounds.run(args.rounds))
    sums = rounds.sums
    print(f'{args.server}: {sums["rounds"]} rounds in {time.monotonic() - start:.0f} s, '
          f'{rounds.broken} broken off; {sums["sent"]} sent, {sums["acknowledged"]} acknowledged '
          f'({sums["in the room"]} in the room), {sums["refused"]} refused; '
          + ', '.join(f'{rounds.faults[kind]} {kind}' for kind in (*Verdict.KINDS, 'complaints')))
    failed = rounds.broken or any(rounds.faults.values())
    return 1 if failed and server.ours else 0
