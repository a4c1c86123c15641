//! Round trips of 32 octets, one at a time.

use super::{Settings, Work};
use crate::{contestant::Contestant, pair::Pair, results::Results, stats::percentile};

const SIZE: usize = 32;

pub fn measure(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    let mut pair = Pair::start(contestant, &settings.installed, 1)?;
    // To warm up, and to learn how many fit into the time.
    let warm_up = if settings.quick { 100 } else { 1000 };
    let typical = sorted(pair.ping(warm_up, SIZE)?)[warm_up / 2];
    let count = (settings.time.as_micros() as f64 / typical) as usize;
    let (took, [sender, receiver]) = pair.cost(|pair| pair.ping(count.clamp(100, 100_000), SIZE))?;
    let took = sorted(took);
    let mut add = |metric, value| results.add(Work::Rtt, "32 B", contestant, metric, value);
    for (metric, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        add(metric, percentile(&took, share).ok_or("no round trips")?);
    }
    add("round trips", took.len() as f64);
    add("CPU µs each", 1e6 * (sender + receiver) / took.len() as f64);
    add("sender's CPU", sender);
    add("receiver's CPU", receiver);
    Ok(())
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}
