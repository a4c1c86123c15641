//! Events that wait for the application.

mod names;

use crate::{blocks::Blocks, content::Content, event::Event, id::PeerId};
use alloc::{collections::VecDeque, sync::Arc};
use bytes::Bytes;
use core::fmt;
use names::Names;

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
pub struct EventQueue {
    len: usize,
    /// What they count for together.
    octets: usize,
    /// Packed events, oldest first; each of these goes on where the one before it ends.
    head: Bytes,
    /// How much of the head has been read.
    read: usize,
    blocks: VecDeque<Bytes>,
    tail: Blocks,
    /// Those that are not packed, and long frames and names of those that are.
    others: VecDeque<Event>,
    frames: VecDeque<Bytes>,
    names: VecDeque<Arc<str>>,
    peers: Names<(PeerId, Arc<str>)>,
    groups: Names<Arc<str>>,
    /// How many octets were put in since it was empty.
    packed: usize,
}

/// From this length on a frame is kept as it is; what is shorter does not keep more than itself in memory while it waits.
pub(crate) const LONG: usize = 4 << 10;
/// The same for the name of a group, which the node has as well while a peer is in it.
const LONG_NAME: usize = 48;

/// The blocks of packed events, and how many are kept while there are none.
const BLOCK: usize = 32 << 10;
const SPARE_BLOCKS: usize = 8;

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

impl Default for EventQueue {
    fn default() -> Self {
        Self {
            len: 0,
            octets: 0,
            head: Bytes::new(),
            read: 0,
            blocks: VecDeque::new(),
            tail: Blocks::new(BLOCK, SPARE_BLOCKS),
            others: VecDeque::new(),
            frames: VecDeque::new(),
            names: VecDeque::new(),
            peers: Names::default(),
            groups: Names::default(),
            packed: 0,
        }
    }
}

impl EventQueue {
    /// Adds an event at the end.
    pub fn push(&mut self, event: Event) {
        let octets = event.octets();
        match event {
            Event::Whisper { peer, name, content } => self.push_message(peer, &name, None, content),
            Event::Shout { peer, name, group, content } => self.push_message(peer, &name, Some(&group), content),
            Event::Join { peer, name, group } => self.push_change(JOIN, peer, &name, group, octets),
            Event::Leave { peer, name, group } => self.push_change(LEAVE, peer, &name, group, octets),
            Event::Leader { peer, name, group } => self.push_change(LEADER, peer, &name, group, octets),
            other => {
                self.room_for(1);
                self.tail.extend(&[OTHER]);
                self.others.push_back(other);
                self.packed += size_of::<Event>();
                self.added(octets);
            }
        }
    }

    /// Adds a WHISPER or, with a group, a SHOUT.
    pub(crate) fn push_message(&mut self, peer: PeerId, name: &Arc<str>, group: Option<&Arc<str>>, content: Content) {
        let mut words = Words::new(if group.is_some() { SHOUT } else { WHISPER });
        words.number(self.peers.hold_peer(peer, name));
        if let Some(group) = group {
            // One of the node's own groups: there are few.
            words.number(self.groups.hold_group(group));
        }
        words.number(content.len());
        self.added(Event::octets_of_message(content.len(), content.octets()));
        if let [frame] = &content[..]
            && frame.len() < LONG
        {
            words.number(frame.len());
            self.room_for(words.len + frame.len());
            words.flush(&mut self.tail);
            self.tail.extend(frame);
            return;
        }
        let packed = |length: usize| number_len(length.min(LONG)) + if length < LONG { length } else { 0 };
        self.room_for(words.len + content.iter().map(|frame| packed(frame.len())).sum::<usize>());
        for frame in content {
            // Long ones are told by a length that no short one has.
            words.number(frame.len().min(LONG));
            words.flush(&mut self.tail);
            if frame.len() < LONG {
                self.tail.extend(&frame);
            } else {
                self.frames.push_back(frame);
            }
        }
        words.flush(&mut self.tail);
    }

    /// Sees to it that short messages of a peer can be added, until [`EventQueue::end_short`].
    pub(crate) fn begin_short(&mut self, peer: PeerId, name: &Arc<str>) -> Sender {
        Sender { place: self.peers.hold_peer(peer, name), count: 0 }
    }

    /// Adds a WHISPER or SHOUT of one short frame, which is copied from where it lies. Returns what the event counts for.
    #[inline]
    pub(crate) fn push_short(&mut self, sender: &mut Sender, group: Option<&Arc<str>>, octets: &[u8]) -> usize {
        debug_assert!(octets.len() < LONG);
        let counts_for = Event::octets_of_message(1, octets.len());
        sender.count += 1;
        self.added(counts_for);
        // As most are.
        if group.is_none() && sender.place < 0x80 && octets.len() < 0x80 {
            self.room_for(4 + octets.len());
            self.tail.extend(&[WHISPER, sender.place as u8, 1, octets.len() as u8]);
            self.tail.extend(octets);
            return counts_for;
        }
        let mut words = Words::new(if group.is_some() { SHOUT } else { WHISPER });
        words.number(sender.place);
        if let Some(group) = group {
            words.number(self.groups.hold_group(group));
        }
        words.number(1);
        words.number(octets.len());
        self.room_for(words.len + octets.len());
        words.flush(&mut self.tail);
        self.tail.extend(octets);
        counts_for
    }

    pub(crate) fn end_short(&mut self, sender: Sender) {
        self.peers.hold_more(sender.place, sender.count);
        let _ = self.peers.release(sender.place);
    }

    fn push_change(&mut self, kind: u8, peer: PeerId, name: &Arc<str>, group: Arc<str>, octets: usize) {
        let mut words = Words::new(kind);
        words.number(self.peers.hold_peer(peer, name));
        words.number(group.len().min(LONG_NAME));
        self.room_for(words.len + if group.len() < LONG_NAME { group.len() } else { 0 });
        words.flush(&mut self.tail);
        if group.len() < LONG_NAME {
            self.tail.extend(group.as_bytes());
        } else {
            self.names.push_back(group);
        }
        self.added(octets);
    }

    #[inline]
    fn added(&mut self, octets: usize) {
        self.len += 1;
        self.octets += octets;
    }

    /// Sees to it that so many octets more find room where they are not moved any more.
    #[inline]
    fn room_for(&mut self, octets: usize) {
        self.packed += octets;
        if !self.tail.has_room_for(octets) {
            self.begin_block(octets);
        }
    }

    #[cold]
    fn begin_block(&mut self, octets: usize) {
        if self.read == self.head.len() {
            // What was read to its end may be in the way of using its memory again.
            self.drop_head();
        }
        self.blocks.extend(self.tail.room_for(octets));
    }

    fn drop_head(&mut self) {
        self.tail.give_back(core::mem::take(&mut self.head));
        self.read = 0;
    }

    /// Takes the first event.
    #[inline]
    pub fn pop(&mut self) -> Option<Event> {
        self.len = self.len.checked_sub(1)?;
        if self.read == self.head.len() {
            self.next_block();
        }
        // As most are. It is made where it is to be, and nothing is done after that: an event is large, and to move it takes
        // longer than all of this.
        if let Some(&[WHISPER, place @ 0..0x80, 1, length @ 0..0x80]) = self.rest_of_head().first_chunk()
            && self.len > 0
        {
            self.read += 4;
            let frame = self.frame_of(length.into())?;
            self.octets -= Event::octets_of_message(1, length.into());
            let (peer, name) = self.peers.release(place.into())?;
            return Some(Event::Whisper { peer: *peer, name: name.clone(), content: frame.into() });
        }
        self.pop_any()
    }

    fn pop_any(&mut self) -> Option<Event> {
        let event = self.unpack()?;
        self.octets -= event.octets();
        if self.len == 0 {
            self.rest();
        }
        Some(event)
    }

    /// It is empty. After a long queue its memory is kept, for the next; after short ones less and less of it.
    fn rest(&mut self) {
        self.drop_head();
        self.peers.tidy();
        self.groups.tidy();
        self.tail.rest(core::mem::take(&mut self.packed));
        fn shrink<T>(queue: &mut VecDeque<T>) {
            if queue.capacity() > 64 {
                *queue = VecDeque::new();
            }
        }
        shrink(&mut self.others);
        shrink(&mut self.names);
        shrink(&mut self.frames);
        shrink(&mut self.blocks);
    }

    #[cold]
    fn next_block(&mut self) {
        self.drop_head();
        self.head = self.blocks.pop_front().or_else(|| self.tail.close()).unwrap_or_default();
    }

    fn unpack(&mut self) -> Option<Event> {
        let kind = *self.rest_of_head().first()?;
        self.read += 1;
        if kind == OTHER {
            return self.others.pop_front();
        }
        let place = self.number()?;
        let (peer, name) = self.peers.release(place)?.clone();
        Some(match kind {
            WHISPER => Event::Whisper { peer, name, content: self.content()? },
            SHOUT => {
                let place = self.number()?;
                let group = self.groups.release(place)?.clone();
                Event::Shout { peer, name, group, content: self.content()? }
            }
            JOIN => Event::Join { peer, name, group: self.group()? },
            LEADER => Event::Leader { peer, name, group: self.group()? },
            _ => Event::Leave { peer, name, group: self.group()? },
        })
    }

    fn content(&mut self) -> Option<Content> {
        let count = self.number()?;
        if count == 1 {
            return self.frame().map(Content::from);
        }
        let mut content = Content::new();
        for _ in 0..count {
            content.push(self.frame()?);
        }
        Some(content)
    }

    #[inline]
    fn frame(&mut self) -> Option<Bytes> {
        match self.number()? {
            LONG => self.frames.pop_front(),
            length => self.frame_of(length),
        }
    }

    fn group(&mut self) -> Option<Arc<str>> {
        match self.number()? {
            LONG_NAME => self.names.pop_front(),
            length => {
                let name = self.frame_of(length)?;
                // It was text when it was put in.
                core::str::from_utf8(&name).ok().map(Arc::from)
            }
        }
    }

    #[inline]
    fn rest_of_head(&self) -> &[u8] {
        self.head.get(self.read..).unwrap_or_default()
    }

    #[inline]
    fn frame_of(&mut self, count: usize) -> Option<Bytes> {
        if count > self.rest_of_head().len() {
            return None;
        }
        let from = self.read;
        self.read += count;
        Some(self.head.slice(from..self.read))
    }

    #[inline]
    fn number(&mut self) -> Option<usize> {
        let (number, length) = get_number(self.rest_of_head())?;
        self.read += length;
        Some(number)
    }

    /// Moves all events of another queue to the end of this one. Into an empty one that is no work at all.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            core::mem::swap(self, other);
        }
        while let Some(event) = other.pop() {
            self.push(event);
        }
    }

    /// Whether all of them are messages, JOIN, LEAVE or LEADER.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.others.is_empty()
    }

    /// What they count for together ([`Event::octets`]).
    #[inline]
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Who sends several short messages, of which so many are added.
pub(crate) struct Sender {
    place: usize,
    count: usize,
}

/// The most octets that a number takes.
const NUMBER: usize = usize::BITS.div_ceil(7) as usize;

/// How many octets a number takes.
fn number_len(number: usize) -> usize {
    (usize::BITS - number.leading_zeros()).max(1).div_ceil(7) as usize
}

/// Octets and numbers of one event, put together before they are copied.
struct Words {
    octets: [u8; 1 + 4 * NUMBER],
    len: usize,
}

impl Words {
    fn new(kind: u8) -> Self {
        let mut octets = [0; 1 + 4 * NUMBER];
        octets[0] = kind;
        Self { octets, len: 1 }
    }

    /// Seven bits in each octet, the lowest first; the eighth says that more follow.
    #[inline]
    fn number(&mut self, number: usize) {
        let mut rest = number;
        while rest >= 0x80 {
            self.octet(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.octet(rest as u8);
    }

    #[inline]
    fn octet(&mut self, octet: u8) {
        if let Some(place) = self.octets.get_mut(self.len) {
            *place = octet;
            self.len += 1;
        }
    }

    #[inline]
    fn flush(&mut self, out: &mut Blocks) {
        out.extend(&self.octets[..self.len]);
        self.len = 0;
    }
}

/// A number, and how many octets it took.
#[inline]
fn get_number(octets: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0;
    for (at, octet) in octets.iter().enumerate().take(NUMBER) {
        number |= usize::from(octet & 0x7F) << (7 * at);
        if *octet < 0x80 {
            return Some((number, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{names::IDLE, *};
    use crate::event::ExitReason;
    use proptest::{collection::vec, prelude::*};

    fn event() -> impl Strategy<Value = Event> {
        let content = vec(
            prop_oneof![vec(any::<u8>(), 0..5), vec(any::<u8>(), 120..300), vec(any::<u8>(), LONG - 2..LONG + 2)],
            0..4,
        )
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
                let octets: usize = plain.iter().map(Event::octets).sum();
                prop_assert_eq!((queue.len(), queue.octets()), (plain.len(), octets));
            }
            while let Some(event) = plain.pop_front() {
                prop_assert_eq!(queue.pop(), Some(event));
            }
            prop_assert_eq!((queue.pop(), queue.len(), queue.octets()), (None, 0, 0));
            prop_assert!(queue.peers.idle == queue.peers.places.len() && queue.peers.places.len() <= IDLE);
            prop_assert!(queue.groups.idle == queue.groups.places.len());
        }

        #[test]
        fn numbers_come_back(number in prop_oneof![any::<usize>(), 0..300usize]) {
            let (mut words, mut out) = (Words::new(7), Blocks::new(64, 0));
            words.number(number);
            prop_assert_eq!(out.room_for(words.len), None);
            words.flush(&mut out);
            let out = out.close().unwrap();
            prop_assert_eq!((out[0], get_number(&out[1..])), (7, Some((number, out.len() - 1))));
            prop_assert_eq!(number_len(number), out.len() - 1);
        }
    }

    proptest! {
        #[test]
        fn what_is_moved_comes_after_what_was_there(first in vec(event(), 0..20), second in vec(event(), 0..20)) {
            let fill = |events: &[Event]| {
                let mut queue = EventQueue::default();
                events.iter().cloned().for_each(|event| queue.push(event));
                queue
            };
            let (mut queue, mut other) = (fill(&first), fill(&second));
            queue.append(&mut other);
            prop_assert!(other.is_empty() && other.pop().is_none());
            prop_assert_eq!(queue.len(), first.len() + second.len());
            prop_assert_eq!(queue.octets(), first.iter().chain(&second).map(Event::octets).sum::<usize>());
            for event in first.into_iter().chain(second) {
                prop_assert_eq!(queue.pop(), Some(event));
            }
        }
    }

    #[test]
    fn short_ones_are_what_they_would_be_by_themselves() {
        let name: Arc<str> = "ann".into();
        let group: Arc<str> = "chat".into();
        let mut queue = EventQueue::default();
        let mut plain = VecDeque::new();
        // Numbers of peers, and lengths, with one octet and with two.
        for number in 0..130u8 {
            let peer = PeerId::from_octets([number; 16]);
            let mut sender = queue.begin_short(peer, &name);
            for length in [0, 1, 126, 127, 128, 129, LONG - 1] {
                let octets = alloc::vec![number; length];
                for group in [None, Some(&group)] {
                    let before = queue.octets();
                    let counts_for = queue.push_short(&mut sender, group, &octets);
                    let (name, content) = (name.clone(), Content::from(&octets[..]));
                    plain.push_back(match group {
                        None => Event::Whisper { peer, name, content },
                        Some(group) => Event::Shout { peer, name, group: group.clone(), content },
                    });
                    assert_eq!(
                        (queue.octets() - before, Some(counts_for)),
                        (counts_for, plain.back().map(Event::octets))
                    );
                }
            }
            queue.end_short(sender);
        }
        while let Some(event) = plain.pop_front() {
            assert_eq!(queue.pop(), Some(event));
        }
        assert_eq!((queue.pop(), queue.octets()), (None, 0));
    }

    #[test]
    fn nothing_is_left_of_a_burst_once_it_has_been_quiet() {
        let mut queue = EventQueue::default();
        let peer = PeerId::from_octets([1; 16]);
        let whisper = || Event::Whisper { peer, name: "ann".into(), content: "a whisper".into() };
        (0..100_000).for_each(|_| queue.push(whisper()));
        while queue.pop().is_some() {}
        assert!(queue.tail.held() >= BLOCK, "kept for the next burst");
        for _ in 0..2 * SPARE_BLOCKS + 2 {
            queue.push(whisper());
            assert_eq!(queue.pop(), Some(whisper()));
        }
        assert!(queue.tail.held() + queue.head.len() <= 2048, "{}", queue.tail.held());
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
