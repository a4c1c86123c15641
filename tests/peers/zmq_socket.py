#!/usr/bin/env python3
"""Sockets of libzmq on standard input and output, one JSON object per line.

In: socket (type, options), bind, connect, disconnect, send (frames), close, stop. Every socket has a name, given in
"socket". Out: START first, then replies and events, STOP last. FRAMES is what a socket received; the other events are
those of libzmq's monitor: LISTENING, CONNECTED, HANDSHAKE_SUCCEEDED, DISCONNECTED, CONNECT_RETRIED, ...

Frames, and values of options that are not numbers, are hexadecimal.
"""

import json
import os
import sys
import traceback

import zmq
from zmq.utils.monitor import recv_monitor_message

# More than what one command line may hold of frames.
READ = 1 << 20


def say(**line):
    """Print one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Sockets:
    def __init__(self):
        self.context = zmq.Context()
        self.named = {}
        self.readers = {sys.stdin.fileno(): self.read_commands}
        self.poller = zmq.Poller()
        self.poller.register(sys.stdin.fileno(), zmq.POLLIN)
        self.unfinished = b""
        self.ended = False

    def open(self, name, kind, options):
        if name in self.named:
            raise ValueError(f"{name} is open already")
        socket = self.context.socket(getattr(zmq, kind))
        for option, value in options.items():
            value = bytes.fromhex(value) if isinstance(value, str) else value
            socket.setsockopt(getattr(zmq, option), value)
        monitor = socket.get_monitor_socket()
        self.named[name] = socket, monitor
        self.watch(socket, lambda: self.read_frames(name, socket))
        self.watch(monitor, lambda: self.read_monitor(name, monitor))

    def socket(self, command):
        socket, _ = self.named[command["socket"]]
        return socket

    def watch(self, socket, read):
        self.poller.register(socket, zmq.POLLIN)
        self.readers[socket] = read

    def close(self, name):
        socket, monitor = self.named.pop(name)
        socket.disable_monitor()
        # The monitor too, not when it is forgotten: the context waits for every socket, and whoever read the last one
        # may hold it still.
        for each in (socket, monitor):
            self.poller.unregister(each)
            del self.readers[each]
            each.close(linger=0)

    def read_frames(self, name, socket):
        while True:
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            say(event="FRAMES", socket=name, frames=[frame.hex() for frame in frames])

    def read_monitor(self, name, monitor):
        try:
            event = recv_monitor_message(monitor, zmq.NOBLOCK)
        except zmq.Again:
            return
        endpoint = event["endpoint"].decode()
        say(event=event["event"].name, socket=name, endpoint=endpoint, value=event["value"])

    def read_commands(self):
        octets = os.read(sys.stdin.fileno(), READ)
        *lines, self.unfinished = (self.unfinished + octets).split(b"\n")
        for line in lines:
            if not self.ended:
                self.command(line)
        if not octets:
            self.ended = True

    def command(self, line):
        command = {}
        try:
            command = json.loads(line)
            about = {"id": command["id"]} if "id" in command else {}
            say(reply=command["do"], value=self.do(command), **about)
        except Exception as failure:
            traceback.print_exc()
            say(error=repr(failure), **{k: command[k] for k in ("do", "id") if k in command})

    def do(self, command):
        """Carry out one command; what it answers."""
        match command["do"]:
            case "socket":
                self.open(command["socket"], command["type"], command["options"])
            case "bind":
                socket = self.socket(command)
                socket.bind(command["endpoint"])
                return socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
            case "connect":
                self.socket(command).connect(command["endpoint"])
            case "disconnect":
                self.socket(command).disconnect(command["endpoint"])
            case "send":
                frames = [bytes.fromhex(frame) for frame in command["frames"]]
                self.socket(command).send_multipart(frames, zmq.NOBLOCK)
            case "close":
                self.close(command["socket"])
            case "stop":
                self.ended = True
            case other:
                raise ValueError(f"{other} is not a command")
        return True

    def run(self):
        say(event="START", name=f"libzmq {zmq.zmq_version()}")
        while not self.ended:
            for socket, _ in self.poller.poll():
                # One before it may have closed it.
                if socket in self.readers:
                    self.readers[socket]()
        for name in list(self.named):
            self.close(name)
        self.context.term()
        say(event="STOP")


Sockets().run()
