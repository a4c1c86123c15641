//! A [`Driver`] in a mio loop of your own, beside a timer and another socket: one thread, and no hand-over of anything.
//!
//! ```text
//! $ cargo run -p zre-mio --example mio_loop
//! ```
//!
//! A gateway: what a sensor sends by UDP is shouted to a group. (Sensor and listener are parts of this program too, so that
//! there is something to see.)

use std::{
    error::Error,
    io::ErrorKind,
    net::{Ipv4Addr, UdpSocket as Sensor},
    thread,
    time::{Duration, Instant},
};
use zre_mio::{
    Driver, Event, Node,
    mio::{Events, Interest, Poll, Token, net::UdpSocket},
};

/// Tokens of our own. The driver takes [`Driver::TOKENS`] of them, from the one that it is given on.
const READINGS: Token = Token(0);
const DRIVER: Token = Token(1);

const GROUP: &str = "telemetry";
/// The UDP port of beacons: another one than ZRE's own, 5670, so that the example is a cluster by itself.
const PORT: u16 = 15674;
const TICK: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn Error>> {
    // Somebody who listens: a node on a thread of its own, until the gateway leaves.
    let listener = Node::builder("listener").group(GROUP).interface("lo").port(PORT).start()?;
    let heard = thread::spawn(move || {
        for event in listener.events() {
            match event {
                Event::Shout { name, content, .. } => println!("listener: {name} says {}", content.text()),
                Event::Exit { name, reason, .. } => {
                    println!("listener: {name} is gone: {reason}");
                    break;
                }
                _ => {}
            }
        }
    });

    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    let mut readings = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    poll.registry().register(&mut readings, READINGS, Interest::READABLE)?;
    let sensor = Sensor::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut driver = Node::builder("gateway").interface("lo").port(PORT).driver(poll.registry(), DRIVER)?;

    let mut next_tick = None;
    let mut measured = 0;
    while !driver.is_stopped() {
        // Until the driver or our own timer wants something, whichever is first. Ask the driver anew before each wait.
        let until_tick = next_tick.map(|at: Instant| at.saturating_duration_since(now()));
        let wait = [driver.timeout(), until_tick].into_iter().flatten().min();
        match poll.poll(&mut events, wait) {
            // A signal, or the debugger.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }

        // In each turn, whatever woke the loop: the driver finds its own among the events, and overlooks the others.
        driver.turn(&events);
        while let Some(event) = driver.poll_event() {
            if let Event::Join { name, .. } = event {
                println!("gateway: {name} wants to hear of it");
                next_tick = Some(now());
            }
        }

        // The timer: the sensor measures.
        if next_tick.is_some_and(|at| at <= now()) {
            measured += 1;
            next_tick = (measured < 3).then(|| now() + TICK);
            sensor.send_to(format!("reading {measured}").as_bytes(), readings.local_addr()?)?;
        }

        // The other socket. mio tells once that something came: take all that is there.
        if events.iter().any(|event| event.token() == READINGS) {
            forward(&readings, &mut driver)?;
        }
    }
    heard.join().map_err(|_| "the listener panicked")?;
    Ok(())
}

fn forward(readings: &UdpSocket, driver: &mut Driver) -> Result<(), Box<dyn Error>> {
    let mut octets = [0; 1024];
    loop {
        match readings.recv(&mut octets) {
            Ok(len) => {
                // An error says that somebody does not keep up: that reading is left out.
                let _ = driver.shout(GROUP, &octets[..len]);
                // What was said is still heard by all; then they are told that we leave.
                if &octets[..len] == b"reading 3" {
                    driver.stop();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the engine reads no clock; this is the program around it")]
fn now() -> Instant {
    Instant::now()
}
