//! Applications over real sockets: [`run`], and the same for a driver that somebody else steps.

use crate::{
    Builder, Driver,
    error::{RunError, StartError},
};
use mio::{Events, Poll, Token};
use std::{io, time::Duration};
use zre_engine::app::{App, Cx, Runner};

/// Runs an application on a node of its own, on this thread, until the node has stopped ([`Cx::stop`]); gives it back.
///
/// The application hears [`App::on_start`] first and [`Event::Stop`](crate::Event::Stop) last. It is called for one
/// thing at a time, and all that it does in a call is on its way to the sockets before the node waits for anything. While a
/// call lasts the node does nothing, so leave work that takes long to another thread. An event counts as waiting until its
/// call has returned: an application that falls behind makes its peers wait ([`Limits::events`](crate::Limits::events)),
/// and nothing is lost.
///
/// Timers come to about a millisecond, never early. Where an event and a timer have both come, the event is first: a
/// timer that waits for an answer does not come if the answer is there.
///
/// To end it from outside, have a timer look at a flag, or step a [`Driver`] of your own and use
/// [`Driver::call_app`].
///
/// ```no_run
/// use std::time::Duration;
/// use zre_mio::{App, Cx, Event, Node};
///
/// /// Greets whoever comes, and says once a second how many it has greeted.
/// #[derive(Default)]
/// struct Greeter {
///     greeted: usize,
/// }
///
/// impl App for Greeter {
///     fn on_start(&mut self, cx: &mut Cx<'_>) {
///         cx.join("lobby").expect("a short name");
///         cx.set_timer(0, Duration::from_secs(1));
///     }
///
///     fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
///         match event {
///             // An error would say that too much waits for the peer already.
///             Event::Enter { peer, .. } => self.greeted += usize::from(cx.whisper(peer, "hello").is_ok()),
///             Event::Shout { content, .. } if content.text() == "good night" => cx.stop(),
///             _ => {}
///         }
///     }
///
///     fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
///         let _ = cx.shout("lobby", format!("greeted {}", self.greeted));
///         cx.set_timer(timer, Duration::from_secs(1));
///     }
/// }
///
/// let greeter = zre_mio::run(Node::builder("greeter").interface("lo"), Greeter::default())?;
/// println!("greeted {}", greeter.greeted);
/// # Ok::<(), zre_mio::RunError>(())
/// ```
///
/// # Errors
///
/// [`RunError::Start`] where the node does not start; the application was not called then. [`RunError::Poll`] where the
/// system no longer tells what happens on the sockets; the application is dropped then.
pub fn run<A: App>(builder: Builder, app: A) -> Result<A, RunError> {
    let mut poll = Poll::new().map_err(StartError::machine("a poll"))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(StartError::random)?;
    let mut driver = builder.driver(poll.registry(), Token(0))?;
    let mut runner = Runner::new(app, seed);
    let mut events = Events::with_capacity(256);
    driver.call_app(&mut runner, App::on_start);
    while !driver.is_stopped() {
        match poll.poll(&mut events, driver.app_timeout(&runner)) {
            Ok(()) => {}
            // A signal, or the debugger: once more.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(RunError::Poll { source }),
        }
        driver.turn(&events);
        driver.serve_app(&mut runner);
    }
    Ok(runner.into_app())
}

/// An [`App`] on a driver that you step: what [`run`] does, in a loop of your own, beside other sources, or with many
/// applications in one poll.
///
/// ```no_run
/// use mio::{Events, Poll, Token};
/// use zre_mio::{App, Node, Runner};
///
/// # struct Greeter;
/// # impl App for Greeter {}
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(256);
/// let mut driver = Node::builder("alice").interface("lo").driver(poll.registry(), Token(0))?;
/// let seed = [7; 32]; // of the system's random source
/// let mut runner = Runner::new(Greeter, seed);
/// driver.call_app(&mut runner, App::on_start);
/// while !driver.is_stopped() {
///     match poll.poll(&mut events, driver.app_timeout(&runner)) {
///         // A signal, or the debugger: once more.
///         Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
///         polled => polled?,
///     }
///     driver.turn(&events);
///     driver.serve_app(&mut runner);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Driver {
    /// Lets an application do something on this driver's node now, and hear what comes of it at once.
    /// [`App::on_start`] is the first. Between two turns anything else may be called: `|_, cx| cx.stop()`, say.
    pub fn call_app<A: App, R>(&mut self, runner: &mut Runner<A>, call: impl FnOnce(&mut A, &mut Cx<'_>) -> R) -> R {
        let result = self.with_engine(|engine, now| runner.call(engine, now, call));
        self.tell_app(runner);
        result
    }

    /// Brings events and due timers to the application: after each [`turn`](Self::turn), in the place of
    /// [`poll_event`](Self::poll_event).
    pub fn serve_app<A: App>(&mut self, runner: &mut Runner<A>) {
        self.tell_app(runner);
        if self.is_stopped() || runner.poll_timeout().is_none() {
            return;
        }
        self.with_engine(|engine, now| runner.timeout(engine, now));
        // What the timers brought about must not wait for the next turn. (Once is all: with timers that come again at
        // once, more would leave the sockets alone for good.)
        self.tell_app(runner);
    }

    /// How long the poll may wait: [`timeout`](Self::timeout), or less where the application has a timer before that.
    pub fn app_timeout<A: App>(&self, runner: &Runner<A>) -> Option<Duration> {
        if self.is_stopped() {
            return None;
        }
        let timer = runner.poll_timeout().map(|at| self.until(at));
        [self.timeout(), timer].into_iter().flatten().min()
    }

    fn tell_app<A: App>(&mut self, runner: &mut Runner<A>) {
        while let Some(event) = self.next_event() {
            let octets = event.octets();
            self.with_engine(|engine, now| runner.event(engine, now, event));
            self.consumed(octets);
        }
    }
}
