//! Events that wait for the application.

use crate::{content::Content, event::Event, id::PeerId};
use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use core::fmt;

/// Events in their order, in hardly more room than they took on the wire.
///
/// An [`Event`] is large beside the ten octets that a whisper can be, so a peer that sends many small ones to an application
/// that does not look would make a node hold ten times what it sent. Here they are packed: a small message is its octets and
/// a few more; ENTER, EXIT and the like, of which there are few, are kept as they are. A driver that keeps events for its application does well to keep them in one of these.
///
/// ```
/// use zre_engine::{Event, EventQueue};
///
/// let mut queue = EventQueue::default();
/// queue.push(Event::Stop);
/// assert_eq!(queue.len(), 1);
/// assert_eq!(queue.pop(), Some(Event::Stop));
/// assert_eq!(queue.pop(), None);
/// ```
#[derive(Default)]
pub struct EventQueue {
    len: usize,
    /// Packed events, oldest first; each of these goes on where the one before it ends.
    head: Bytes,
    blocks: VecDeque<Bytes>,
    tail: BytesMut,
    /// Those that are not packed, and long frames and names of those that are.
    others: VecDeque<Event>,
    frames: VecDeque<Bytes>,
    names: VecDeque<Arc<str>>,
    peers: Names<(PeerId, Arc<str>)>,
    groups: Names<Arc<str>>,
    /// How many octets were put in since the memory for them was new.
    packed: usize,
}

/// A queue that is empty gives its memory back after so many octets.
const KEEP: usize = 16 << 10;

/// From this length on a frame is kept as it is; and a group's name, which the node has as well while a peer is in it.
const LONG: usize = 256;
const LONG_NAME: usize = 48;

/// Packed events are sealed from this length on where there is no room for another: so what is packed grows without being
/// moved, and with hardly any room to spare.
const BLOCK: usize = 16 << 10;
const ROOM: usize = 512;

/// The first octet of an event.
const OTHER: u8 = 0;
const WHISPER: u8 = 1;
const SHOUT: u8 = 2;
const JOIN: u8 = 3;
const LEAVE: u8 = 4;
const LEADER: u8 = 5;

/// How it is packed depends on when events were taken out, and is nobody's business.
impl fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventQueue").field("len", &self.len).finish_non_exhaustive()
    }
}

impl EventQueue {
    /// Adds an event at the end.
    pub fn push(&mut self, event: Event) {
        let before = self.tail.len();
        self.pack(event);
        self.len += 1;
        self.packed += self.tail.len() - before;
        if self.tail.len() >= BLOCK && self.tail.capacity() - self.tail.len() < ROOM {
            self.blocks.push_back(core::mem::take(&mut self.tail).freeze());
        }
    }

    fn pack(&mut self, event: Event) {
        match event {
            Event::Whisper { peer, name, content } => {
                self.begin(WHISPER, (peer, name));
                self.put_content(&content);
            }
            Event::Shout { peer, name, group, content } => {
                self.begin(SHOUT, (peer, name));
                // One of the node's own groups: there are few.
                let group = self.groups.hold(group);
                put_number(&mut self.tail, group);
                self.put_content(&content);
            }
            Event::Join { peer, name, group } => {
                self.begin(JOIN, (peer, name));
                self.put_name(group);
            }
            Event::Leave { peer, name, group } => {
                self.begin(LEAVE, (peer, name));
                self.put_name(group);
            }
            Event::Leader { peer, name, group } => {
                self.begin(LEADER, (peer, name));
                self.put_name(group);
            }
            other => {
                self.tail.put_u8(OTHER);
                self.others.push_back(other);
                self.packed += size_of::<Event>();
            }
        }
    }

    /// Takes the first event.
    pub fn pop(&mut self) -> Option<Event> {
        let event = self.unpack();
        if self.len == 0 && self.packed > KEEP {
            (self.head, self.blocks, self.tail) = (Bytes::new(), VecDeque::new(), BytesMut::new());
            (self.others, self.frames, self.names) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
            self.packed = 0;
        }
        event
    }

    fn unpack(&mut self) -> Option<Event> {
        if self.head.is_empty() {
            // Before the rest of it is used again, nobody may hold what was split off.
            self.head = Bytes::new();
            self.head = self.blocks.pop_front().unwrap_or_else(|| self.tail.split().freeze());
        }
        self.len = self.len.checked_sub(1)?;
        let kind = self.head.try_get_u8().ok()?;
        if kind == OTHER {
            return self.others.pop_front();
        }
        let peer = get_number(&mut self.head)?;
        let (peer, name) = self.peers.release(peer)?;
        Some(match kind {
            WHISPER => Event::Whisper { peer, name, content: self.get_content()? },
            SHOUT => {
                let group = get_number(&mut self.head)?;
                let group = self.groups.release(group)?;
                Event::Shout { peer, name, group, content: self.get_content()? }
            }
            JOIN => Event::Join { peer, name, group: self.get_name()? },
            LEADER => Event::Leader { peer, name, group: self.get_name()? },
            _ => Event::Leave { peer, name, group: self.get_name()? },
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn begin(&mut self, kind: u8, peer: (PeerId, Arc<str>)) {
        self.tail.put_u8(kind);
        let peer = self.peers.hold(peer);
        put_number(&mut self.tail, peer);
    }

    fn put_name(&mut self, name: Arc<str>) {
        if name.len() < LONG_NAME {
            put_octets(&mut self.tail, name.as_bytes());
        } else {
            put_number(&mut self.tail, LONG_NAME);
            self.names.push_back(name);
        }
    }

    fn get_name(&mut self) -> Option<Arc<str>> {
        let length = get_number(&mut self.head)?;
        if length == LONG_NAME {
            return self.names.pop_front();
        }
        // It was text when it was put in.
        let name = core::str::from_utf8(self.head.get(..length)?).ok().map(Arc::from);
        self.head.advance(length);
        name
    }

    fn put_content(&mut self, content: &Content) {
        put_number(&mut self.tail, content.len());
        for frame in content {
            // Long ones are told by a length that no short one has.
            if frame.len() < LONG {
                put_octets(&mut self.tail, frame);
            } else {
                put_number(&mut self.tail, LONG);
                self.frames.push_back(frame.clone());
            }
        }
    }

    fn get_content(&mut self) -> Option<Content> {
        let count = get_number(&mut self.head)?;
        (0..count)
            .map(|_| match get_number(&mut self.head)? {
                LONG => self.frames.pop_front(),
                length => {
                    let frame = Bytes::copy_from_slice(self.head.get(..length)?);
                    self.head.advance(length);
                    Some(frame)
                }
            })
            .collect()
    }
}

/// Things that many events have in common, each kept once for as long as one of them waits.
#[derive(Debug)]
struct Names<K> {
    slots: Vec<Option<(K, usize)>>,
    places: BTreeMap<K, usize>,
    free: Vec<usize>,
    /// How many are not used by any event, and stay for the next.
    idle: usize,
}

/// So many may be idle, or half of all: to forget them at once would cost memory to be asked for with each event.
const IDLE: usize = 32;

impl<K> Default for Names<K> {
    fn default() -> Self {
        Self { slots: Vec::new(), places: BTreeMap::new(), free: Vec::new(), idle: 0 }
    }
}

impl<K: Ord + Clone> Names<K> {
    /// The number of a thing that one event more has.
    fn hold(&mut self, name: K) -> usize {
        if let Some(place) = self.places.get(&name) {
            if let Some(Some((_, count))) = self.slots.get_mut(*place) {
                self.idle -= usize::from(*count == 0);
                *count += 1;
            }
            return *place;
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[place] = Some((name.clone(), 1));
        self.places.insert(name, place);
        place
    }

    /// The thing of this number, which one event less has.
    fn release(&mut self, place: usize) -> Option<K> {
        let (name, count) = self.slots.get_mut(place)?.as_mut()?;
        let name = name.clone();
        *count = count.checked_sub(1)?;
        self.idle += usize::from(*count == 0);
        if self.idle > IDLE.max(self.places.len() / 2) {
            self.forget_idle();
        }
        Some(name)
    }

    fn forget_idle(&mut self) {
        for (place, slot) in self.slots.iter_mut().enumerate() {
            if let Some((name, _)) = slot.take_if(|(_, count)| *count == 0) {
                self.places.remove(&name);
                self.free.push(place);
            }
        }
        self.idle = 0;
        if self.places.is_empty() {
            *self = Self::default();
        }
    }
}

/// Seven bits in each octet, the lowest first; the eighth says that more follow.
fn put_number(out: &mut BytesMut, number: usize) {
    let mut rest = number;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn get_number(octets: &mut Bytes) -> Option<usize> {
    let mut number = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let octet = octets.try_get_u8().ok()?;
        number |= usize::from(octet & 0x7F) << shift;
        if octet < 0x80 {
            break;
        }
    }
    Some(number)
}

fn put_octets(out: &mut BytesMut, octets: &[u8]) {
    put_number(out, octets.len());
    out.put_slice(octets);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ExitReason;
    use proptest::{collection::vec, prelude::*};

    fn event() -> impl Strategy<Value = Event> {
        let content = vec(prop_oneof![vec(any::<u8>(), 0..5), vec(any::<u8>(), 250..300)], 0..4)
            .prop_map(|frames| frames.into_iter().map(Bytes::from).collect::<Content>());
        let long = "a name that is long enough not to be packed among the others";
        let name =
            move |text: &'static str| prop_oneof![Just(text), Just("été"), Just(long)].prop_map(Arc::<str>::from);
        (
            0u8..7,
            any::<u8>().prop_map(|number| PeerId::from_octets([number % 90; 16])),
            name("ann"),
            name("chat"),
            content,
        )
            .prop_map(|(kind, peer, name, group, content)| match kind {
                0 | 1 => Event::Whisper { peer, name, content },
                2 | 3 => Event::Shout { peer, name, group, content },
                4 => Event::Join { peer, name, group },
                5 => Event::Leave { peer, name, group },
                _ => Event::Exit { peer, name, reason: ExitReason::Left, unsent: content.len() },
            })
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in(steps in vec((event(), any::<bool>()), 0..200)) {
            let (mut queue, mut plain) = (EventQueue::default(), VecDeque::new());
            for (event, pops) in steps {
                queue.push(event.clone());
                plain.push_back(event);
                if pops {
                    prop_assert_eq!(queue.pop(), plain.pop_front());
                }
                prop_assert_eq!(queue.len(), plain.len());
            }
            while let Some(event) = plain.pop_front() {
                prop_assert_eq!(queue.pop(), Some(event));
            }
            prop_assert_eq!((queue.pop(), queue.is_empty()), (None, true));
            prop_assert!(queue.peers.idle == queue.peers.places.len() && queue.peers.places.len() <= IDLE.max(90));
        }

        #[test]
        fn numbers_come_back(number in prop_oneof![any::<usize>(), 0..300usize]) {
            let mut octets = BytesMut::new();
            put_number(&mut octets, number);
            prop_assert_eq!(get_number(&mut octets.freeze()), Some(number));
        }
    }

    #[test]
    fn names_that_nothing_has_any_more_are_forgotten() {
        let mut queue = EventQueue::default();
        for number in 0..100_000u32 {
            let peer = PeerId::from(uuid::Uuid::from_u128(number.into()));
            queue.push(Event::Whisper { peer, name: "one of many".into(), content: Content::new() });
            assert_eq!(queue.pop().and_then(|event| event.peer()), Some(peer));
            assert!(queue.peers.slots.len() <= 2 * IDLE);
        }
    }
}
