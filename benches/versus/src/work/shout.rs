//! Messages to a group of several receivers, beside the same messages whispered to each of them.

use super::{Settings, Work, one_way};
use crate::{contestant::Contestant, pair::Pair, results::Results};

const RECEIVERS: [usize; 3] = [2, 8, 32];

pub fn measure(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    match contestant {
        Contestant::Tcp => return blocks(contestant, settings, results),
        Contestant::Libzmq => return one_way_to_one(contestant, settings, results),
        _ => {}
    }
    for receivers in RECEIVERS {
        for (size, name) in &one_way::SIZES[..2] {
            let mut pair = Pair::start(contestant, &settings.installed, receivers)?;
            let shouts = deliver(&mut pair, "shout", receivers, *size, settings)?;
            let whispers = deliver(&mut pair, "stream", receivers, *size, settings)?;
            let case = case(name, receivers);
            let mut also = |metric, value| results.add(Work::Shout, &case, contestant, metric, value);
            also("whisperer's µs", whispers.each);
            also("shout/whisper µs", shouts.each / whispers.each);
            also("whispered", whispers.rate);
            add(results, contestant, &case, &shouts);
        }
    }
    Ok(())
}

/// Plain TCP: as many octets to each, in blocks. It knows no messages, and so no difference between shouts and whispers.
fn blocks(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    for receivers in RECEIVERS {
        let mut pair = Pair::start(contestant, &settings.installed, receivers)?;
        for (size, name) in &one_way::SIZES[..2] {
            let blocks = deliver(&mut pair, "shout", receivers, *size, settings)?;
            add(results, contestant, &case(name, receivers), &blocks);
        }
    }
    Ok(())
}

/// libzmq's ROUTER sends to one at a time: one way to one receiver is the best it has.
fn one_way_to_one(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    let mut pair = Pair::start(contestant, &settings.installed, 1)?;
    for (size, name) in &one_way::SIZES[..2] {
        let messages = deliver(&mut pair, "stream", 1, *size, settings)?;
        for receivers in RECEIVERS {
            add(results, contestant, &case(name, receivers), &messages);
        }
    }
    Ok(())
}

fn add(results: &mut Results, contestant: Contestant, case: &str, deliveries: &Deliveries) {
    let mut add = |metric, value| results.add(Work::Shout, case, contestant, metric, value);
    add("rate", deliveries.rate);
    add("sender's µs", deliveries.each);
    add("sender's CPU", deliveries.cpu[0]);
    add("receivers' CPU", deliveries.cpu[1]);
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
