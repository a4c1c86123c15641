//! How a driver hears that something can be done: the system's poll, and a bell for what is within the process.

use mio::{Interest, Registry, Token, unix::pipe};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    mem,
    sync::Arc,
};

/// Whoever has something for a driver of the same process rings: in another driver's call, on any thread. (A poll can
/// have one waker only, and that belongs to whoever made the poll. A pipe does the same.)
#[derive(Debug)]
pub(crate) struct Bell {
    wire: pipe::Sender,
    rung: Mutex<BTreeSet<Token>>,
}

impl Bell {
    /// Says that something can be done with what has this token.
    pub(crate) fn ring(&self, token: Token) {
        let mut rung = self.rung.lock();
        let first = rung.is_empty();
        rung.insert(token);
        drop(rung);
        if first {
            // It fails only where the driver is gone, or has been woken already.
            let _ = (&self.wire).write(&[1]);
        }
    }
}

/// Who is to be told of something, and by which token.
#[derive(Debug, Clone)]
pub(crate) struct Ringer {
    bell: Arc<Bell>,
    token: Token,
}

impl Ringer {
    pub(crate) fn ring(&self) {
        self.bell.ring(self.token);
    }
}

/// What a driver registers its sockets with.
#[derive(Debug)]
pub(crate) struct Ears {
    pub(crate) registry: Registry,
    /// The bell's token.
    token: Token,
    /// Made when it is needed: it costs two descriptors.
    bell: Option<(Arc<Bell>, pipe::Receiver)>,
}

impl Ears {
    pub(crate) fn new(registry: Registry, token: Token) -> Self {
        Self { registry, token, bell: None }
    }

    /// For something within the process, which is to have this token.
    pub(crate) fn ringer(&mut self, token: Token) -> io::Result<Ringer> {
        if let Some((bell, _)) = &self.bell {
            return Ok(Ringer { bell: bell.clone(), token });
        }
        let (wire, mut receiver) = pipe::new()?;
        self.registry.register(&mut receiver, self.token, Interest::READABLE)?;
        let bell = Arc::new(Bell { wire, rung: Mutex::new(BTreeSet::new()) });
        self.bell = Some((bell.clone(), receiver));
        Ok(Ringer { bell, token })
    }

    /// Whether there is anything within the process to listen to.
    pub(crate) fn has_bell(&self) -> bool {
        self.bell.is_some()
    }

    /// The tokens for which it rang.
    pub(crate) fn rung(&mut self) -> BTreeSet<Token> {
        let Some((bell, receiver)) = &mut self.bell else { return BTreeSet::new() };
        // In this order: who rings after it has been emptied wakes the poll anew.
        let mut wire = [0; 64];
        while matches!(receiver.read(&mut wire), Ok(1..)) {}
        mem::take(&mut *bell.rung.lock())
    }

    pub(crate) fn deregister(&mut self) {
        if let Some((_, receiver)) = &mut self.bell {
            let _ = self.registry.deregister(receiver);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::{thread, time::Duration};

    #[test]
    fn whoever_rings_wakes_the_poll_each_time() {
        let mut poll = Poll::new().unwrap();
        let mut ears = Ears::new(poll.registry().try_clone().unwrap(), Token(7));
        assert!(ears.rung().is_empty());
        let (one, two) = (ears.ringer(Token(1)).unwrap(), ears.ringer(Token(2)).unwrap());
        let mut events = Events::with_capacity(8);
        for _ in 0..100 {
            let (one, two) = (one.clone(), two.clone());
            let ringing = thread::spawn(move || {
                one.ring();
                two.ring();
                one.ring();
            });
            let mut heard = BTreeSet::new();
            while heard.len() < 2 {
                poll.poll(&mut events, Some(Duration::from_secs(30))).unwrap();
                assert!(events.iter().any(|event| event.token() == Token(7)), "nobody rang in time");
                heard.append(&mut ears.rung());
            }
            ringing.join().unwrap();
            ears.rung();
        }
    }
}
