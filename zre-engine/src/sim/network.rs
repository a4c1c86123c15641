//! What the network between the nodes is like: how long things take, and what goes wrong.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// How often something happens: from never to always, in millionths. In JSON a fraction: `0.2`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "f64", try_from = "f64")]
pub struct Share(u32);

impl Share {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1_000_000);

    /// So many in a hundred, at most all.
    pub const fn percent(percent: u32) -> Self {
        Self::per_million(percent.saturating_mul(10_000))
    }

    /// So many in a million, at most all.
    pub const fn per_million(ppm: u32) -> Self {
        Self(if ppm < 1_000_000 { ppm } else { 1_000_000 })
    }

    pub(super) const fn ppm(self) -> u32 {
        self.0
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        Self::from(share.0) / 1e6
    }
}

/// A fraction that is not between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a share is a fraction from 0 (never) to 1 (always), not {0}")]
pub struct ShareError(f64);

impl TryFrom<f64> for Share {
    type Error = ShareError;

    fn try_from(fraction: f64) -> Result<Self, ShareError> {
        if (0.0..=1.0).contains(&fraction) {
            Ok(Self((fraction * 1e6).round() as u32))
        } else {
            Err(ShareError(fraction))
        }
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(*self) * 100.0)
    }
}

/// A network: what happens to datagrams (beacons) and to TCP connections. Start from a preset, or from the default, which
/// is fast and does nothing wrong, and change what you need.
///
/// ```
/// use zre_engine::sim::{Network, Share, secs};
///
/// let mut network = Network::wifi();
/// network.udp.loss = Share::percent(20);
/// network.tcp.stall = Share::percent(1);
/// network.tcp.stall_for = secs(3);
/// ```
///
/// In JSON all fields may be left out, times are in milliseconds and shares are fractions; a preset's name alone is a
/// network too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form")]
#[non_exhaustive]
pub struct Network {
    /// Datagrams.
    pub udp: Udp,
    /// Connections.
    pub tcp: Tcp,
}

/// What happens to datagrams. Each receiver of a broadcast has luck of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Udp {
    /// The least and the most that a datagram takes. Where they differ, datagrams overtake each other.
    #[serde(with = "millis::pair")]
    pub latency: (Duration, Duration),
    /// Never arrives.
    pub loss: Share,
    /// Arrives twice.
    pub duplicate: Share,
    /// Arrives late, behind those that were sent after it.
    pub late: Share,
    /// How late, at most.
    #[serde(with = "millis")]
    pub late_by: Duration,
}

impl Default for Udp {
    fn default() -> Self {
        Self {
            latency: (Duration::from_micros(100), Duration::from_micros(300)),
            loss: Share::NEVER,
            duplicate: Share::NEVER,
            late: Share::NEVER,
            late_by: Duration::ZERO,
        }
    }
}

/// What happens to TCP connections and to the segments on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Tcp {
    /// The least and the most that a segment takes. Segments of one connection never overtake each other.
    #[serde(with = "millis::pair")]
    pub latency: (Duration, Duration),
    /// Octets a second on one connection, one way; 0: no bound.
    pub bandwidth: u64,
    /// Octets that may be under way, or wait unread, before the sender has to wait.
    pub window: u32,
    /// Segments that arrive in small pieces.
    pub pieces: Share,
    /// The largest of such pieces, in octets; at least 1.
    pub piece: u32,
    /// Segments that take long, with all that follow them on the connection.
    pub stall: Share,
    /// How long, at most.
    #[serde(with = "millis")]
    pub stall_for: Duration,
    /// Segments that tear their connection down: both ends see a reset.
    pub reset: Share,
    /// Connections that die after a while without a word to either end, as behind a firewall that forgets them.
    pub half_open: Share,
    /// Attempts to connect that are refused.
    pub refuse: Share,
}

impl Default for Tcp {
    fn default() -> Self {
        Self {
            latency: (Duration::from_micros(100), Duration::from_micros(300)),
            bandwidth: 0,
            window: 256 << 10,
            pieces: Share::NEVER,
            piece: 1,
            stall: Share::NEVER,
            stall_for: Duration::ZERO,
            reset: Share::NEVER,
            half_open: Share::NEVER,
            refuse: Share::NEVER,
        }
    }
}

impl Network {
    /// The names of the presets.
    pub const PRESETS: [&'static str; 4] = ["lan", "wifi", "wan", "hostile"];

    /// A wired network: 0.1 to 0.4 ms, a gigabit, nothing goes wrong.
    pub fn lan() -> Self {
        let latency = (Duration::from_micros(100), Duration::from_micros(400));
        let (mut udp, mut tcp) = (Udp::default(), Tcp::default());
        udp.latency = latency;
        tcp.latency = latency;
        tcp.bandwidth = 125_000_000;
        Self { udp, tcp }
    }

    /// A wireless network: 1 to 8 ms, 2 % of the datagrams lost, now and then a moment's silence.
    pub fn wifi() -> Self {
        let latency = (Duration::from_millis(1), Duration::from_millis(8));
        let (mut udp, mut tcp) = (Udp::default(), Tcp::default());
        udp.latency = latency;
        udp.loss = Share::percent(2);
        udp.duplicate = Share::per_million(1_000);
        udp.late = Share::percent(1);
        udp.late_by = Duration::from_millis(50);
        tcp.latency = latency;
        tcp.bandwidth = 5_000_000;
        tcp.stall = Share::per_million(5_000);
        tcp.stall_for = Duration::from_millis(200);
        Self { udp, tcp }
    }

    /// A tunnel between far places: 20 to 80 ms, some loss.
    pub fn wan() -> Self {
        let latency = (Duration::from_millis(20), Duration::from_millis(80));
        let (mut udp, mut tcp) = (Udp::default(), Tcp::default());
        udp.latency = latency;
        udp.loss = Share::per_million(5_000);
        udp.late = Share::per_million(5_000);
        udp.late_by = Duration::from_millis(100);
        tcp.latency = latency;
        tcp.bandwidth = 2_500_000;
        tcp.stall = Share::per_million(1_000);
        tcp.stall_for = Duration::from_millis(500);
        Self { udp, tcp }
    }

    /// Everything goes wrong: a fifth of the datagrams lost, others late by seconds; octets in crumbs; connections that
    /// stall, break, are refused, or die in silence.
    pub fn hostile() -> Self {
        let latency = (Duration::from_millis(1), Duration::from_millis(100));
        Self {
            udp: Udp {
                latency,
                loss: Share::percent(20),
                duplicate: Share::percent(5),
                late: Share::percent(10),
                late_by: Duration::from_secs(2),
            },
            tcp: Tcp {
                latency,
                bandwidth: 1_000_000,
                window: 64 << 10,
                pieces: Share::percent(30),
                piece: 16,
                stall: Share::percent(1),
                stall_for: Duration::from_secs(3),
                reset: Share::per_million(300),
                half_open: Share::per_million(2_000),
                refuse: Share::percent(2),
            },
        }
    }

    /// The same latencies and bandwidth, and nothing goes wrong: what [`Scenario`](super::Scenario) heals to.
    #[must_use]
    pub fn calmed(&self) -> Self {
        let mut calm = Self::default();
        calm.udp.latency = self.udp.latency;
        calm.tcp.latency = self.tcp.latency;
        calm.tcp.bandwidth = self.tcp.bandwidth;
        calm.tcp.window = self.tcp.window;
        calm
    }
}

/// A name that is no preset's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no network is called {0:?}; there are lan, wifi, wan and hostile")]
pub struct UnknownNetwork(String);

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(name: &str) -> Result<Self, UnknownNetwork> {
        match name {
            "lan" => Ok(Self::lan()),
            "wifi" => Ok(Self::wifi()),
            "wan" => Ok(Self::wan()),
            "hostile" => Ok(Self::hostile()),
            other => Err(UnknownNetwork(other.into())),
        }
    }
}

/// A network as it stands in JSON: a preset's name, or its fields.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Preset(String),
    Fields(Fields),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    udp: Udp,
    #[serde(default)]
    tcp: Tcp,
}

impl TryFrom<Form> for Network {
    type Error = UnknownNetwork;

    fn try_from(form: Form) -> Result<Self, UnknownNetwork> {
        match form {
            Form::Preset(name) => name.parse(),
            Form::Fields(Fields { udp, tcp }) => Ok(Self { udp, tcp }),
        }
    }
}

/// So many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many milliseconds.
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Durations in JSON: milliseconds, kept to the microsecond.
pub(super) mod millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use std::time::Duration;

    /// The longest, so that no sum of a few overflows: about 11 days.
    const MOST: f64 = 1e9;

    fn from_millis<E: Error>(millis: f64) -> Result<Duration, E> {
        if (0.0..=MOST).contains(&millis) {
            Ok(Duration::from_micros((millis * 1e3).round() as u64))
        } else {
            Err(E::custom(format_args!("a time in milliseconds is from 0 to {MOST}, not {millis}")))
        }
    }

    fn to_millis(duration: &Duration) -> f64 {
        duration.as_micros() as f64 / 1e3
    }

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        to_millis(duration).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        from_millis(f64::deserialize(deserializer)?)
    }

    /// A least and a most.
    pub(crate) mod pair {
        use super::{from_millis, to_millis};
        use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
        use std::time::Duration;

        type Pair = (Duration, Duration);

        pub(crate) fn serialize<S: Serializer>((low, high): &Pair, serializer: S) -> Result<S::Ok, S::Error> {
            (to_millis(low), to_millis(high)).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pair, D::Error> {
            let (low, high) = <(f64, f64)>::deserialize(deserializer)?;
            if low > high {
                return Err(D::Error::custom("the least latency is above the most"));
            }
            Ok((from_millis(low)?, from_millis(high)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_survive_json_and_presets_have_names() {
        for name in Network::PRESETS {
            let network: Network = name.parse().unwrap();
            let json = serde_json::to_string(&network).unwrap();
            assert_eq!(serde_json::from_str::<Network>(&json).unwrap(), network, "{json}");
            assert_eq!(serde_json::from_str::<Network>(&format!("{name:?}")).unwrap(), network);
        }
        let partly: Network = serde_json::from_str(r#"{"udp": {"loss": 0.2, "latency": [1, 2.5]}}"#).unwrap();
        assert_eq!((partly.udp.loss, partly.tcp), (Share::percent(20), Tcp::default()));
        for bad in [r#""moon""#, r#"{"udp": {"loss": 2}}"#, r#"{"tcp": {"stall_for": -1}}"#, r#"{"upd": {}}"#] {
            assert!(serde_json::from_str::<Network>(bad).is_err(), "{bad}");
        }
    }
}
