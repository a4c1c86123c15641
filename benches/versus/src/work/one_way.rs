//! Messages one way, as fast as they go, of several sizes.

use super::{Settings, Work};
use crate::{contestant::Contestant, pair::Pair, results::Results};

/// Sizes in octets, and what they are called.
pub const SIZES: [(usize, &str); 4] = [(32, "32 B"), (1 << 10, "1 KiB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB")];

pub fn measure(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    for (size, case) in SIZES {
        let mut pair = Pair::start(contestant, &settings.installed, 1)?;
        let count = count(&mut pair, "stream", size, settings)?;
        let (seconds, [sender, receiver]) = pair.cost(|pair| pair.send("stream", count, size))?;
        let mut add = |metric, value| results.add(Work::OneWay, case, contestant, metric, value);
        let rate = count as f64 / seconds;
        add("rate", rate);
        add("MB/s", rate * size as f64 / 1e6);
        add("messages", count as f64);
        add("CPU µs each", 1e6 * (sender + receiver) / count as f64);
        add("sender's CPU", sender);
        add("receiver's CPU", receiver);
    }
    Ok(())
}

/// How many messages fit into the time. Finding out warms up.
pub fn count(pair: &mut Pair, verb: &str, size: usize, settings: &Settings) -> Result<usize, String> {
    let time = settings.time.as_secs_f64();
    let mut count = 16;
    loop {
        let seconds = pair.send(verb, count, size)?;
        let fitting = count as f64 * time / seconds.max(1e-6);
        if seconds > time / 10.0 {
            return Ok((fitting as usize).clamp(1, pair.contestant.most_messages()));
        }
        // Not too far from what is known: the first messages are slow.
        count = (fitting as usize).clamp(count + 1, 20 * count);
    }
}
