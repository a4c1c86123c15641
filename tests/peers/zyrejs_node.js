#!/usr/bin/env node
// One zyre.js node on standard input and output, one JSON object per line.
//
// Out: START first, then events (ENTER, EXIT, JOIN, LEAVE, WHISPER, SHOUT) and replies, STOP last.
// In: join, leave, whisper, shout, stop, and the questions of `question`.
// A content frame is a string when it is UTF-8 text, else {"hex": "00ff"}; on input also
// {"repeat": "x", "count": 1048576}. zyre.js sends one frame, not less and not more, and tells the first that came.
// A whisper or shout with "times" is sent that often.
//
// With --echo every whisper goes back, and is no event.
//
// Events come in zyre.js's own order, which may be JOIN before ENTER.

'use strict';

const { parseArgs } = require('util');
const readline = require('readline');
const Zyre = require('zyre.js');
const ZBeacon = require('zyre.js/lib/zbeacon');

// How long a node may take to leave.
const PATIENCE_MS = 10_000;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const hexadecimal = (identity) => identity.toUpperCase();
const identity = (peer) => peer.replaceAll('-', '').toLowerCase();

const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function frameOut(frame) {
  try {
    return text.decode(frame);
  } catch {
    return { hex: frame.toString('hex') };
  }
}

function frameIn(frame) {
  if (typeof frame === 'string') return Buffer.from(frame, 'utf8');
  if ('hex' in frame) return Buffer.from(frame.hex, 'hex');
  return Buffer.alloc(frame.count, frame.repeat);
}

function contentIn(command) {
  if (command.content.length !== 1) throw new Error('zyre.js cannot send a message of other than one frame');
  return frameIn(command.content[0]);
}

class Driver {
  constructor(options) {
    const headers = Object.fromEntries(options.header.map((header) => {
      const at = header.indexOf('=');
      return [header.slice(0, at), header.slice(at + 1)];
    }));
    const numbers = {
      evasive: options.evasive, expired: options.expired, bport: options.port, binterval: options.interval,
    };
    const given = Object.entries(numbers).filter(([, value]) => value !== undefined);
    this.node = Zyre.new({
      name: options.name,
      iface: options.interface,
      headers,
      ...Object.fromEntries(given.map(([name, value]) => [name, Number(value)])),
    });
    this.node.setEncoding('raw');
    this.echo = options.echo;
    this.entered = new Set();
    this.expired = new Set();
    this.tellEvents();
    // The moment when the node exists and nobody knows of it: what is joined now is in each HELLO.
    const start = ZBeacon.prototype.start;
    const { node } = this;
    ZBeacon.prototype.start = function startWithGroups() {
      options.group.forEach((group) => node.join(group));
      return start.call(this);
    };
  }

  async start() {
    await this.node.start();
    this.uuid = hexadecimal(this.node.getIdentity());
    this.name = this.node._name;
    // There is no getter.
    say({ event: 'START', peer: this.uuid, name: this.name, endpoint: this.node._zyreNode._endpoint });
  }

  tellEvents() {
    const { node } = this;
    const tell = (event, peer, name, more) => say({ event, peer: hexadecimal(peer), name, ...more });
    const content = (frame) => ({ content: frame === undefined ? [] : [frameOut(frame)] });
    node.on('connect', (peer, name, headers) => {
      this.entered.add(peer);
      tell('ENTER', peer, name, { headers, endpoint: node.getPeer(peer).endpoint });
    });
    node.on('expired', (peer) => this.expired.add(peer));
    node.on('disconnect', (peer, name) => {
      const reason = this.expired.delete(peer) ? { reason: 'expired' } : {};
      if (this.entered.delete(peer)) tell('EXIT', peer, name, reason);
    });
    node.on('join', (peer, name, group) => tell('JOIN', peer, name, { group }));
    node.on('leave', (peer, name, group) => tell('LEAVE', peer, name, { group }));
    node.on('whisper', (peer, name, frame) => {
      if (this.echo) node.whisper(peer, frame);
      else tell('WHISPER', peer, name, content(frame));
    });
    node.on('shout', (peer, name, frame, group) => tell('SHOUT', peer, name, { group, ...content(frame) }));
  }

  peer(command) {
    const peer = identity(command.peer);
    if (!this.entered.has(peer)) throw new Error(`unknown peer ${hexadecimal(peer)}`);
    return peer;
  }

  question(command) {
    const { node } = this;
    const about = () => (this.entered.has(identity(command.peer)) ? node.getPeer(identity(command.peer)) : null);
    switch (command.do) {
      case 'uuid': return this.uuid;
      case 'name': return this.name;
      case 'endpoint': return node._zyreNode._endpoint;
      case 'peers': return Object.keys(node.getPeers()).map(hexadecimal).sort();
      case 'own_groups': return [...node._zyreNode._groups].sort();
      case 'peer_groups': return Object.keys(node.getGroups()).sort();
      case 'peers_by_group': return Object.keys(node.getGroup(command.group) ?? {}).map(hexadecimal).sort();
      case 'peer_address': return about()?.endpoint ?? null;
      case 'peer_name': return about()?.name ?? null;
      case 'peer_headers': return about()?.headers ?? null;
      case 'peer_header_value': return about()?.headers[command.name] ?? null;
      default: throw new Error(`${command.do} is not a command`);
    }
  }

  // Carries out one command; what it answers.
  do(command) {
    const { node } = this;
    const repeated = (send) => {
      for (let times = command.times ?? 1; times > 0; times -= 1) send();
    };
    switch (command.do) {
      case 'join':
        node.join(command.group);
        break;
      case 'leave':
        node.leave(command.group);
        break;
      case 'whisper': {
        const [peer, content] = [this.peer(command), contentIn(command)];
        repeated(() => node.whisper(peer, content));
        break;
      }
      case 'shout': {
        const content = contentIn(command);
        repeated(() => node.shout(command.group, content));
        break;
      }
      case 'stop':
        break;
      default:
        return this.question(command);
    }
    return true;
  }

  // Commands until `stop` or the end of input, then leaves.
  async run() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
      let command = {};
      try {
        const given = JSON.parse(line);
        if (given === null || typeof given !== 'object') throw new Error('a command is an object');
        command = given;
        say({ reply: command.do, value: this.do(command), id: command.id });
      } catch (failure) {
        say({ error: failure.message, do: command.do, id: command.id });
      }
      if (command.do === 'stop') break;
    }
    const late = setTimeout(() => {
      process.stderr.write(`no end of the node for ${PATIENCE_MS} ms\n`);
      process.exit(1);
    }, PATIENCE_MS);
    await this.node.stop();
    clearTimeout(late);
    say({ event: 'STOP', peer: this.uuid, name: this.name });
    // Not by waiting for what zyre.js leaves open.
    process.exit(0);
  }
}

async function main() {
  const value = { type: 'string' };
  const list = { type: 'string', multiple: true, default: [] };
  const { values } = parseArgs({
    options: {
      name: value,
      header: list, // K=V
      group: list, // joined before the first beacon
      interface: value,
      port: value, // UDP port of beacons
      interval: value, // milliseconds between beacons
      evasive: value, // milliseconds
      expired: value, // milliseconds
      echo: { type: 'boolean', default: false },
    },
  });
  const driver = new Driver(values);
  await driver.start();
  await driver.run();
}

main();
