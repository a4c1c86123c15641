//! A contestant at work: a process that sends and one that receives.

use crate::{child::Child, cli::Role, contestant::Contestant, install::Installed};

/// Two processes that have met.
#[derive(Debug)]
pub struct Pair {
    pub contestant: Contestant,
    pub receiver: Child,
    pub sender: Child,
    /// Where the sender can be met by others, if it is a ZRE node.
    pub senders_place: String,
}

impl Pair {
    /// Starts them. The receivers, of which there may be several in their process, come first.
    pub fn start(contestant: Contestant, installed: &Installed, receivers: usize) -> Result<Self, String> {
        let command = contestant.command(installed, Role::Receiver, &receivers.to_string())?;
        let mut receiver = Child::start(format!("{contestant}, receiver"), command)?;
        let place = receiver.hear("at")?;
        let command = contestant.command(installed, Role::Sender, place.first().map_or("", String::as_str))?;
        let mut sender = Child::start(format!("{contestant}, sender"), command)?;
        let senders_place = sender.hear("met")?.pop().unwrap_or_default();
        receiver.hear("met")?;
        Ok(Self { contestant, receiver, sender, senders_place })
    }

    /// So many round trips, one after the other, in microseconds.
    pub fn ping(&mut self, count: usize, size: usize) -> Result<Vec<f64>, String> {
        self.receiver.say(&format!("echo {count}"))?;
        self.receiver.hear("ready")?;
        self.sender.say(&format!("ping {count} {size}"))?;
        let took = self.sender.hear_numbers("took")?;
        self.receiver.hear("done")?;
        Ok(took.into_iter().map(|nanoseconds| nanoseconds / 1e3).collect())
    }

    /// The seconds that so many messages take one way (`stream`) or to a group (`shout`), from before the first is sent
    /// until the last has come.
    pub fn send(&mut self, verb: &str, count: usize, size: usize) -> Result<f64, String> {
        self.receiver.say(&format!("sink {count} {size}"))?;
        self.receiver.hear("ready")?;
        self.sender.say(&format!("{verb} {count} {size}"))?;
        let begin = self.sender.hear_number("sent")?;
        let end = self.receiver.hear_number("done")?;
        Ok((end - begin) / 1e9)
    }

    /// What both do by `work` costs in seconds of processor time: the sender's, and the receiver's.
    pub fn cost<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<(T, [f64; 2]), String> {
        let before = [self.sender.cpu(), self.receiver.cpu()];
        let done = work(self)?;
        Ok((done, [self.sender.cpu() - before[0], self.receiver.cpu() - before[1]]))
    }
}
