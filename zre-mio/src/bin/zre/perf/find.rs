//! Whom to ask: one peer, or those in a group.

use super::{end::End, role::Role, station::Station};
use crate::{
    cli::complain,
    clock::now,
    text::{clean, count},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use zre_mio::PeerId;

/// How long others of the same name have to show up: those who are there answer the first beacon within milliseconds.
const ALIKE: Duration = Duration::from_millis(300);
/// How long an echo has to show up before the only peer is taken for one: all who are there have sent a beacon by then.
const ECHO: Duration = Duration::from_secs(2);
/// How long nobody more may join before all who are in a group are thought to be there.
const SETTLED: Duration = Duration::from_secs(1);
/// How many peers are listed in an error.
const LISTED: usize = 10;

/// What to do where nobody is there.
const LOOK_AROUND: &str = "nobody else is here; is it running, with the same --interface and --port, or with --gossip-connect to \
                           the same hub? --wait gives it longer";

/// Somebody to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) name: Arc<str>,
    pub(super) role: Option<Role>,
}

impl Peer {
    /// For people.
    pub(super) fn text(&self) -> String {
        format!("{} ({})", clean(&self.name), self.id)
    }
}

/// The peer by that name or UUID, else one of this role.
pub(super) fn one(station: &mut Station, to: Option<&str>, role: Role, wait: Duration) -> Result<Peer, End> {
    match to {
        Some(wanted) => named(station, wanted, wait),
        None => of_role(station, role, wait),
    }
}

fn named(station: &mut Station, wanted: &str, wait: Duration) -> Result<Peer, End> {
    let by_id = wanted.parse::<PeerId>().ok();
    let is_called = |peer: &Peer| *peer.name == *wanted || clean(&peer.name) == wanted;
    let deadline = now() + wait;
    let mut decide_at = None;
    loop {
        let peers = present(station);
        if let Some(peer) = peers.iter().find(|peer| Some(peer.id) == by_id) {
            return Ok(peer.clone());
        }
        let alike: Vec<_> = peers.iter().filter(|peer| is_called(peer)).cloned().collect();
        let time = now();
        if alike.is_empty() {
            decide_at = None;
            if time >= deadline {
                let seconds = wait.as_secs_f64();
                let here = others(&peers).unwrap_or_else(|| LOOK_AROUND.into());
                return Err(End::Failed(format!("no peer {wanted} has come within {seconds} s; {here}")));
            }
        } else if time >= *decide_at.get_or_insert(time + ALIKE) {
            return match &alike[..] {
                [peer] => Ok(peer.clone()),
                _ => Err(End::Failed(format!(
                    "several peers are called {wanted}; give --to one of these UUIDs: {}",
                    list(&alike)
                ))),
            };
        }
        wait_until(station, decide_at.unwrap_or(deadline))?;
    }
}

fn of_role(station: &mut Station, role: Role, wait: Duration) -> Result<Peer, End> {
    let begin = now();
    let command = role.as_str();
    loop {
        let peers = present(station);
        if let Some(peer) = peers.iter().find(|peer| peer.role == Some(role)) {
            return Ok(peer.clone());
        }
        let waited = now() - begin;
        // A flood is for those who ask for it, and one question at a time for anybody.
        if role == Role::Echo && waited >= ECHO.min(wait) {
            let others: Vec<_> = peers.iter().filter(|peer| peer.role.is_none()).collect();
            if let [only] = others[..] {
                complain(&format!("no zre perf echo is here; {}, the only other peer, is asked instead", only.text()));
                return Ok(only.clone());
            }
        }
        if waited >= wait {
            let seconds = wait.as_secs_f64();
            let here = others(&peers).map_or_else(
                || LOOK_AROUND.into(),
                |here| format!("start one, or say by --to whom to ask instead; {here}"),
            );
            return Err(End::Failed(format!("no zre perf {command} has come within {seconds} s; {here}")));
        }
        let next = if waited < ECHO { ECHO.min(wait) } else { wait };
        wait_until(station, begin + next)?;
    }
}

/// Those in the group: as many as are wanted, or else all who are there within a while.
pub(super) fn group(
    station: &mut Station,
    group: &str,
    wanted: Option<usize>,
    wait: Duration,
) -> Result<Vec<Peer>, End> {
    let deadline = now() + wait;
    let mut before = Vec::new();
    let mut settled = deadline;
    loop {
        let found = members(station, group);
        let time = now();
        if found != before {
            settled = time + SETTLED;
            before = found;
        }
        let enough =
            wanted.map_or_else(|| !before.is_empty() && time >= settled.min(deadline), |many| before.len() >= many);
        if enough {
            return Ok(before);
        }
        if time >= deadline {
            let (seconds, group) = (wait.as_secs_f64(), clean(group));
            let many = count(wanted.unwrap_or(1) as u64);
            let found = match before.len() {
                0 => "nobody".into(),
                some => format!("{} of {many}", count(some as u64)),
            };
            let here = others(&present(station)).unwrap_or_else(|| LOOK_AROUND.into());
            let have = if before.len() > 1 { "have" } else { "has" };
            let why = format!("{found} {have} joined the group {group} within {seconds} s");
            return Err(End::Failed(format!(
                "{why}; start zre perf sink --group {group}, or wait longer (--wait); {here}"
            )));
        }
        let next = if before.is_empty() || wanted.is_some() { deadline } else { settled.min(deadline) };
        wait_until(station, next)?;
    }
}

/// Waits for a while or until something happens. Messages that come are not meant for us yet.
fn wait_until(station: &mut Station, at: Instant) -> Result<(), End> {
    station.turn(Some(at.saturating_duration_since(now())))?;
    while station.driver.poll_event().is_some() {}
    match station.is_over() {
        true => Err(End::Interrupted("while looking for peers".into())),
        false => Ok(()),
    }
}

/// All peers.
fn present(station: &Station) -> Vec<Peer> {
    let ids = station.driver.engine().peers();
    ids.filter_map(|id| known(station, id)).collect()
}

fn members(station: &Station, group: &str) -> Vec<Peer> {
    let ids = station.driver.engine().peers_by_group(group);
    ids.into_iter().filter_map(|id| known(station, id)).collect()
}

fn known(station: &Station, id: PeerId) -> Option<Peer> {
    let info = station.driver.engine().peer(id)?;
    Some(Peer { id, name: info.name().clone(), role: Role::of(info.headers()) })
}

/// Who is there, for an error; none where nobody is.
fn others(peers: &[Peer]) -> Option<String> {
    (!peers.is_empty()).then(|| format!("here {}: {}", if peers.len() == 1 { "is" } else { "are" }, list(peers)))
}

fn list(peers: &[Peer]) -> String {
    let mut all: Vec<_> = peers.iter().take(LISTED).map(Peer::text).collect();
    if peers.len() > LISTED {
        all.push(format!("and {} more", count((peers.len() - LISTED) as u64)));
    }
    all.join(", ")
}
