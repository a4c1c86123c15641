#!/usr/bin/env python3
"""Pyre nodes that send, receive, or only meet. What they are told, and what they answer, is in src/play/mod.rs.

Pyre loses what it cannot send at once, so a receiver says how far it is, and a sender waits for that: a WHISPER of one
octet for each half of a window.
"""

import os
import queue
import sys
import threading
import time
import uuid

import zmq
from pyre import Pyre

GROUP = "versus"
# What may be on its way to a receiver: messages, and octets.
WINDOW, WINDOW_OCTETS = 1000, 4 << 20
DONE = b"."

context = zmq.Context()
# Each node has one for each other.
context.set(zmq.MAX_SOCKETS, 8192)


def say(*words):
    print(*words, flush=True)


def commands():
    """What is to be done. At the end of the input the process ends, whatever it does: nobody needs it any more."""
    lines = queue.SimpleQueue()

    def read():
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        word, *numbers = lines.get().split()
        yield word, [int(number) for number in numbers]


def half_window(size):
    return max(2, min(WINDOW, WINDOW_OCTETS // size)) // 2


def start(name, *groups):
    node = Pyre(name, ctx=context)
    for group in groups:
        node.join(group)
    node.start()
    return node


def is_message(event):
    return event[0] in (b"WHISPER", b"SHOUT")


def waiting(node):
    """The events that are there."""
    while node.socket().get(zmq.EVENTS) & zmq.POLLIN:
        yield node.recv()


def receive(count):
    nodes = [start("receiver", GROUP) for _ in range(count)]
    say("at", count)
    for node in nodes:
        # All others, and the sender.
        met = 0
        while met < count:
            met += node.recv()[0] == b"ENTER"
    say("met", nodes[0].endpoint())
    for word, (count, *size) in commands():
        say("ready")
        if word == "echo":
            echo(nodes[0], count)
            say("done")
        else:
            sink(nodes, count, half_window(size[0]))
            say("done", time.monotonic_ns())


def echo(node, count):
    while count:
        event = node.recv()
        if is_message(event):
            node.whisper(uuid.UUID(bytes=event[1]), event[-1])
            count -= 1


def sink(nodes, count, half):
    taken = dict.fromkeys(nodes, 0)
    poller = zmq.Poller()
    by_socket = {node.socket(): node for node in nodes}
    for socket in by_socket:
        poller.register(socket, zmq.POLLIN)
    left = count * len(nodes)
    while left:
        for socket, _ in poller.poll():
            node = by_socket[socket]
            for event in waiting(node):
                if is_message(event):
                    left -= 1
                    taken[node] += 1
                    if taken[node] % half == 0:
                        node.whisper(uuid.UUID(bytes=event[1]), DONE)


def send(receivers):
    node = start("sender")
    peers = []
    while len(peers) < receivers:
        event = node.recv()
        # JOIN comes after ENTER.
        if event[0] == b"JOIN":
            peers.append(uuid.UUID(bytes=event[1]))
    say("met", node.endpoint())
    for word, (count, size) in commands():
        message = b"x" * size
        if word == "ping":
            say("took", *(ping(node, peers[0], message) for _ in range(count)))
            continue
        begin = time.monotonic_ns()
        if word == "stream":
            stream(node, peers, message, count, lambda: [node.whisper(peer, message) for peer in peers])
        else:
            stream(node, peers, message, count, lambda: node.shout(GROUP, message))
        say("sent", begin)


def ping(node, peer, message):
    begin = time.monotonic_ns()
    node.whisper(peer, message)
    while not is_message(node.recv()):
        pass
    return time.monotonic_ns() - begin


def stream(node, peers, message, count, send_one):
    """Sends one after the other, no more than a window ahead of the slowest receiver."""
    half = half_window(len(message))
    taken = {peer.bytes: 0 for peer in peers}

    def wait_for(least):
        while min(taken.values()) < least:
            event = node.recv()
            if is_message(event):
                taken[event[1]] += half

    for sent in range(count):
        wait_for(sent - 2 * half + 1)
        send_one()
    wait_for(count // half * half)


def meet():
    nodes = []
    peers, last, awaited = {}, 0, None
    say("ready")
    poller = zmq.Poller()
    poller.register(0, zmq.POLLIN)
    given = b""
    while True:
        for readable, _ in poller.poll():
            if readable != 0:
                node = next(node for node in nodes if node.socket() == readable)
                for event in waiting(node):
                    change = {b"ENTER": 1, b"EXIT": -1}.get(event[0], 0)
                    if change:
                        peers[node] += change
                        last = time.monotonic_ns()
                continue
            # Not by sys.stdin, which would keep lines that the poller then knows nothing of.
            octets = os.read(0, 4096)
            if not octets:
                os._exit(0)
            *lines, given = (given + octets).split(b"\n")
            for line in lines:
                word, *number = line.split()
                if word == b"start":
                    begin = time.monotonic_ns()
                    for _ in range(int(number[0])):
                        node = start(None)
                        nodes.append(node)
                        peers[node] = 0
                        poller.register(node.socket(), zmq.POLLIN)
                    say("begun", begin, nodes[0].endpoint())
                elif word == b"await":
                    awaited = int(number[0])
                else:
                    for node in nodes:
                        poller.unregister(node.socket())
                        node.stop()
                    nodes, peers = [], {}
                    say("stopped")
        if awaited is not None and all(found == awaited for found in peers.values()):
            say("whole", last)
            awaited = None


def main():
    role, *place = sys.argv[1:]
    if role == "receiver":
        receive(int(place[0]))
    elif role == "sender":
        send(int(place[0]))
    else:
        meet()


main()
