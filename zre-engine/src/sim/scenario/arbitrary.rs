//! Scenarios from the octets of a fuzzer.

use super::{
    Scenario,
    draw::{self, Kinds, SPAN, Source},
};
use crate::sim::Plan;
use arbitrary::{Arbitrary, Result, Unstructured};
use std::time::Duration;

impl Source for Unstructured<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        // Without octets left, always the first.
        self.int_in_range(0..=bound.saturating_sub(1)).unwrap_or(0)
    }
}

impl<'a> Arbitrary<'a> for Scenario {
    fn arbitrary(source: &mut Unstructured<'a>) -> Result<Self> {
        let seed = u64::arbitrary(source)?;
        let nodes = 2 + source.index(5);
        let network = draw::network(source);
        let mut operations = Vec::new();
        while !source.is_empty() && operations.len() < 60 {
            operations.push(draw::operation(source, nodes, SPAN.as_millis() as u64, Kinds::ALL));
        }
        operations.sort_by_key(|operation| operation.at);
        let hostile = (seed % 4) as usize;
        let discovery = match seed % 16 {
            4 => Plan::Gossip { hubs: 1 },
            5 => Plan::Gossip { hubs: 2 },
            6 => Plan::Peers,
            7 => Plan::Mixed { hubs: 1 },
            _ => Plan::Beacons,
        };
        Ok(Self { seed, nodes, hostile, discovery, contest: Vec::new(), network, operations, duration: Duration::ZERO })
    }
}
