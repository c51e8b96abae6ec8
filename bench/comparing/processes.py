"""Starting programs so that none outlives this one, however it ends."""
import atexit
import ctypes
import os
import resource
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
OPEN_FILES = 65536
STOP_SECONDS = 15

running = []


def raise_open_files():
    """As many descriptors as the biggest scenario needs, or what the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES and os.geteuid() == 0:
        hard = OPEN_FILES
    soft = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (OSError, ValueError):
        pass
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def in_child():
    """The kernel ends the child when this program is killed without a chance to do it."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(command, cores=None, **options):
    """Popen in a session of its own, on these cores."""
    command = [str(c) for c in command]
    if cores:
        command = ['taskset', '-c', ','.join(map(str, cores)), *command]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                               preexec_fn=in_child, **options)
    running.append(process)
    return process


def session_of(pid):
    """The processes of a session."""
    found = []
    for name in os.listdir('/proc'):
        try:
            if name.isdigit() and os.getsid(int(name)) == pid:
                found.append(int(name))
        except ProcessLookupError:
            pass
    return found


def stop(process):
    """In order, then by force; with all that it started."""
    if process not in running:
        return
    running.remove(process)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    while left := session_of(process.pid):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.poll()
        time.sleep(0.05)
    process.wait()


def stop_all():
    for process in list(running):
        stop(process)


def watch_over():
    """Ends what runs at the end of this program, and turns signals into that end."""
    def on_signal(number, frame):
        raise SystemExit(128 + number)

    atexit.register(stop_all)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, on_signal)
