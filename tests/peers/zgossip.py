#!/usr/bin/env python3
"""czmq's own zgossip on standard input and output, one JSON object per line.

In: bind and connect (endpoint), publish (key, value), status, stop. Out: START first, then DELIVER with key and value for
each tuple that it learns, replies, STOP last. It is the actor of libczmq.so.4, as Zyre uses it.
"""

import ctypes
import json
import os
import queue
import sys
import threading
import traceback

# How long the actor is listened to before the next command is looked at, in milliseconds.
TURN = 20


def say(**line):
    """Print one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def library():
    """The functions of czmq that are used here."""
    czmq = ctypes.CDLL("libczmq.so.4")
    pointer = ctypes.c_void_p
    for name, result, arguments in [
        ("zsys_handler_set", None, [pointer]),
        ("zactor_new", pointer, [pointer, ctypes.c_char_p]),
        ("zactor_destroy", None, [ctypes.POINTER(pointer)]),
        ("zpoller_new", pointer, None),
        ("zpoller_wait", pointer, [pointer, ctypes.c_int]),
        ("zmsg_recv", pointer, [pointer]),
        ("zmsg_popstr", pointer, [pointer]),
        ("zmsg_size", ctypes.c_size_t, [pointer]),
        ("zmsg_destroy", None, [ctypes.POINTER(pointer)]),
        ("zstr_free", None, [ctypes.POINTER(pointer)]),
        ("zstr_sendx", ctypes.c_int, None),
        ("zsys_version", None, [ctypes.POINTER(ctypes.c_int)] * 3),
    ]:
        function = getattr(czmq, name)
        function.restype = result
        if arguments is not None:
            function.argtypes = arguments
    return czmq


class Actor:
    def __init__(self, czmq):
        self.czmq = czmq
        # Signals are for the test to send, and not for czmq to take.
        czmq.zsys_handler_set(None)
        self.actor = ctypes.c_void_p(czmq.zactor_new(ctypes.cast(czmq.zgossip, ctypes.c_void_p), b"zgossip"))
        self.poller = ctypes.c_void_p(czmq.zpoller_new(self.actor, None))

    def send(self, *words):
        words = [ctypes.c_char_p(word.encode()) for word in words]
        if self.czmq.zstr_sendx(self.actor, *words, None) != 0:
            raise OSError("the actor does not listen")

    def hear(self):
        """What the actor says, as a list of words; None where it says nothing for a turn."""
        if not self.czmq.zpoller_wait(self.poller, TURN):
            return None
        message = ctypes.c_void_p(self.czmq.zmsg_recv(self.actor))
        words = []
        while self.czmq.zmsg_size(message):
            word = ctypes.c_void_p(self.czmq.zmsg_popstr(message))
            words.append(ctypes.string_at(word).decode())
            self.czmq.zstr_free(ctypes.byref(word))
        self.czmq.zmsg_destroy(ctypes.byref(message))
        return words

    def destroy(self):
        self.czmq.zactor_destroy(ctypes.byref(self.actor))


class Driver:
    def __init__(self):
        self.czmq = library()
        self.actor = Actor(self.czmq)
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in sys.stdin:
            self.lines.put(line)
        self.lines.put(None)

    def ask(self, question):
        """Asks the actor; what it delivers before it answers is told."""
        self.actor.send(question)
        while (words := self.actor.hear()) is None or words[0] != question:
            self.tell(words)
        return words[1]

    def tell(self, words):
        if words and words[0] == "DELIVER":
            say(event="DELIVER", key=words[1], value=words[2])

    def do(self, command):
        """Carry out one command; what it answers."""
        match command["do"]:
            case "bind":
                endpoint = command["endpoint"]
                self.actor.send("BIND", endpoint)
                if not endpoint.startswith("tcp://"):
                    return endpoint
                return endpoint.rpartition(":")[0] + ":" + self.ask("PORT")
            case "connect":
                self.actor.send("CONNECT", command["endpoint"])
            case "publish":
                self.actor.send("PUBLISH", command["key"], command["value"])
            case "status":
                return int(self.ask("STATUS"))
            case other:
                raise ValueError(f"{other} is not a command")
        return True

    def run(self):
        version = [ctypes.c_int() for _ in range(3)]
        self.czmq.zsys_version(*map(ctypes.byref, version))
        say(event="START", name="czmq " + ".".join(str(part.value) for part in version))
        while True:
            self.tell(self.actor.hear())
            try:
                line = self.lines.get_nowait()
            except queue.Empty:
                continue
            if line is None:
                break
            command = {}
            try:
                command = json.loads(line)
                if command["do"] == "stop":
                    break
                about = {"id": command["id"]} if "id" in command else {}
                say(reply=command["do"], value=self.do(command), **about)
            except Exception as failure:
                traceback.print_exc()
                say(error=repr(failure), **{k: command[k] for k in ("do", "id") if k in command})
        self.actor.destroy()
        say(event="STOP")


if "--version" in sys.argv:
    library()
    sys.exit()
Driver().run()
# Not by czmq's way out, which waits for sockets.
sys.stdout.flush()
os._exit(0)
