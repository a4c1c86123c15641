//! Events as lines of JSON, one object each.

use std::fmt::Write;
use zre_mio::{Content, Event, Headers, Node};

/// An object in the making, its fields in the order they are given.
#[derive(Debug)]
pub(crate) struct Object(String);

impl Object {
    /// The line that an event makes, whose kind is its first field.
    pub(crate) fn event(kind: &str) -> Self {
        Self("{".into()).text("event", kind)
    }

    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, &string(value))
    }

    fn raw(mut self, name: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Writing to a String does not fail.
        let _ = write!(self.0, "{}:{value}", string(name));
        self
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// The first line of a node's life.
pub(crate) fn start(node: &Node) -> String {
    let object = Object::event("START").text("peer", &node.uuid().to_string()).text("name", node.name());
    match node.endpoint() {
        Some(endpoint) => object.text("endpoint", &endpoint.to_string()),
        None => object,
    }
    .end()
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
        Event::Join { name, group, .. } | Event::Leave { name, group, .. } => about(name).text("group", group).end(),
        Event::Whisper { name, content, .. } => about(name).raw("content", &frames(content)).end(),
        Event::Shout { name, group, content, .. } => {
            about(name).text("group", group).raw("content", &frames(content)).end()
        }
        Event::Stop => about(node.name()).end(),
        _ => return None,
    })
}

fn headers(headers: &Headers) -> String {
    let fields = headers.iter().map(|(name, value)| format!("{}:{}", string(name), string(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
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

fn string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    // JSON lets these through; a terminal may take them for orders.
    let unsafe_here = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    if !quoted.contains(unsafe_here) {
        return quoted;
    }
    quoted.chars().fold(String::new(), |mut escaped, c| {
        if unsafe_here(c) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_so_that_it_comes_back_the_same() {
        for text in ["", "a\"b\\c", "\x1b[2J\n", "\u{9b}31m\x7f", "世界"] {
            let json = string(text);
            assert!(!json.contains(char::is_control), "{json}");
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
