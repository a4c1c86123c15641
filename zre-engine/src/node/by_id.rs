//! What is found by a peer's UUID, as fast among a thousand as among two.

use crate::id::PeerId;
use alloc::{boxed::Box, collections::BTreeMap, vec, vec::Vec};

/// No fewer guesses than this, once there is anything.
const FEWEST: usize = 8;

/// A map in the order of the UUIDs, in which what was sought lately is found at once.
///
/// Peers are looked up for every message; among a thousand, a search of an ordered map takes a fifth of what a short message
/// takes. In a table of hashes peers could choose UUIDs that collide. So here a hash only tells where to look first; what is
/// not there is found by the order, and once it was found to be changed, it is looked for there from then on.
#[derive(Debug)]
pub(super) struct ById<T> {
    /// Boxed: a seat stays when it is empty.
    seats: Vec<Option<(PeerId, Box<T>)>>,
    free: Vec<u32>,
    /// The seat of each.
    order: BTreeMap<PeerId, u32>,
    /// The seat to look at first, by a hash; that of another, or an empty one, is as good as none. A power of two of them, at
    /// least twice as many as there are seats taken.
    guesses: Vec<u32>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self { seats: Vec::new(), free: Vec::new(), order: BTreeMap::new(), guesses: Vec::new() }
    }
}

impl<T> ById<T> {
    /// Takes the place of what this UUID had before.
    pub(super) fn insert(&mut self, id: PeerId, value: T) {
        let value = Some((id, Box::new(value)));
        let seat = self.order.get(&id).copied().or_else(|| self.free.pop()).unwrap_or(self.seats.len() as u32);
        match self.seats.get_mut(seat as usize) {
            Some(taken) => *taken = value,
            None => self.seats.push(value),
        }
        self.order.insert(id, seat);
        if self.guesses.len() < 2 * self.order.len() {
            self.guesses = vec![0; FEWEST.max(2 * self.order.len()).next_power_of_two()];
            self.order.iter().for_each(|(id, seat)| guess(&mut self.guesses, id, *seat));
        } else {
            guess(&mut self.guesses, &id, seat);
        }
    }

    pub(super) fn remove(&mut self, id: &PeerId) -> Option<Box<T>> {
        let seat = self.order.remove(id)?;
        self.free.push(seat);
        let (_, value) = self.seats.get_mut(seat as usize)?.take()?;
        Some(value)
    }

    #[inline]
    pub(super) fn get(&self, id: &PeerId) -> Option<&T> {
        let seat = self.guessed(id).or_else(|| self.order.get(id).copied())?;
        self.at(seat)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: &PeerId) -> Option<&mut T> {
        let seat = self.guessed(id).or_else(|| self.sought(id))?;
        self.seats.get_mut(seat as usize)?.as_mut().map(|(_, value)| &mut **value)
    }

    /// The seat, where the guess is right.
    #[inline]
    fn guessed(&self, id: &PeerId) -> Option<u32> {
        let seat = *self.guesses.get(place(id, self.guesses.len()))?;
        let (found, _) = self.seats.get(seat as usize)?.as_ref()?;
        (found == id).then_some(seat)
    }

    /// The seat, which is guessed from now on.
    #[cold]
    fn sought(&mut self, id: &PeerId) -> Option<u32> {
        let seat = *self.order.get(id)?;
        guess(&mut self.guesses, id, seat);
        Some(seat)
    }

    fn at(&self, seat: u32) -> Option<&T> {
        self.seats.get(seat as usize)?.as_ref().map(|(_, value)| &**value)
    }

    /// All, in the order of their UUIDs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerId, &T)> {
        self.order.iter().filter_map(|(id, seat)| Some((*id, self.at(*seat)?)))
    }

    /// All UUIDs in their order, from this one on and then from the first.
    pub(super) fn from(&self, id: PeerId) -> impl Iterator<Item = PeerId> {
        self.order.range(id..).chain(self.order.range(..id)).map(|(id, _)| *id)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

/// Where the guess for a UUID is among so many, a power of two. Most UUIDs are random, but nothing depends on that.
#[inline]
fn place(id: &PeerId, count: usize) -> usize {
    let bits = u128::from_le_bytes(*id.as_octets());
    let mixed = ((bits >> 64) as u64 ^ bits as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // The upper half, for it depends on all bits.
    (mixed >> 32) as usize & count.wrapping_sub(1)
}

#[inline]
fn guess(guesses: &mut [u32], id: &PeerId, seat: u32) {
    if let Some(guess) = guesses.get_mut(place(id, guesses.len())) {
        *guess = seat;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// UUIDs whose guesses have one place, and others.
    fn id(number: u8) -> PeerId {
        let mut octets = [0; 16];
        (octets[0], octets[8]) = (number, if number < 12 { number } else { 0 });
        PeerId::from_octets(octets)
    }

    proptest! {
        #[test]
        fn it_finds_what_an_ordered_map_finds(steps in vec((0u8..4, 0u8..24, any::<u16>()), 0..200)) {
            let (mut ours, mut theirs) = (ById::default(), BTreeMap::new());
            for (step, number, value) in steps {
                let id = id(number);
                match step {
                    0 | 1 => {
                        ours.insert(id, value);
                        theirs.insert(id, value);
                    }
                    2 => prop_assert_eq!(ours.remove(&id).map(|value| *value), theirs.remove(&id)),
                    _ => prop_assert_eq!(ours.get_mut(&id), theirs.get_mut(&id)),
                }
                prop_assert_eq!(ours.get(&id), theirs.get(&id));
                prop_assert_eq!(ours.len(), theirs.len());
                prop_assert!(ours.seats.len() <= 24, "seats are taken again");
                prop_assert!(ours.iter().eq(theirs.iter().map(|(id, value)| (*id, value))));
                let turned: Vec<_> = ours.from(id).collect();
                let cut = theirs.range(id..).count();
                prop_assert!(turned[..cut].iter().eq(theirs.range(id..).map(|(id, _)| id)));
                prop_assert!(turned[cut..].iter().eq(theirs.range(..id).map(|(id, _)| id)));
            }
        }
    }

    #[test]
    fn what_was_sought_is_guessed_from_then_on() {
        let mut map = ById::default();
        (0..2).for_each(|number| map.insert(id(number), number));
        assert_eq!(place(&id(0), map.guesses.len()), place(&id(1), map.guesses.len()), "they collide");
        for _ in 0..3 {
            for number in 0..2 {
                assert_eq!(map.get_mut(&id(number)), Some(&mut { number }));
                assert!(map.guessed(&id(number)).is_some());
            }
        }
    }

    #[test]
    fn most_of_many_are_guessed() {
        let mut map = ById::default();
        let ids = |number: u64| {
            let bits = u128::from(number).wrapping_mul(0xDA94_2042_E4DD_58B5_6C5A_7C4E_93F5_0B21);
            PeerId::from_octets(bits.to_be_bytes())
        };
        (0..1000).for_each(|number| map.insert(ids(number), number));
        let guessed = (0..1000).filter(|number| map.guessed(&ids(*number)).is_some()).count();
        assert!(guessed > 700, "{guessed} of 1000");
    }
}
