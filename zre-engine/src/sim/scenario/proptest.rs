//! Scenarios from proptest, which shrink as its vectors do.

use super::{
    Scenario,
    draw::{self, Kinds, SPAN, Source},
};
use crate::sim::Plan;
use proptest::{
    arbitrary::{Arbitrary, any},
    collection::vec,
    strategy::{BoxedStrategy, Strategy},
};
use std::time::Duration;

/// Numbers, one for each choice; then zeros.
struct Choices<'a>(std::slice::Iter<'a, u32>);

impl Source for Choices<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        let choice = self.0.next().copied().unwrap_or(0);
        // In proportion: a smaller number is an earlier choice.
        (u64::from(choice) * bound) >> 32
    }
}

impl Arbitrary for Scenario {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let operations = vec(vec(any::<u32>(), 4..16), 0..40);
        let network = vec(any::<u32>(), 12);
        let drawn = (any::<u64>(), 2usize..7, network, operations);
        let scenario = |(seed, nodes, network, operations): (u64, usize, Vec<u32>, Vec<Vec<u32>>)| {
            let network = draw::network(&mut Choices(network.iter()));
            let span = SPAN.as_millis() as u64;
            let draw = |choices: &Vec<u32>| draw::operation(&mut Choices(choices.iter()), nodes, span, Kinds::ALL);
            let mut operations: Vec<_> = operations.iter().map(draw).collect();
            operations.sort_by_key(|operation| operation.at);
            let (discovery, contest) = (Plan::Beacons, Vec::new());
            Self { seed, nodes, hostile: 0, discovery, contest, network, operations, duration: Duration::ZERO }
        };
        drawn.prop_map(scenario).boxed()
    }
}
