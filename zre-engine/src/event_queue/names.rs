//! Names of peers and groups, which many waiting events have in common.

use crate::id::PeerId;
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

/// Things that many events have in common, each kept once for as long as one of them waits.
#[derive(Debug)]
pub(super) struct Names<K> {
    pub(super) slots: Vec<Option<(K, usize)>>,
    pub(super) places: BTreeMap<K, usize>,
    free: Vec<usize>,
    /// How many are not used by any event, and stay for the next.
    pub(super) idle: usize,
    /// Where the one is that was asked for last: it nearly always is the next.
    last: usize,
}

/// So many may be idle, or half of all, where a name is new or all events have been taken: to forget them at once would cost memory
/// to be asked for with each event.
pub(super) const IDLE: usize = 32;

impl<K> Default for Names<K> {
    fn default() -> Self {
        Self { slots: Vec::new(), places: BTreeMap::new(), free: Vec::new(), idle: 0, last: 0 }
    }
}

impl Names<(PeerId, Arc<str>)> {
    pub(super) fn hold_peer(&mut self, peer: PeerId, name: &Arc<str>) -> usize {
        self.hold(|(id, other)| *id == peer && Arc::ptr_eq(other, name), || (peer, name.clone()))
    }
}

impl Names<Arc<str>> {
    pub(super) fn hold_group(&mut self, group: &Arc<str>) -> usize {
        self.hold(|other| Arc::ptr_eq(other, group), || group.clone())
    }
}

impl<K: Ord + Clone> Names<K> {
    /// The number of a thing that one event more has. `is_it` may say no to it where that is told sooner.
    fn hold(&mut self, is_it: impl Fn(&K) -> bool, name: impl FnOnce() -> K) -> usize {
        if let Some(Some((last, count))) = self.slots.get_mut(self.last)
            && is_it(last)
        {
            self.idle -= usize::from(*count == 0);
            *count += 1;
            return self.last;
        }
        self.last = self.find(name());
        self.last
    }

    fn find(&mut self, name: K) -> usize {
        if let Some(place) = self.places.get(&name) {
            if let Some(Some((_, count))) = self.slots.get_mut(*place) {
                self.idle -= usize::from(*count == 0);
                *count += 1;
            }
            return *place;
        }
        self.tidy();
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[place] = Some((name.clone(), 1));
        self.places.insert(name, place);
        place
    }

    /// So many events more have the thing of this number.
    pub(super) fn hold_more(&mut self, place: usize, events: usize) {
        if let Some(Some((_, count))) = self.slots.get_mut(place) {
            *count += events;
        }
    }

    /// The thing of this number, which one event less has.
    #[inline]
    pub(super) fn release(&mut self, place: usize) -> Option<&K> {
        let (name, count) = self.slots.get_mut(place)?.as_mut()?;
        *count = count.checked_sub(1)?;
        self.idle += usize::from(*count == 0);
        Some(name)
    }

    /// Forgets what no event has any more, if that is much.
    #[inline]
    pub(super) fn tidy(&mut self) {
        if self.idle > IDLE.max(self.places.len() / 2) {
            self.forget_idle();
        }
    }

    #[cold]
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
