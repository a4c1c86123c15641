//! `zre chat`: people who talk, each at a terminal.

use crate::{
    cli::{NodeOptions, complain, personal_name},
    json,
    output::Output,
    signals,
    text::{clean, message},
};
use clap::Args;
use std::{
    io::{self, BufRead},
    process::ExitCode,
    sync::Arc,
    thread,
};
use zre_mio::{Event, ExitReason, Node, PeerId};

/// Talk with everybody on the network who does the same
///
/// What you type goes to all peers in your group, the first of --group; what they type appears here. Nobody has to be told where the others
/// are. A line that begins with / is a command: /help lists them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) node: NodeOptions,
    /// Print events as JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  zre chat                              meet everybody on your network
  zre chat --name alice --group tea     under that name, in the group tea
  zre chat --interface lo               try it on this machine alone, in two terminals

End with /quit, Ctrl-D or Ctrl-C.";

const HELP: &str = "\
/w NAME TEXT   whisper to one peer, by name or UUID; a name with blanks goes in \"quotes\"
/peers         who is here
/join GROUP    join a group, and talk in it from now on
/leave GROUP   leave a group
/quit          leave the chat
//TEXT         say TEXT with one / before it";

/// Runs until the input ends, a signal comes, or nobody reads the output.
pub(crate) fn run(options: &Options) -> ExitCode {
    let groups = match &options.node.group[..] {
        [] => vec!["chat".to_owned()],
        given => given.to_vec(),
    };
    let node = match options.node.start(personal_name(), &groups) {
        Ok(node) => node,
        Err(code) => return code,
    };
    signals::stop_the_node(node.clone());
    let chat = Arc::new(Chat { node, output: Output::new(), json: options.json });
    chat.greet(&groups);

    let (typing, group) = (chat.clone(), groups.into_iter().next());
    let typed = thread::Builder::new().name("input".into()).spawn(move || typing.listen_to_the_user(group));
    if let Err(error) = typed {
        complain(&format!("nothing can be typed: {error}"));
        return ExitCode::FAILURE;
    }
    loop {
        if chat.output.is_broken() {
            chat.node.stop();
        }
        match chat.node.recv() {
            Ok(event) => chat.show(&event),
            Err(_) => break,
        }
    }
    ExitCode::SUCCESS
}

#[derive(Debug)]
struct Chat {
    node: Node,
    output: Output,
    json: bool,
}

impl Chat {
    fn greet(&self, groups: &[String]) {
        if self.json {
            return self.output.line(json::start(&self.node));
        }
        let groups = groups.iter().map(|group| clean(group)).collect::<Vec<_>>().join(", ");
        self.output.note(format_args!("you are {} in {groups}; /help says what you can do", clean(self.node.name())));
    }

    /// What the program says by itself. It must not come between lines of JSON.
    fn note(&self, text: &str) {
        if self.json { complain(text) } else { self.output.note(text) }
    }

    fn show(&self, event: &Event) {
        if self.json {
            if let Some(line) = json::event(event, &self.node) {
                self.output.line(line);
            }
            return;
        }
        let who = |peer: &PeerId, name: &str| self.output.name(*peer, &self.called(*peer, name));
        let out = &self.output;
        match event {
            Event::Enter { peer, name, .. } => out.note(format_args!("{} is here", self.called(*peer, name))),
            // It is us who leave, and that is said by itself.
            Event::Exit { reason: ExitReason::Stopped, .. } => {}
            Event::Exit { peer, name, reason, .. } => {
                out.note(format_args!("{} {}", self.called(*peer, name), farewell(*reason)));
            }
            Event::Evasive { peer, name } => out.note(format_args!("{} is quiet", self.called(*peer, name))),
            Event::Silent { peer, name } => out.note(format_args!("{} is silent", self.called(*peer, name))),
            Event::Join { peer, name, group } => {
                out.note(format_args!("{} joined {}", self.called(*peer, name), clean(group)));
            }
            Event::Leave { peer, name, group } => {
                out.note(format_args!("{} left {}", self.called(*peer, name), clean(group)));
            }
            Event::Leader { peer, group, .. } if *peer == self.node.uuid() => {
                out.note(format_args!("you lead {}", clean(group)));
            }
            Event::Leader { peer, name, group } => {
                out.note(format_args!("{} leads {}", self.called(*peer, name), clean(group)));
            }
            Event::Whisper { peer, name, content } => {
                out.line(format_args!("{} whispers: {}", who(peer, name), message(content)));
            }
            Event::Shout { peer, name, group, content } => match self.node.own_groups().len() {
                ..2 => out.line(format_args!("{}: {}", who(peer, name), message(content))),
                _ => out.line(format_args!("[{}] {}: {}", clean(group), who(peer, name), message(content))),
            },
            Event::IdentityConflict { peer } => out.note(format_args!("somebody else claims to be {peer}")),
            Event::Stop => out.note("you have left"),
            _ => {}
        }
    }

    /// A peer's name, with the beginning of its UUID where others bear the same name.
    fn called(&self, peer: PeerId, name: &str) -> String {
        let alike = self.peers().iter().any(|(other, theirs)| *other != peer && **theirs == *name);
        match alike {
            true => format!("{} ({:.6})", clean(name), peer.to_string()),
            false => clean(name).into(),
        }
    }

    fn peers(&self) -> Vec<(PeerId, Arc<str>)> {
        let named = |peer| Some((peer, self.node.peer_name(peer)?));
        self.node.peers().into_iter().filter_map(named).collect()
    }

    /// The peer by that name or UUID, or else what to say about it.
    fn find(&self, wanted: &str) -> Result<PeerId, String> {
        let peers = self.peers();
        if let Ok(peer) = wanted.parse::<PeerId>()
            && peers.iter().any(|(found, _)| *found == peer)
        {
            return Ok(peer);
        }
        // As typed from what was shown.
        let alike: Vec<PeerId> =
            peers.iter().filter(|(_, name)| clean(name) == wanted).map(|(peer, _)| *peer).collect();
        match alike[..] {
            [] => Err(format!("nobody here is called {wanted}; /peers shows who is here")),
            [peer] => Ok(peer),
            _ => {
                let all = alike.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Err(format!("several are called {wanted}; whisper to one of these instead: {all}"))
            }
        }
    }

    fn listen_to_the_user(&self, mut group: Option<String>) {
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        loop {
            line.clear();
            match input.read_until(b'\n', &mut line) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => break,
            }
            let line = String::from_utf8_lossy(&line);
            match Line::read(line.trim_end_matches(['\n', '\r'])) {
                Line::Quit => break,
                line => self.obey(line, &mut group),
            }
            if self.output.is_broken() {
                break;
            }
        }
        self.node.stop();
    }

    fn obey(&self, line: Line<'_>, group: &mut Option<String>) {
        let result = match line {
            Line::Nothing | Line::Quit => Ok(()),
            Line::Say(text) => match group {
                Some(group) => self.node.shout(group, text).map(|reached| {
                    if reached == 0 {
                        self.note(&format!("nobody else is in {} yet", clean(group)));
                    }
                }),
                None => {
                    self.note("you are in no group; /join one");
                    Ok(())
                }
            },
            Line::Whisper(name, text) => match self.find(name) {
                Ok(peer) => self.node.whisper(peer, text),
                Err(why) => {
                    self.note(&why);
                    Ok(())
                }
            },
            Line::Peers => {
                self.list_peers();
                Ok(())
            }
            Line::Join(wanted) => self.node.join(wanted).map(|_| {
                *group = Some(wanted.to_owned());
                self.note(&format!("you talk in {} now", clean(wanted)));
            }),
            Line::Leave(unwanted) => self.node.leave(unwanted).map(|was_in| match was_in {
                true => {
                    let own = self.node.own_groups();
                    *group = group.take().filter(|group| own.contains(group)).or_else(|| own.first().cloned());
                    let left = clean(unwanted);
                    match group {
                        Some(group) => self.note(&format!("you left {left}, and talk in {} now", clean(group))),
                        None => self.note(&format!("you left {left}, and are in no group")),
                    }
                }
                false => self.note(&format!("you are not in {}", clean(unwanted))),
            }),
            Line::Help => {
                HELP.lines().for_each(|line| self.note(line));
                Ok(())
            }
            Line::Wrong(why) => {
                self.note(why);
                Ok(())
            }
        };
        if let Err(error) = result {
            self.note(&error.to_string());
        }
    }

    fn list_peers(&self) {
        let peers = self.peers();
        if peers.is_empty() {
            self.note("nobody else is here yet");
        }
        for (peer, name) in peers {
            let at =
                self.node.peer_address(peer).map(|at| format!(" at {}", clean(&at.to_string()))).unwrap_or_default();
            let headers = self.node.peer_headers(peer).unwrap_or_default();
            let headers: Vec<String> =
                headers.iter().map(|(name, value)| format!(" {}={}", clean(name), clean(value))).collect();
            self.note(&format!("{} {peer}{at}{}", clean(&name), headers.concat()));
        }
    }
}

fn farewell(reason: ExitReason) -> String {
    match reason {
        ExitReason::Left => "has left".into(),
        other => format!("is gone: {other}"),
    }
}

/// What a line from the user asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Nothing,
    Say(&'a str),
    Whisper(&'a str, &'a str),
    Peers,
    Join(&'a str),
    Leave(&'a str),
    Help,
    Quit,
    Wrong(&'static str),
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        if line.trim().is_empty() {
            return Self::Nothing;
        }
        let Some(command) = line.strip_prefix('/') else { return Self::Say(line) };
        if command.starts_with('/') {
            return Self::Say(command);
        }
        let (command, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim_start();
        match (command, rest.trim_end()) {
            ("w", _) => match split_name(rest) {
                Some((name, text)) => Self::Whisper(name, text),
                None => Self::Wrong("say whom and what: /w NAME TEXT"),
            },
            ("join", "") => Self::Wrong("say which group: /join GROUP"),
            ("leave", "") => Self::Wrong("say which group: /leave GROUP"),
            ("join", group) => Self::Join(group),
            ("leave", group) => Self::Leave(group),
            ("peers", "") => Self::Peers,
            ("help", "") => Self::Help,
            ("quit", "") => Self::Quit,
            _ => Self::Wrong("there is no such command; /help lists them"),
        }
    }
}

/// A name, in quotes where it has blanks, and what follows it.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => text.split_once(char::is_whitespace)?,
    };
    let rest = rest.trim_start();
    (!name.is_empty() && !rest.is_empty()).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_talk_or_commands() {
        for (line, meant) in [
            ("", Line::Nothing),
            ("  ", Line::Nothing),
            ("hello / there", Line::Say("hello / there")),
            ("//etc is a directory", Line::Say("/etc is a directory")),
            ("/w bob good  day", Line::Whisper("bob", "good  day")),
            ("/w  \"Bob B\" hi", Line::Whisper("Bob B", "hi")),
            ("/join tea time ", Line::Join("tea time")),
            ("/leave tea", Line::Leave("tea")),
            ("/peers ", Line::Peers),
            ("/help", Line::Help),
            ("/quit", Line::Quit),
        ] {
            assert_eq!(Line::read(line), meant, "{line}");
        }
        for line in ["/w", "/w bob", "/w bob ", "/w \"bob hi", "/join", "/leave  ", "/dance", "/", "/quit now"] {
            assert!(matches!(Line::read(line), Line::Wrong(_)), "{line}");
        }
    }
}
