#!/usr/bin/env node
// zyre.js nodes that send, receive, or only meet. What they are told, and what they answer, is in src/play/mod.rs.
//
// zyre.js keeps what it cannot send at once without a limit, so a receiver says how far it is, and a sender waits for
// that: a WHISPER of one octet for each half of a window.

'use strict';

const readline = require('readline');
const zeromq = require('zeromq');
const Zyre = require('zyre.js');

// Each node has one for each other.
zeromq.Context.setMaxSockets(8192);

const GROUP = 'versus';
// What may be on its way to a receiver: messages, and octets.
const WINDOW = 1000;
const WINDOW_OCTETS = 4 << 20;
const DONE = Buffer.from('.');

const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);
const now = () => process.hrtime.bigint();
const halfWindow = (size) => Math.floor(Math.max(2, Math.min(WINDOW, Math.floor(WINDOW_OCTETS / size))) / 2);

// zyre.js looks for a free port first and takes it a moment later: others must not look at the same.
let port = 10000 + ((process.pid * 64) % 20000);

async function start(name, met) {
  const node = Zyre.new({ name, iface: 'v0', port });
  port += 1;
  node.setEncoding('raw');
  node.met = new Set();
  node.on('connect', (peer) => { node.met.add(peer); met(); });
  node.on('disconnect', (peer) => { node.met.delete(peer); met(); });
  await node.start();
  return node;
}

const endpoint = (node) => node._zyreNode._endpoint;

// At the end of the input the process ends, whatever it does: nobody needs it any more.
process.stdin.on('end', () => process.exit(0));

async function* commands() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [word, ...numbers] = line.split(' ');
    yield [word, ...numbers.map(Number)];
  }
}

async function receive(count) {
  const nodes = [];
  let message = () => {};
  let allMet;
  // All others, and the sender.
  const met = new Promise((resolve) => {
    allMet = () => { if (nodes.length === count && nodes.every((node) => node.met.size === count)) resolve(); };
  });
  for (let number = 0; number < count; number += 1) {
    const node = await start('receiver', () => allMet());
    node.join(GROUP);
    node.on('whisper', (peer, name, content) => message(node, peer, content));
    node.on('shout', (peer, name, content) => message(node, peer, content));
    nodes.push(node);
  }
  say('at', count);
  await met;
  say('met', endpoint(nodes[0]));
  for await (const [word, times, size] of commands()) {
    const half = halfWindow(size);
    let left = times * nodes.length;
    nodes.forEach((node) => { node.taken = 0; });
    const done = new Promise((resolve) => {
      message = word === 'echo'
        ? (node, peer, content) => {
          node.whisper(peer, content);
          left -= 1;
          if (left === 0) resolve();
        }
        : (node, peer) => {
          node.taken += 1;
          if (node.taken % half === 0) node.whisper(peer, DONE);
          left -= 1;
          if (left === 0) resolve(now());
        };
    });
    say('ready');
    const end = await done;
    if (word === 'echo') say('done');
    else say('done', end);
  }
}

async function send(receivers) {
  const node = await start('sender', () => {});
  const peers = [];
  await new Promise((resolve) => {
    node.on('join', (peer) => {
      peers.push(peer);
      if (peers.length === receivers) resolve();
    });
  });
  let heard = () => {};
  node.on('whisper', (peer) => heard(peer));
  say('met', endpoint(node));

  const ping = (message) => new Promise((resolve) => {
    const begin = now();
    heard = () => resolve(now() - begin);
    node.whisper(peers[0], message);
  });
  // Sends one after the other, no more than a window ahead of the slowest receiver.
  const stream = (message, count, sendOne) => new Promise((resolve) => {
    const half = halfWindow(message.length);
    const taken = new Map(peers.map((peer) => [peer, 0]));
    let sent = 0;
    const go = () => {
      const least = Math.min(...taken.values());
      for (; sent < count && sent < least + 2 * half; sent += 1) sendOne();
      if (least === Math.floor(count / half) * half) resolve();
    };
    heard = (peer) => {
      taken.set(peer, taken.get(peer) + half);
      go();
    };
    go();
  });

  for await (const [word, count, size] of commands()) {
    const message = Buffer.alloc(size, 'x');
    if (word === 'ping') {
      const took = [];
      for (let trip = 0; trip < count; trip += 1) took.push(await ping(message));
      say('took', ...took);
    } else {
      const begin = now();
      await stream(message, count, word === 'shout'
        ? () => node.shout(GROUP, message)
        : () => peers.forEach((peer) => node.whisper(peer, message)));
      say('sent', begin);
    }
  }
}

async function meet() {
  let nodes = [];
  let last = 0n;
  let awaited;
  const look = () => {
    if (awaited !== undefined && nodes.every((node) => node.met.size === awaited)) {
      awaited = undefined;
      say('whole', last);
    }
  };
  say('ready');
  for await (const [word, number] of commands()) {
    if (word === 'start') {
      const begin = now();
      for (let left = number; left > 0; left -= 1) {
        nodes.push(await start(undefined, () => { last = now(); look(); }));
      }
      say('begun', begin, endpoint(nodes[0]));
    } else if (word === 'await') {
      awaited = number;
      look();
    } else {
      await Promise.all(nodes.map((node) => node.stop()));
      nodes = [];
      say('stopped');
    }
  }
}

async function main() {
  const [role, place] = process.argv.slice(2);
  if (role === 'receiver') await receive(Number(place));
  else if (role === 'sender') await send(Number(place));
  else await meet();
}

main();
