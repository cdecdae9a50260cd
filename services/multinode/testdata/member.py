"""A member of a multinode group that speaks with the client code of LAVA's dispatcher, as installed.

Arguments: port of the coordinator, seconds between polls, seconds that a call may take, job id, and
the job's protocols section as JSON. Each line of standard input is a JSON list, each is answered with
one line of JSON: ["set_up"], ["call", REQUEST] with the protocol's answer, ["signal", NAME, ARGUMENT...]
with what would be typed at the device, ["finalise"]. An exception is {"error": CLASS, "text": TEXT}.
"""

import json
import logging
import os
import sys

from lava_dispatcher.actions.test.multinode import MultinodeTestAction
from lava_dispatcher.protocols.multinode import MultinodeProtocol

PORT, DELAY, LIMIT, JOB, SECTION = sys.argv[1:]


class Protocol(MultinodeProtocol):
    """The client reads its settings from a file of the system; these are the test's."""

    def read_settings(self, filename):
        return {"port": int(PORT), "blocksize": 4096, "poll_delay": float(DELAY), "coordinator_hostname": "127.0.0.1"}


class Console:
    """What the dispatcher types at the device."""

    def __init__(self):
        self.typed = []

    def sendline(self, text, delay=0):
        self.typed.append(text)


logging.getLogger("dispatcher").addHandler(logging.NullHandler())
there = os.path.exists
os.path.exists = lambda path: path == "/etc/lava-coordinator/lava-coordinator.conf" or there(path)

section = json.loads(SECTION)
protocol = Protocol({"protocols": section}, JOB)
protocol.poll_timeout.duration = int(LIMIT)
protocol.system_timeout.duration = int(LIMIT)
director = MultinodeTestAction.SignalDirector(protocol)
director.setup(section)


def signal(name, *arguments):
    director.connection = Console()
    handled = director.signal(name, list(arguments))
    return {"handled": handled, "typed": director.connection.typed}


do = {"set_up": protocol.set_up, "call": protocol, "signal": signal, "finalise": protocol.finalise_protocol}
for line in sys.stdin:
    what, *arguments = json.loads(line)
    try:
        answer = do[what](*arguments)
    except Exception as exc:
        answer = {"error": type(exc).__name__, "text": str(exc)}
    print(json.dumps(answer), flush=True)
