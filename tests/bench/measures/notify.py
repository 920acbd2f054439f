"""Notification: client A idles in INBOX, client B changes it; from B's OK until A hears of it, ms.

For APPEND until A's EXISTS, for STORE until A's FETCH with the flag. A may hear before B's OK arrives; less
than 0.05 ms is counted as 0.05, below which this client cannot tell. Pauses of varying length keep the
changes out of step with the server's own timers.
"""

import random
import select
import time

from client import Refused, append_request
from stage import Row

NAME, NEEDS = "notify", ""
LEAST = 0.05
PATIENCE = 60
ROWS = [
    Row("notify-append", "IDLE: APPEND to EXISTS", "ms", "lower"),
    Row("notify-store", "IDLE: STORE to FETCH", "ms", "lower"),
]


def run(stage):
    dice = random.Random(1)
    bodies = stage.synthetic.between(0, 6000, stage.options.notices)
    with stage.peer.connect() as idler, stage.peer.connect() as worker:
        worker.append(append_request("INBOX", bodies[0]))
        idler.command("SELECT INBOX")
        worker.command("SELECT INBOX")
        idler.idle()
        for body in bodies:
            settle(idler, dice)
            worker.socket.sendall(append_request("INBOX", body))
            stage.record("notify-append", latency(idler, worker, b" EXISTS", b"apnd "))
        worker.command("NOOP")
        for turn in range(stage.options.notices):
            settle(idler, dice)
            tag = worker.tag()
            sign = "+-"[turn % 2]
            worker.socket.sendall(tag + f" STORE 1 {sign}FLAGS.SILENT (\\Flagged)\r\n".encode())
            stage.record("notify-store", latency(idler, worker, b" FETCH ", tag + b" "))
        idler.done()


def settle(idler, dice):
    """Waits until nothing more comes from earlier changes, and a little longer."""
    while idler.hear(0.05)[0]:
        pass
    time.sleep(dice.uniform(0.02, 0.3))


def latency(idler, worker, notice, tag):
    """Milliseconds from the worker's tagged OK until the idler has heard `notice`."""
    told = answered = None
    heard = {idler: b"", worker: b""}
    sockets = {idler.socket: idler, worker.socket: worker}
    deadline = time.perf_counter() + PATIENCE
    while told is None or answered is None:
        ready, _, _ = select.select(list(sockets), [], [], max(0, deadline - time.perf_counter()))
        if not ready:
            raise Refused(f"no notification within {PATIENCE} s; heard {heard[idler]!r}, {heard[worker]!r}")
        for socket in ready:
            piece = socket.recv(65536)
            now = time.perf_counter()
            if not piece:
                raise Refused("connection closed while waiting for a notification")
            who = sockets[socket]
            heard[who] += piece
            if who is idler and told is None and notice in heard[who]:
                told = now
            if who is worker and answered is None and tag + b"OK" in heard[who]:
                answered = now
    return max(LEAST, (told - answered) * 1000)
