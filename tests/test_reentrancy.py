"""Signal handlers and threads in the middle of a start, a stop or an update, at every line."""

from __future__ import annotations

import pytest
from helpers.scripts import SERVER, Run, completes

# at_line acts in the middle of a call, where a signal handler would, or another thread: at
# the first time that the nth line of the package is about to run.
LINES = (
    SERVER
    + """
from functools import partial
PACKAGE = os.path.dirname(osp.__file__)

def at_line(number, act, call):
    seen = set()
    def trace(frame, event, arg):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line" and (line := (frame.f_code, frame.f_lineno)) not in seen:
            seen.add(line)
            if len(seen) == number:
                sys.settrace(None)
                global place
                place = f"{frame.f_code.co_filename}:{frame.f_lineno}"  # for the failure's text
                act()
        return trace
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return len(seen) >= number

def each_line(act, call):
    number = 1
    while at_line(number, act, call):
        yield number
        number += 1
    assert number > 20, number  # it has seen the package's lines

def explain(kind, error, trace):
    print("at", place)
    sys.__excepthook__(kind, error, trace)
place, sys.excepthook = None, explain

others = []
def beside(call):
    others.append(threading.Thread(target=call))
    others[-1].start()
    others[-1].join(0.1)  # as far as it comes; it may have to wait for this thread

def all_end():
    while others:
        others[-1].join(20)
        assert not others.pop().is_alive()
"""
)
INTERRUPTED = """
def interrupt():
    raise KeyboardInterrupt

def interrupted(call):
    def guarded():
        try:
            call()
        except KeyboardInterrupt:
            pass
    return guarded
"""


@pytest.mark.slow
class TestAtEveryLine:
    """What a signal handler, or another thread, does in the middle of it."""

    @pytest.mark.parametrize("who", ["handler", "thread"])
    def test_of_a_start_a_stop_may_come(self, run_script: Run, who: str) -> None:
        child = run_script(
            LINES
            + f"""
stop = server.stop if {who!r} == "handler" else partial(beside, server.stop)
began = False
def note():
    global began
    began = server._starting.locked() and not server._stop_asked
    stop()
for _ in each_line(note, server.start):
    all_end()
    if began:  # a stop that was asked for during the start counts
        assert server.http_url is None
    server.stop()
server.stop()
works(server)
print("done")
"""
        )
        completes(child, 250)

    @pytest.mark.parametrize("who", ["handler", "thread"])
    def test_of_a_stop_another_stop_may_come(self, run_script: Run, who: str) -> None:
        child = run_script(
            LINES
            + f"""
stop = server.stop if {who!r} == "handler" else partial(beside, server.stop)
server.start()
for _ in each_line(stop, server.stop):
    all_end()
    assert server.http_url is None
    server.start()
server.stop()
works(server)
print("done")
"""
        )
        completes(child, 250)

    def test_of_a_start_another_start_may_come(self, run_script: Run) -> None:
        child = run_script(
            LINES
            + """
won = []
def start():
    try:
        server.start()
        won.append(server.http_url)
    except RuntimeError:
        pass
for number in each_line(partial(beside, start), start):
    all_end()
    assert len(won) == 1 and won[0], (number, won)
    won.clear()
    server.stop()
server.stop()
works(server)
print("done")
"""
        )
        completes(child, 250)

    @pytest.mark.parametrize("what", ["update", "restart"])
    @pytest.mark.parametrize("who", ["handler", "thread"])
    def test_of_an_update_another_update_or_a_restart_may_come(
        self, run_script: Run, who: str, what: str
    ) -> None:
        child = run_script(
            LINES
            + f"""
from object_storage_proxy import _lib
serving = None  # the keys that the server has
def noted(function, place):
    def call(*args):
        global serving
        result = function(*args)
        serving = json.loads(args[place])["hmac_keystore"]
        return result
    return call
_lib.Library.start = noted(_lib.Library.start, 1)
_lib.Library.update = noted(_lib.Library.update, 2)

def pairs(name):
    return [{{"access_key": name, "secret_key": "s"}}]
def update():
    server.update(hmac_keystore=pairs("theirs"))
def restart():
    server.stop(0)
    server.start()
act = {what} if {who!r} == "handler" else partial(beside, {what})

def mine():
    try:
        server.update(hmac_keystore=pairs("mine"))
    except RuntimeError:  # it was being started again
        pass
server.start()
for _ in each_line(act, mine):
    all_end()
    assert serving == server._config.hmac_keystore, (serving, server._config.hmac_keystore)
server.stop()
works(server)
print("done")
"""
        )
        completes(child, 250)

    def test_of_a_start_ctrl_c_may_come(self, run_script: Run) -> None:
        child = run_script(
            LINES
            + INTERRUPTED
            + """
for number in each_line(interrupt, interrupted(server.start)):
    server.stop()
    works(server)
server.stop()
works(server)
print("done")
"""
        )
        completes(child, 250)

    def test_of_a_stop_ctrl_c_may_come(self, run_script: Run) -> None:
        child = run_script(
            LINES
            + INTERRUPTED
            + """
server.start()
for number in each_line(interrupt, interrupted(server.stop)):
    server.stop()
    assert server.http_url is None
    server.start()
server.stop()
works(server)
print("done")
"""
        )
        completes(child, 250)
