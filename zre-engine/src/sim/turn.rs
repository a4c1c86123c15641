//! One thing at a time: whose turn it is, and what its node and its application make of it.

use super::{Drain, Sim, host::State, life::Call, trace::What, watch::Rule};
use crate::{
    ConnId, Event, InputError,
    app::{App, Deed},
};

impl<A: App> Sim<A> {
    /// Lets the next thing happen, if it does by `end`.
    pub(super) fn step(&mut self, end: u64) -> bool {
        let Some((at, node)) = self.agenda.first().filter(|(at, _)| *at <= end) else { return false };
        self.now = self.now.max(at);
        if node < self.hosts.len() {
            self.turn(node);
            self.look(node);
        } else {
            self.hostile_turn(node);
        }
        self.heed();
        true
    }

    fn turn(&mut self, node: usize) {
        let now = self.now;
        let host = &mut self.hosts[node];
        if host.inbox.peek().is_some_and(|arrival| arrival.at <= now) && host.state != State::Paused {
            if let Some(arrival) = host.pop() {
                self.arrive(node, arrival.packet);
            }
            return self.settle(node);
        }
        if host.state != State::Up {
            return self.settle(node);
        }
        let own = host.clock.own(now);
        if host.node.poll_timeout().is_some_and(|deadline| deadline.at <= own) {
            self.tell(node, Call::Timeout);
            let next = self.hosts[node].node.poll_timeout();
            if let Some(next) = next.filter(|next| next.at <= own) {
                let what = format!("after Timeout at {own} the next deadline is {} ({:?})", next.at, next.why);
                self.violated(Rule::Contract, Some(node), what);
            }
            if self.spins(node) {
                return self.crash(node);
            }
        }
        let host = &mut self.hosts[node];
        if host.runner_due().is_some_and(|at| at <= own) {
            host.runner.timeout(&mut host.node, own);
            self.after_app(node);
        }
        while let Some((_, conn, socket)) = self.hosts[node].closing.front().copied().filter(|(at, ..)| *at <= now) {
            self.hosts[node].closing.pop_front();
            self.give_up(node, conn, socket);
        }
        self.settle(node);
    }

    /// Whether a node's clock is due all the time: later each time, as the contract has it, but time would not go on.
    fn spins(&mut self, node: usize) -> bool {
        // Each peer may have come in the same millisecond as all others, and have its clocks.
        let most = 1000 + 20 * self.hosts.len();
        let millisecond = self.now / 1_000_000;
        let (last, count) = self.hosts[node].timeouts;
        let count = if last == millisecond { count + 1 } else { 1 };
        self.hosts[node].timeouts = (millisecond, count);
        if count > most {
            self.violated(Rule::Contract, Some(node), format!("{count} Timeouts within a millisecond: it spins"));
        }
        count > most
    }

    /// Makes a call to a node, as its driver. What it answers to a connection that came in is returned.
    pub(super) fn tell(&mut self, node: usize, call: Call) -> Option<ConnId> {
        let host = &mut self.hosts[node];
        let own = host.clock.own(self.now);
        let answer = call.make(&mut host.node, own);
        let call = match (call, &answer) {
            (Call::Accept(from, local, _), Ok(conn)) => Call::Accept(from, local, *conn),
            (Call::AcceptClient(from, local, _), Ok(conn)) => Call::AcceptClient(from, local, *conn),
            (call, _) => call,
        };
        let error = match answer {
            Ok(conn) => {
                if let Some(life) = &mut host.life {
                    life.calls.push((own, call));
                }
                return conn;
            }
            Err(error) => error,
        };
        // A node that stops takes no connections; one that has closed a connection need not have been heard yet.
        if !error.is_no_mistake() {
            let what = format!("a driver that keeps the rules got an error, {error}, for {call:?}");
            self.violated(Rule::Contract, Some(node), what);
        }
        if let Some(life) = &mut self.hosts[node].life {
            life.calls.push((own, call));
        }
        None
    }

    /// Carries out what a node wants and hands on what it tells, until there is nothing more.
    pub(super) fn settle(&mut self, node: usize) {
        // Who sleeps, or is gone, does nothing; a sleeper when it wakes.
        while self.hosts[node].state == State::Up {
            self.drain_node(node);
            if let Some(event) = self.events.pop_front() {
                self.hand_on(node, event);
            } else if let Some(action) = self.actions.pop_front() {
                self.carry_out(node, action);
            } else if let Some(socket) = self.hosts[node].readable.pop_front() {
                self.read(node, socket);
            } else {
                break;
            }
        }
        if self.hosts[node].stopped && self.hosts[node].lives() && self.hosts[node].closing.is_empty() {
            self.process_ends(node);
        }
        let due = self.hosts[node].due();
        self.agenda.set(node, due);
    }

    fn drain_node(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        // What its application does not look at waits in the node.
        let hears = !host.slow;
        let engine = &mut host.node;
        match self.drain {
            Drain::EventsFirst => {
                if hears {
                    self.events.extend(std::iter::from_fn(|| engine.poll_event()));
                }
                self.actions.extend(std::iter::from_fn(|| engine.poll_action()));
            }
            Drain::ActionsFirst => {
                self.actions.extend(std::iter::from_fn(|| engine.poll_action()));
                if hears {
                    self.events.extend(std::iter::from_fn(|| engine.poll_event()));
                }
            }
            Drain::Alternating => loop {
                let action = engine.poll_action();
                let event = if hears { engine.poll_event() } else { None };
                if action.is_none() && event.is_none() {
                    break;
                }
                self.actions.extend(action);
                self.events.extend(event);
            },
        }
    }

    /// The application hears of an event, and does what it does about it.
    fn hand_on(&mut self, node: usize, event: Event) {
        let octets = event.octets();
        self.note_event(node, &event);
        if event == Event::Stop {
            self.hosts[node].stopped = true;
        }
        let host = &mut self.hosts[node];
        let own = host.clock.own(self.now);
        host.runner.event(&mut host.node, own, event);
        self.after_app(node);
        self.tell(node, Call::Consumed(octets));
    }

    fn note_event(&mut self, node: usize, event: &Event) {
        self.digest.word(self.now);
        self.digest.word(node as u64);
        self.digest.octets(event.kind().as_bytes());
        if let Some(peer) = event.peer() {
            self.digest.octets(peer.as_octets());
        }
        self.digest.octets(event.group().unwrap_or_default().as_bytes());
        event.content().into_iter().flatten().for_each(|frame| self.digest.octets(frame));
        if let Some(trace) = &mut self.trace {
            trace.push(self.now, node, What::Event(event.clone()));
        }
        self.watch.event(self.now, node, event);
    }

    /// Writes down what an application has just done.
    pub(super) fn after_app(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let own = host.clock.own(self.now);
        for deed in host.runner.take_journal() {
            // What has happened to the node, and its application does not know yet.
            let waits = host.slow || host.state == State::Paused || !self.events.is_empty();
            self.watch.deed(self.now, node, &deed, host.slow, waits);
            if let Deed::Whisper { peer, content, sent: false } = &deed
                && content.len() <= host.node.limits().frames
                && content.octets() <= host.node.limits().message
            {
                self.watch.refused(node, *peer);
            }
            let call = Call::from(deed);
            if let Some(trace) = &mut self.trace {
                trace.push(self.now, node, What::Call(call.clone()));
            }
            if let Some(life) = &mut host.life {
                life.calls.push((own, call));
            }
        }
    }

    /// Looks at the invariants that need the whole cluster: its own, and the user's.
    fn look(&mut self, node: usize) {
        self.check_queues(node);
        for index in 0..self.checks.len() {
            // Out of its place for as long as it looks at the rest.
            let Some(mut check) = self.checks[index].1.take() else { continue };
            if let Err(what) = check(self) {
                let name = self.checks[index].0.clone();
                self.violated(Rule::Yours(name), None, what);
            }
            self.checks[index].1 = Some(check);
        }
    }

    pub(super) fn violated(&mut self, rule: Rule, node: Option<usize>, what: String) {
        self.watch.violated(self.now, rule, node, what);
    }

    /// Panics when something is wrong, unless the user wants to go on.
    pub(super) fn heed(&self) {
        if let Some(violation) = self.watch.to_heed() {
            panic!("{violation}\nseed {}, after {:?}: run it again with the same seed", self.seed, self.now());
        }
    }
}

impl super::life::CallError {
    /// What a driver may meet that makes no mistake.
    fn is_no_mistake(&self) -> bool {
        matches!(self, Self::Input(InputError::UnknownConnection) | Self::Accept(_))
    }
}
