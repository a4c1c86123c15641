//! The example of the simulator does what it says: the bug is found, becomes small, and is found again; and the same
//! application runs over real sockets.

use std::{
    collections::BTreeSet,
    process,
    sync::{Arc, Mutex, mpsc},
    thread,
};
use zre_engine::sim::{Network, Rule, Scenario, secs, shrink};
use zre_mio::{App, Cx, Event, Node};
use zre_tests::ours::PATIENCE;

#[path = "../../zre-engine/examples/replicated.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a program of its own, and `main` is left over")]
mod replicated;

use replicated::{GuestBook, trial};

/// Within so many seeds the bug must show.
const FOUND_WITHIN: u64 = 50;

fn rule() -> Rule {
    Rule::Yours("all books are equal".into())
}

#[test]
fn the_bug_is_found_made_small_and_found_again() {
    let trial = trial(false);
    let fails = |seed: &u64| !trial.run(&Scenario::swarm(*seed)).violations.is_empty();
    let seed = (0..FOUND_WITHIN).find(fails).expect("the bug");
    let found = trial.run(&Scenario::swarm(seed));
    assert_eq!(found.violations[0].rule, rule(), "{found}");

    let smallest = shrink(&found.scenario, |scenario| trial.run(scenario)).expect("it fails").report;
    assert_eq!(smallest.violations[0].rule, rule());
    let scenario = &smallest.scenario;
    assert!(scenario.operations.len() <= 5 && scenario.nodes <= 3, "{scenario}");
    assert!(found.scenario.operations.len() > scenario.operations.len(), "{}", found.scenario);

    let again = Scenario::from_json(&scenario.to_json()).expect("a scenario");
    assert_eq!(again, *scenario);
    let again = trial.run(&again);
    assert_eq!((again.digest, again.violations), (smallest.digest, smallest.violations));
}

#[test]
fn without_faults_the_bug_does_not_show() {
    for seed in 0..50 {
        let scenario = Scenario { network: Network::lan(), duration: secs(60), ..Scenario::new(seed, 5) };
        let report = trial(false).run(&scenario);
        assert!(report.violations.is_empty(), "{report}");
    }
}

#[test]
fn without_the_bug_all_books_are_equal() {
    // Seed 12 once had a HELLO that was held up for seconds on a connection which its sender had given up.
    for seed in 0..50 {
        let report = trial(true).run(&Scenario::swarm(seed));
        assert!(report.violations.is_empty(), "{report}");
    }
}

/// What both have, as of the last call of each.
type Shelf = Arc<Mutex<Option<[BTreeSet<String>; 2]>>>;

/// Looks over the shoulder of an application, and stops it when both books are equal and have lines of both.
struct Watched {
    book: GuestBook,
    place: usize,
    shelf: Shelf,
}

impl Watched {
    fn call(&mut self, cx: &mut Cx<'_>, call: impl FnOnce(&mut GuestBook, &mut Cx<'_>)) {
        let mut shelf = self.shelf.lock().expect("nobody panics");
        let Some(books) = &mut *shelf else { return cx.stop() };
        call(&mut self.book, cx);
        books[self.place].clone_from(&self.book.lines);
        let has_lines_of = |name| books[0].iter().filter(|line| line.starts_with(name)).count() >= 2;
        if books[0] == books[1] && has_lines_of("ann") && has_lines_of("ben") {
            *shelf = None;
            cx.stop();
        }
    }
}

impl App for Watched {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        self.call(cx, App::on_start);
    }

    fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
        self.call(cx, |book, cx| book.on_event(cx, event));
    }

    fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
        self.call(cx, |book, cx| book.on_timer(cx, timer));
    }
}

#[test]
fn over_real_sockets_two_books_become_equal() {
    // Between those of other tests.
    let port = 21_000 + (process::id() % 9_000) as u16;
    let shelf = Shelf::new(Mutex::new(Some(Default::default())));
    let (done, ended) = mpsc::channel();
    for (place, name) in ["ann", "ben"].into_iter().enumerate() {
        let watched = Watched { book: GuestBook { fixed: true, ..GuestBook::default() }, place, shelf: shelf.clone() };
        let done = done.clone();
        thread::spawn(move || done.send(zre_mio::run(Node::builder(name).interface("lo").port(port), watched)));
    }
    // Both write two lines within ten seconds.
    let mut books = (0..2).map(|_| {
        let end = ended.recv_timeout(3 * PATIENCE).expect("an end, and no panic");
        end.expect("a node that runs").book.lines
    });
    let (one, other) = (books.next().expect("one"), books.next().expect("two"));
    assert!(one == other && one.len() >= 4, "{one:?} {other:?}");
}
