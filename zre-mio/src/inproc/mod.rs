//! `inproc://`: streams between nodes of one process, without a socket.
//!
//! Names are the process's own. Whoever listens at one has a queue of callers; each call makes two ends of a stream,
//! which are two bounded queues of octets, and who has something to do about one of them is told by the driver's bell.

mod end;

use crate::ears::Ringer;
pub(crate) use end::End;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::atomic::{AtomicU64, Ordering},
};

/// Callers that may wait to be let in, as at a socket.
const BACKLOG: usize = 4096;

static NAMES: Mutex<BTreeMap<String, Listening>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What the process knows of a name.
#[derive(Debug)]
struct Listening {
    ringer: Ringer,
    callers: VecDeque<End>,
}

/// A name of the process at which somebody listens; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    name: String,
}

impl Listener {
    /// Listens at that name, or at one that it makes up. Who rings is to tell of callers.
    pub(crate) fn bind(name: Option<&str>, ringer: Ringer) -> io::Result<Self> {
        let mut names = NAMES.lock();
        let name = match name {
            Some(name) => name.to_owned(),
            None => loop {
                let name = format!("zre-{}", NEXT.fetch_add(1, Ordering::Relaxed));
                if !names.contains_key(&name) {
                    break name;
                }
            },
        };
        if names.contains_key(&name) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        names.insert(name.clone(), Listening { ringer, callers: VecDeque::new() });
        Ok(Self { name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The next caller; `WouldBlock` where there is none.
    pub(crate) fn accept(&self) -> io::Result<End> {
        let mut names = NAMES.lock();
        let caller = names.get_mut(&self.name).and_then(|listening| listening.callers.pop_front());
        caller.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let gone = NAMES.lock().remove(&self.name);
        // Callers that nobody let in are cut off, and told: not while the names are locked.
        drop(gone);
    }
}

/// Calls whoever listens at that name.
pub(crate) fn connect(name: &str) -> io::Result<End> {
    let mut names = NAMES.lock();
    let Some(listening) = names.get_mut(name) else { return Err(io::ErrorKind::ConnectionRefused.into()) };
    if listening.callers.len() >= BACKLOG {
        return Err(io::Error::other("too many wait there to be let in"));
    }
    let (ours, theirs) = End::pair();
    listening.callers.push_back(theirs);
    listening.ringer.ring();
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ears::Ears;
    use mio::{Poll, Token};
    use std::io::{IoSlice, Read};

    #[test]
    fn a_name_belongs_to_one_and_is_free_after_it() {
        let poll = Poll::new().unwrap();
        let mut ears = Ears::new(poll.registry().try_clone().unwrap(), Token(0));
        let mut bind = |name: Option<&str>| Listener::bind(name, ears.ringer(Token(1)).unwrap());
        let first = bind(Some("inproc test")).unwrap();
        assert_eq!(bind(Some("inproc test")).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let (some, other) = (bind(None).unwrap(), bind(None).unwrap());
        assert_ne!(some.name(), other.name());
        drop(first);
        let again = bind(Some("inproc test")).unwrap();
        assert_eq!(again.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_caller_is_heard_of_and_cut_off_where_nobody_lets_it_in() {
        assert_eq!(connect("inproc nobody").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let poll = Poll::new().unwrap();
        let mut ears = Ears::new(poll.registry().try_clone().unwrap(), Token(0));
        let listener = Listener::bind(Some("inproc callers"), ears.ringer(Token(1)).unwrap()).unwrap();
        let mut first = connect("inproc callers").unwrap();
        let mut second = connect("inproc callers").unwrap();
        assert_eq!(ears.rung().into_iter().collect::<Vec<_>>(), [Token(1)]);
        first.register(ears.ringer(Token(2)).unwrap());
        second.register(ears.ringer(Token(3)).unwrap());

        let mut inside = listener.accept().unwrap();
        inside.register(ears.ringer(Token(4)).unwrap());
        assert_eq!(first.write_vectored(&[IoSlice::new(b"hel"), IoSlice::new(b"lo")]).unwrap(), 5);
        let mut room = [0; 16];
        assert_eq!((inside.read(&mut room).unwrap(), &room[..5]), (5, &b"hello"[..]));
        ears.rung();
        drop(listener);
        assert_eq!(ears.rung().into_iter().collect::<Vec<_>>(), [Token(3)], "the second was cut off");
        assert_eq!(second.read(&mut room).unwrap(), 0);
        assert_eq!(connect("inproc callers").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first.read(&mut room).unwrap_err().kind(), io::ErrorKind::WouldBlock, "who is in stays in");
    }
}
