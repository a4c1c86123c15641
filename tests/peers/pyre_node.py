#!/usr/bin/env python3
"""One Pyre node on standard input and output, one JSON object per line.

Out: START first, then events (ENTER, EXIT, JOIN, LEAVE, WHISPER, SHOUT) and replies, STOP last.
In: join, leave, whisper, shout, set_header, stop, and the questions of `Driver.question`.
A content frame is a string when it is UTF-8 text, else {"hex": "00ff"}; on input also
{"repeat": "x", "count": 1048576}.

With --echo every whisper goes back as it came, and is no event.

Where a thread of Pyre dies of what it was sent, the line {"event": "DIED", "error": ...} says so.
The process lives on then, as an application's would: it answers TCP and goes on beaconing.
"""

import argparse
import json
import os
import sys
import threading
import time
import traceback
import uuid

import zmq
from pyre import Pyre, pyre_peer, zbeacon, zhelper

# How long a node may take to answer its own application.
PATIENCE_MS = 10_000

output = threading.Lock()
dead = threading.Event()


def say(**line):
    """Print one line."""
    text = json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    try:
        with output:
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        os._exit(1)


def died(failure):
    """The end of a thread of Pyre that it did not choose."""
    traceback.print_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
    sys.stderr.flush()
    dead.set()
    say(event="DIED", error=f"{failure.exc_type.__name__}: {failure.exc_value}")


def hexadecimal(peer):
    """A UUID as everyone prints it."""
    return peer.hex.upper()


def frame_out(frame):
    try:
        return frame.decode("utf-8")
    except UnicodeDecodeError:
        return {"hex": frame.hex()}


def frame_in(frame):
    if isinstance(frame, str):
        return frame.encode("utf-8")
    if "hex" in frame:
        return bytes.fromhex(frame["hex"])
    return frame["repeat"].encode("utf-8") * frame["count"]


def content_in(command):
    content = [frame_in(frame) for frame in command["content"]]
    if not content:
        raise ValueError("pyre cannot send a message without a frame")
    return content


class Driver:
    def __init__(self, options):
        patch(options)
        self.echo = options.echo
        # What the node is told goes through one socket, which two threads must not use at a time.
        self.telling = threading.Lock()
        self.entered = set()
        self.node = Pyre(options.name)
        self.node.actor.pipe.set(zmq.RCVTIMEO, PATIENCE_MS)
        self.node.actor.pipe.set(zmq.SNDTIMEO, PATIENCE_MS)
        if options.port:
            self.node.set_port(b"%d" % options.port)
        for header in options.header:
            self.node.set_header(*header.split("=", 1))
        for group in options.group:
            self.node.join(group)
        self.node.start()
        say(event="START", peer=hexadecimal(self.node.uuid()), name=self.node.name(),
            endpoint=self.node.endpoint())
        # Events have a thread of their own: a node waits when nobody takes them.
        self.events = threading.Thread(target=self.tell_events, daemon=True)
        self.events.start()

    def tell_events(self):
        while True:
            kind, peer, name, *rest = self.node.recv()
            peer = uuid.UUID(bytes=peer)
            if self.echo and kind == b"WHISPER":
                with self.telling:
                    self.node.whisper(peer, rest)
                continue
            line = {"event": kind.decode(), "peer": hexadecimal(peer), "name": name.decode()}
            if kind == b"ENTER":
                self.entered.add(peer)
                line["headers"] = json.loads(rest[0])
                line["endpoint"] = rest[1].decode()
            elif kind == b"EXIT":
                self.entered.discard(peer)
            elif kind in (b"JOIN", b"LEAVE"):
                line["group"] = rest[0].decode()
            elif kind == b"WHISPER":
                line["content"] = [frame_out(frame) for frame in rest]
            elif kind == b"SHOUT":
                line["group"] = rest[0].decode()
                line["content"] = [frame_out(frame) for frame in rest[1:]]
            say(**line)
            if kind == b"STOP":
                return

    def peer(self, command):
        peer = uuid.UUID(command["peer"])
        if peer not in self.entered:
            raise LookupError(f"unknown peer {hexadecimal(peer)}")
        return peer

    def question(self, command):
        node = self.node
        match command["do"]:
            case "uuid":
                return hexadecimal(node.uuid())
            case "name":
                return node.name()
            case "endpoint":
                return node.endpoint()
            case "peers":
                return sorted(map(hexadecimal, node.peers()))
            case "own_groups":
                return sorted(node.own_groups())
            case "peer_groups":
                return sorted(node.peer_groups())
            case "peers_by_group":
                return sorted(map(hexadecimal, node.peers_by_group(command["group"])))
            case "peer_address" | "peer_name" | "peer_headers" | "peer_header_value" as what:
                peer = uuid.UUID(command["peer"])
                if peer not in self.entered:
                    return None
                if what == "peer_address":
                    return node.peer_address(peer)
                if what == "peer_name":
                    return node.get_peer_name(peer)
                if what == "peer_headers":
                    return node.peer_headers(peer)
                return node.peer_headers(peer).get(command["name"])
            case other:
                raise ValueError(f"{other} is not a command")

    def do(self, command):
        """Carry out one command; what it answers."""
        match command["do"]:
            case "join":
                self.node.join(command["group"])
            case "leave":
                self.node.leave(command["group"])
            case "whisper":
                self.node.whisper(self.peer(command), content_in(command))
            case "shout":
                self.node.shout(command["group"], content_in(command))
            case "set_header":
                self.node.set_header(command["name"], command["value"])
            case "stop":
                pass
            case _:
                return self.question(command)
        return True

    def run(self):
        """Commands until `stop` or the end of input, then leave."""
        for line in sys.stdin.buffer:
            command = {}
            try:
                given = json.loads(line)
                if not isinstance(given, dict):
                    raise ValueError("a command is an object")
                command = given
                about = {"id": command["id"]} if "id" in command else {}
                with self.telling:
                    value = self.do(command)
                say(reply=command["do"], value=value, **about)
            except zmq.Again:
                sys.exit(f"no answer from the node for {PATIENCE_MS} ms")
            except Exception as failure:
                # A KeyError says no more than the key: which field is missing.
                text = f"no {failure}" if isinstance(failure, KeyError) else str(failure)
                say(error=text, **{k: command[k] for k in ("do", "id") if k in command})
            if command.get("do") == "stop":
                break
        if dead.is_set():
            sys.exit("the node has died before")
        self.node.stop()
        self.events.join(PATIENCE_MS / 1000)


def patch(options):
    """Pyre has no working setter for these."""
    if options.interval:
        zbeacon.INTERVAL_DFLT = options.interval / 1000
    evasive = (options.evasive or pyre_peer.PyrePeer.PEER_EVASIVE * 1000) / 1000
    expired = (options.expired or pyre_peer.PyrePeer.PEER_EXPIRED * 1000) / 1000

    # The constants themselves stay: the length of Pyre's send queue is made of one of them.
    def refresh(peer):
        peer.evasive_at = time.time() + evasive
        peer.expired_at = time.time() + expired

    pyre_peer.PyrePeer.refresh = refresh
    if options.interface:
        interfaces = zhelper.get_ifaddrs()
        chosen = [each for each in interfaces if options.interface in each]
        if not chosen:
            names = ", ".join(name for each in interfaces for name in each)
            sys.exit(f"no interface {options.interface}: there are {names}")
        zhelper.get_ifaddrs = lambda: chosen


def main():
    parser = argparse.ArgumentParser(description="one Pyre node, JSON lines in and out")
    parser.add_argument("--name")
    parser.add_argument("--header", action="append", default=[], metavar="K=V")
    parser.add_argument("--group", action="append", default=[], help="joined before the start")
    parser.add_argument("--interface", metavar="NAME")
    parser.add_argument("--port", type=int, help="UDP port of beacons")
    parser.add_argument("--interval", type=int, metavar="MS", help="between beacons")
    parser.add_argument("--evasive", type=int, metavar="MS", help="Pyre looks once a second")
    parser.add_argument("--expired", type=int, metavar="MS", help="Pyre looks once a second")
    parser.add_argument("--echo", action="store_true", help="whisper back what is whispered")
    threading.excepthook = died
    status = 1
    try:
        Driver(parser.parse_args()).run()
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = 0 if end.code in (None, 0) else end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    # Not by the interpreter's way out: that waits for Pyre's threads, dead or blocked ones too.
    os._exit(status)


main()
