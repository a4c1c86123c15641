//! Who is next: a heap with one entry for each node, which moves when the node's next time changes.

/// Nodes by the time at which something happens at them; of two at the same time, the one with the smaller index.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// A binary heap of nodes.
    heap: Vec<u32>,
    /// Where in `heap` each node is.
    places: Vec<u32>,
    /// When each node is due; `u64::MAX`: never.
    due: Vec<u64>,
}

impl Agenda {
    pub(super) fn of(nodes: usize) -> Self {
        let all: Vec<u32> = (0..nodes as u32).collect();
        Self { heap: all.clone(), places: all, due: vec![u64::MAX; nodes] }
    }

    /// The first node, and its time.
    pub(super) fn first(&self) -> Option<(u64, usize)> {
        let node = *self.heap.first()? as usize;
        Some((self.due[node], node)).filter(|(due, _)| *due < u64::MAX)
    }

    pub(super) fn due(&self, node: usize) -> u64 {
        self.due[node]
    }

    pub(super) fn set(&mut self, node: usize, due: u64) {
        let old = std::mem::replace(&mut self.due[node], due);
        if due < old {
            self.rise(self.places[node] as usize);
        } else if due > old {
            self.sink(self.places[node] as usize);
        }
    }

    fn key(&self, place: usize) -> (u64, u32) {
        let node = self.heap[place];
        (self.due[node as usize], node)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.places[self.heap[a] as usize] = a as u32;
        self.places[self.heap[b] as usize] = b as u32;
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let above = (place - 1) / 2;
            if self.key(above) <= self.key(place) {
                return;
            }
            self.swap(above, place);
            place = above;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let below = [2 * place + 1, 2 * place + 2].into_iter().filter(|below| *below < self.heap.len());
            let Some(least) = below.min_by_key(|below| self.key(*below)) else { return };
            if self.key(place) <= self.key(least) {
                return;
            }
            self.swap(least, place);
            place = least;
        }
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
