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
            let mut add = |metric, value| results.add(Work::Shout, &case(name, receivers), contestant, metric, value);
            let mut costs = [0.0; 2];
            for (number, (verb, cost)) in
                [("shout", "sender's µs"), ("stream", "whisperer's µs")].into_iter().enumerate()
            {
                let count = one_way::count(&mut pair, verb, *size, settings)?;
                let (seconds, [sender, receiver]) = pair.cost(|pair| pair.send(verb, count, *size))?;
                let deliveries = (count * receivers) as f64;
                costs[number] = 1e6 * sender / deliveries;
                add(cost, costs[number]);
                if verb == "shout" {
                    add("rate", deliveries / seconds);
                    add("sender's CPU", sender);
                    add("receivers' CPU", receiver);
                } else {
                    add("whispered", deliveries / seconds);
                }
            }
            add("shout/whisper µs", costs[0] / costs[1]);
        }
    }
    Ok(())
}

/// Who knows no groups sends one way to one receiver.
fn yardstick(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    let mut pair = Pair::start(contestant, &settings.installed, 1)?;
    for (size, name) in &one_way::SIZES[..2] {
        let count = one_way::count(&mut pair, "stream", *size, settings)?;
        let (seconds, [sender, receiver]) = pair.cost(|pair| pair.send("stream", count, *size))?;
        for receivers in RECEIVERS {
            let mut add = |metric, value| results.add(Work::Shout, &case(name, receivers), contestant, metric, value);
            add("rate", count as f64 / seconds);
            add("sender's µs", 1e6 * sender / count as f64);
            add("sender's CPU", sender);
            add("receivers' CPU", receiver);
        }
    }
    Ok(())
}

fn case(size: &str, receivers: usize) -> String {
    format!("{size} to {receivers}")
}
