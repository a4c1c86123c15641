//! Who is next: a heap with one entry for each node, which moves when the node's next time changes.

/// Nodes by the time at which something happens at them; of two at the same time, the one with the smaller index.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// A binary heap of nodes, each with when it is due (`u64::MAX`: never), so that to compare two is to look at two
    /// neighbours.
    heap: Vec<(u64, u32)>,
    /// Where in `heap` each node is.
    places: Vec<u32>,
}

impl Agenda {
    pub(super) fn of(nodes: usize) -> Self {
        Self { heap: (0..nodes as u32).map(|node| (u64::MAX, node)).collect(), places: (0..nodes as u32).collect() }
    }

    /// The first node, and its time.
    pub(super) fn first(&self) -> Option<(u64, usize)> {
        self.heap.first().filter(|(due, _)| *due < u64::MAX).map(|(due, node)| (*due, *node as usize))
    }

    pub(super) fn due(&self, node: usize) -> u64 {
        self.heap[self.places[node] as usize].0
    }

    pub(super) fn set(&mut self, node: usize, due: u64) {
        let place = self.places[node] as usize;
        let old = self.heap[place].0;
        if due < old {
            self.rise(place, (due, node as u32));
        } else if due > old {
            self.sink(place, (due, node as u32));
        }
    }

    fn put(&mut self, place: usize, entry: (u64, u32)) {
        self.heap[place] = entry;
        self.places[entry.1 as usize] = place as u32;
    }

    /// Puts an entry at a place or above.
    fn rise(&mut self, mut place: usize, entry: (u64, u32)) {
        while place > 0 {
            let above = (place - 1) / 2;
            if self.heap[above] <= entry {
                break;
            }
            self.put(place, self.heap[above]);
            place = above;
        }
        self.put(place, entry);
    }

    /// Puts an entry at a place or below.
    fn sink(&mut self, mut place: usize, entry: (u64, u32)) {
        loop {
            let mut below = 2 * place + 1;
            let Some(mut least) = self.heap.get(below).copied() else { break };
            if let Some(right) = self.heap.get(below + 1).filter(|right| **right < least) {
                (below, least) = (below + 1, *right);
            }
            if entry <= least {
                break;
            }
            self.put(place, least);
            place = below;
        }
        self.put(place, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_always_the_least() {
        let mut agenda = Agenda::of(50);
        let mut due = vec![u64::MAX; 50];
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = super::super::dice::mix(state.wrapping_add(0x9E37_79B9_7F4A_7C15));
            let (node, at) =
                ((state % 50) as usize, if state.is_multiple_of(7) { u64::MAX } else { (state >> 20) % 1000 });
            agenda.set(node, at);
            due[node] = at;
            let least = (0..50).map(|node| (due[node], node)).min().filter(|(at, _)| *at < u64::MAX);
            assert_eq!(agenda.first(), least);
        }
    }
}
