//! Events and answers as lines of JSON, one object each.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write};
use zre_mio::{Address, Content, Driver, Event, Headers, Node, PeerId, Statistics};

/// An object in the making, its fields in the order they are given.
#[derive(Debug)]
pub(crate) struct Object(String);

impl Object {
    /// The line that an event makes, whose kind is its first field.
    pub(crate) fn event(kind: &str) -> Self {
        Self::new().text("event", kind)
    }

    /// The line that answers a command.
    pub(crate) fn reply(to: &str) -> Self {
        Self::new().text("reply", to)
    }

    /// The line that says why a command was not obeyed.
    pub(crate) fn error(why: &str) -> Self {
        Self::new().text("error", why)
    }

    pub(crate) fn new() -> Self {
        Self("{".into())
    }

    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, &string(value))
    }

    /// A field whose value is JSON already.
    pub(crate) fn raw(mut self, name: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Writing to a String does not fail.
        let _ = write!(self.0, "{}:{value}", string(name));
        self
    }

    pub(crate) fn number(self, name: &str, value: impl Into<u128>) -> Self {
        self.raw(name, &value.into().to_string())
    }

    pub(crate) fn counts(self, name: &str, counts: &BTreeMap<&str, u64>) -> Self {
        let counts = counts.iter().fold(Self::new(), |object, (reason, count)| object.number(reason, *count));
        self.raw(name, &counts.end())
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// The first line of a node's life.
pub(crate) fn start(node: &Node) -> String {
    started((node.uuid(), node.name()), node.endpoint(), &node.gossip_endpoints())
}

/// The same of a node in a loop of its own.
pub(crate) fn start_of(driver: &Driver) -> String {
    let engine = driver.engine();
    started((engine.uuid(), engine.name()), engine.endpoint(), &driver.gossip_endpoints())
}

fn started((peer, name): (PeerId, &str), endpoint: Option<Address>, hubs: &[Address]) -> String {
    let object = Object::event("START").text("peer", &peer.to_string()).text("name", name);
    let object = match endpoint {
        Some(endpoint) => object.text("endpoint", &endpoint.to_string()),
        None => object,
    };
    if hubs.is_empty() { object } else { object.raw("gossip", &strings(hubs.iter().map(ToString::to_string))) }.end()
}

/// One event; none for what concerns only the program itself.
pub(crate) fn event(event: &Event, node: &Node) -> Option<String> {
    let about = |name: &str| {
        let peer = event.peer().unwrap_or(node.uuid());
        Object::event(event.kind()).text("peer", &peer.to_string()).text("name", name)
    };
    Some(match event {
        Event::Enter { name, headers: told, endpoint, .. } => {
            about(name).raw("headers", &headers(told)).text("endpoint", &endpoint.to_string()).end()
        }
        Event::Evasive { name, .. } | Event::Silent { name, .. } => about(name).end(),
        Event::Exit { name, reason, unsent, .. } => {
            about(name).text("reason", reason.as_str()).raw("unsent", &unsent.to_string()).end()
        }
        Event::Join { name, group, .. } | Event::Leave { name, group, .. } | Event::Leader { name, group, .. } => {
            about(name).text("group", group).end()
        }
        Event::Whisper { name, content, .. } => about(name).raw("content", &frames(content)).end(),
        Event::Shout { name, group, content, .. } => {
            about(name).text("group", group).raw("content", &frames(content)).end()
        }
        Event::IdentityConflict { peer } => about(&node.peer_name(*peer).unwrap_or_default()).end(),
        Event::Stop => about(node.name()).end(),
        _ => return None,
    })
}

pub(crate) fn headers(headers: &Headers) -> String {
    headers.iter().fold(Object::new(), |object, (name, value)| object.text(name, value)).end()
}

/// What has been counted so far, and what there is now.
pub(crate) fn statistics(statistics: &Statistics) -> String {
    // On no machine is a usize longer.
    let now = |count: usize| count as u64;
    Object::new()
        .number("peers", now(statistics.peers))
        .number("strangers", now(statistics.strangers))
        .number("connections", now(statistics.connections))
        .number("messages_sent", statistics.messages_sent)
        .number("messages_received", statistics.messages_received)
        .number("octets_sent", statistics.octets_sent)
        .number("octets_received", statistics.octets_received)
        .number("beacons_sent", statistics.beacons_sent)
        .number("beacons_received", statistics.beacons_received)
        .counts("beacons_rejected", &statistics.beacons_rejected)
        .counts("connections_turned_away", &statistics.turned_away)
        .counts("connections_closed", &statistics.closed)
        .number("identity_conflicts", statistics.identity_conflicts)
        .number("status_mismatches", statistics.status_mismatches)
        .number("skipped", statistics.skipped)
        .number("unsent", statistics.unsent)
        .number("incomplete", now(statistics.incomplete))
        .number("hubs", now(statistics.hubs))
        .number("hub_clients", now(statistics.hub_clients))
        .number("tuples", now(statistics.tuples))
        .number("events_waiting", now(statistics.events_waiting))
        .number("send_queues", now(statistics.send_queues))
        .end()
}

/// A list of texts.
pub(crate) fn strings<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts = texts.into_iter().map(|text| string(text.as_ref()));
    format!("[{}]", texts.collect::<Vec<_>>().join(","))
}

/// A text, or null where there is none.
pub(crate) fn string_or_null<T: AsRef<str>>(text: Option<T>) -> String {
    text.map_or_else(|| "null".into(), |text| string(text.as_ref()))
}

/// A frame is a string where it is text, else `{"hex":"00ff"}`.
fn frames(content: &Content) -> String {
    let frames = content.iter().map(|frame| match std::str::from_utf8(frame) {
        Ok(text) => string(text),
        Err(_) => {
            let hex = frame.iter().fold(String::new(), |mut hex, octet| {
                let _ = write!(hex, "{octet:02x}");
                hex
            });
            format!("{{\"hex\":\"{hex}\"}}")
        }
    });
    format!("[{}]", frames.collect::<Vec<_>>().join(","))
}

pub(crate) fn string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    match harmless(&quoted) {
        Cow::Borrowed(_) => quoted,
        Cow::Owned(escaped) => escaped,
    }
}

/// JSON without what it lets through although a terminal may take it for an order, or a program for the end of the
/// line. It means the same: these signs stand in strings only, but for blanks.
pub(crate) fn harmless(json: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if !json.contains(harmful) {
        return json.into();
    }
    let escaped = json.chars().fold(String::new(), |mut escaped, c| {
        match c {
            // In a string no JSON has them.
            '\0'..='\x1f' => escaped.push(' '),
            c if harmful(c) => drop(write!(escaped, "\\u{:04x}", u32::from(c))),
            c => escaped.push(c),
        }
        escaped
    });
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_so_that_it_comes_back_the_same() {
        for text in ["", "a\"b\\c", "\x1b[2J\n", "\u{9b}31m\x7f", "世界", "a\u{2028}b"] {
            let json = string(text);
            assert!(!json.contains(|c: char| c.is_control() || c == '\u{2028}'), "{json}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn frames_are_text_or_hex() {
        let mut content: Content = "hi".into();
        content.push(&[0u8, 0xff][..]);
        assert_eq!(frames(&content), r#"["hi",{"hex":"00ff"}]"#);
        assert_eq!(frames(&Content::new()), "[]");
    }

    #[test]
    fn fields_keep_their_order() {
        let headers = [("b".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())].into_iter().collect();
        let line = Object::event("ENTER").text("peer", "P").raw("headers", &self::headers(&headers)).end();
        assert_eq!(line, r#"{"event":"ENTER","peer":"P","headers":{"b":"1","a":"2"}}"#);
    }
}
