//! Names of hosts become addresses, without holding up the driver.

use crate::log::debug;
use mio::{Interest, Registry, Token, unix::pipe};
use std::{
    collections::VecDeque,
    fmt::Display,
    io::{self, Read, Write},
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, mpsc},
    thread,
};

/// Look-ups at a time; more wait for one of these.
const AT_ONCE: usize = 4;

/// What a look-up brought.
pub(crate) type Answer<K> = (K, io::Result<Vec<SocketAddr>>);

/// A thread for each look-up, since the system's resolver blocks. They report through a channel, and a pipe that wakes
/// the caller's poll. What the addresses are for is the caller's own (`K`).
#[derive(Debug)]
pub(crate) struct Resolver<K> {
    bell: Option<(Arc<pipe::Sender>, pipe::Receiver)>,
    told: (mpsc::Sender<Answer<K>>, mpsc::Receiver<Answer<K>>),
    running: usize,
    waiting: VecDeque<(K, String, u16)>,
}

impl<K: Copy + Display + Send + 'static> Resolver<K> {
    pub(crate) fn new() -> Self {
        Self { bell: None, told: mpsc::channel(), running: 0, waiting: VecDeque::new() }
    }

    /// Begins a look-up.
    pub(crate) fn ask(&mut self, registry: &Registry, token: Token, key: K, host: String, port: u16) -> io::Result<()> {
        if self.bell.is_none() {
            let (sender, mut receiver) = pipe::new()?;
            registry.register(&mut receiver, token, Interest::READABLE)?;
            self.bell = Some((Arc::new(sender), receiver));
        }
        self.waiting.push_back((key, host, port));
        match self.go_on() {
            Err(error) if self.running == 0 => {
                self.waiting.clear();
                Err(error)
            }
            // Without a thread for it now, it has its turn after one that is at work.
            _ => Ok(()),
        }
    }

    /// The look-ups that are done.
    pub(crate) fn answers(&mut self) -> Vec<Answer<K>> {
        if let Some((_, receiver)) = &mut self.bell {
            let mut rung = [0; 64];
            while matches!(receiver.read(&mut rung), Ok(1..)) {}
        }
        let mut answers: Vec<Answer<K>> = self.told.1.try_iter().collect();
        self.running -= answers.len();
        while let Err(error) = self.go_on() {
            if self.running > 0 {
                break;
            }
            let Some((key, ..)) = self.waiting.pop_front() else { break };
            answers.push((key, Err(error)));
        }
        answers
    }

    fn go_on(&mut self) -> io::Result<()> {
        while self.running < AT_ONCE
            && let Some((key, host, port)) = self.waiting.front().cloned()
            && let Some((bell, _)) = &self.bell
        {
            let (bell, told) = (bell.clone(), self.told.0.clone());
            thread::Builder::new().name("zre-resolver".into()).spawn(move || {
                let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
                debug!("{key}: {host} is {found:?}");
                // Both fail only where the driver is gone, or has been rung for already.
                let _ = told.send((key, found));
                let _ = (&*bell).write(&[1]);
            })?;
            self.waiting.pop_front();
            self.running += 1;
        }
        Ok(())
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) {
        if let Some((_, receiver)) = &mut self.bell {
            let _ = registry.deregister(receiver);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::time::Duration;

    #[test]
    fn a_name_becomes_addresses_and_the_poll_is_woken() {
        let mut poll = Poll::new().unwrap();
        let mut resolver = Resolver::new();
        for port in 1..=6 {
            let host = "localhost".to_owned();
            resolver.ask(poll.registry(), Token(7), port, host, port).unwrap();
        }
        assert_eq!((resolver.running, resolver.waiting.len()), (AT_ONCE, 2));

        let mut ports = Vec::new();
        let mut events = Events::with_capacity(8);
        while ports.len() < 6 {
            poll.poll(&mut events, Some(Duration::from_secs(30))).unwrap();
            assert!(!events.is_empty(), "no answer in time");
            for (_, answer) in resolver.answers() {
                let addresses = answer.unwrap();
                assert!(addresses[0].ip().is_loopback());
                ports.push(addresses[0].port());
            }
        }
        ports.sort_unstable();
        assert_eq!(ports, [1, 2, 3, 4, 5, 6]);
        assert_eq!((resolver.running, resolver.waiting.len()), (0, 0));
    }
}
