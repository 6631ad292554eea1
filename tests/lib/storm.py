# SPDX-License-Identifier: Apache-2.0
"""Calls of many clients while executors are killed, and what their callers were told."""
import json
import os
import signal
import threading
import time

SECONDS, MORE_SECONDS = 5, 150  # on a busy machine it takes longer until enough has happened
CLIENTS = 3


def storm(case, node, args_of, least, most=float('inf')):
    """Calls `churn` with args_of(n) for n = 1, 2 ... until more than `least` have happened, and no
    further than `most`. Returns: for which n the call's writes happened. The others' did not."""
    happened, odd, lock, over = set(), [], threading.Lock(), threading.Event()

    def client(first):
        n = first
        while not over.is_set() and len(happened) < most:
            n += CLIENTS
            code, out, err = node.run('call', 'churn', *args_of(n), '--json')
            said = err if code == 0 else json.loads(out).get('text', '') + out.decode()
            with lock:
                if code == 0 or 'its writes happened' in said:
                    happened.add(n)
                elif 'did not happen' not in said:
                    odd.append((n, code, said))

    clients = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
    for c in clients:
        c.start()
    kills, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end or kills <= 20 or len(happened) <= least:
        for pid in node.executors():
            try:
                os.kill(pid, signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                pass
        if time.monotonic() > end + MORE_SECONDS:
            break
        time.sleep(0.1)
    over.set()
    for c in clients:
        c.join()
    case.assertEqual(odd, [])
    case.assertGreater(kills, 20)
    case.assertGreater(len(happened), least)
    return happened
