//! Messages to a group of several receivers, beside the same messages whispered to each of them.

use super::{Settings, Work, one_way};
use crate::{contestant::Contestant, pair::Pair, results::Results};

const RECEIVERS: [usize; 3] = [2, 8, 32];

pub fn measure(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    if !contestant.is_zre() {
        return yardstick(contestant, settings, results);
    }
    for receivers in RECEIVERS {
        for (size, name) in &one_way::SIZES[..2] {
            let mut pair = Pair::start(contestant, &settings.installed, receivers)?;
            let shouts = deliver(&mut pair, "shout", receivers, *size, settings)?;
            let whispers = deliver(&mut pair, "stream", receivers, *size, settings)?;
            let mut add = |metric, value| results.add(Work::Shout, &case(name, receivers), contestant, metric, value);
            add("rate", shouts.rate);
            add("sender's µs", shouts.each);
            add("whisperer's µs", whispers.each);
            add("shout/whisper µs", shouts.each / whispers.each);
            add("whispered", whispers.rate);
            add("sender's CPU", shouts.cpu[0]);
            add("receivers' CPU", shouts.cpu[1]);
        }
    }
    Ok(())
}

/// Who knows no groups sends one way to one receiver.
fn yardstick(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    let mut pair = Pair::start(contestant, &settings.installed, 1)?;
    for (size, name) in &one_way::SIZES[..2] {
        let messages = deliver(&mut pair, "stream", 1, *size, settings)?;
        for receivers in RECEIVERS {
            let mut add = |metric, value| results.add(Work::Shout, &case(name, receivers), contestant, metric, value);
            add("rate", messages.rate);
            add("sender's µs", messages.each);
            add("sender's CPU", messages.cpu[0]);
            add("receivers' CPU", messages.cpu[1]);
        }
    }
    Ok(())
}

struct Deliveries {
    /// A second.
    rate: f64,
    /// The sender's processor time for each, in microseconds.
    each: f64,
    /// All processor time in seconds: the sender's, and the receivers'.
    cpu: [f64; 2],
}

fn deliver(
    pair: &mut Pair,
    verb: &str,
    receivers: usize,
    size: usize,
    settings: &Settings,
) -> Result<Deliveries, String> {
    let count = one_way::count(pair, verb, size, settings)?;
    let (seconds, cpu) = pair.cost(|pair| pair.send(verb, count, size))?;
    let deliveries = (count * receivers) as f64;
    Ok(Deliveries { rate: deliveries / seconds, each: 1e6 * cpu[0] / deliveries, cpu })
}

fn case(size: &str, receivers: usize) -> String {
    format!("{size} to {receivers}")
}
