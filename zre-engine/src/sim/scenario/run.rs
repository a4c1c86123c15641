//! A scenario is run: a time in which things go wrong and nothing may be broken, then all is healed and everything must
//! become right.

use super::Scenario;
use crate::{
    Config,
    app::App,
    sim::{Drain, Identity, Plan, Rule, Sample, Sim, Totals, Trace, Violation, secs},
};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

type Make<A> = dyn Fn(usize) -> A;
type Configure = dyn Fn(usize, &mut Config);
type Visit<A> = dyn Fn(&mut Sim<A>);
type Finish<A> = dyn Fn(&mut Sim<A>) -> Result<(), String>;

/// How long the cluster may take to become exact after all is healed: a silence is noticed after 30 s, and then found out
/// by the other side.
const HEALED_WITHIN: Duration = secs(50);

/// The same where other things than beacons lead nodes to each other: who looks for somebody tries again after 30 s at most,
/// and may be in the middle of an attempt.
const FOUND_WITHIN: Duration = secs(100);

/// The time after which what was sent must have arrived, on a network that is well.
const ARRIVED_WITHIN: Duration = secs(15);

/// How long an election may take once its voters see each other.
const ELECTED_WITHIN: Duration = secs(5);

/// How long a healed cluster is watched for being quiet: long enough for every silence to be asked about twice.
const QUIET: Duration = secs(50);

/// How scenarios are run: with which applications, and what is looked at beside the invariants that hold for any cluster.
///
/// ```
/// use zre_engine::{Event, app::{App, Cx}, sim::{Scenario, Trial}};
///
/// #[derive(Default)]
/// struct Counter {
///     peers: usize,
/// }
///
/// impl App for Counter {
///     fn on_event(&mut self, _: &mut Cx<'_>, event: Event) {
///         match event {
///             Event::Enter { .. } => self.peers += 1,
///             Event::Exit { .. } => self.peers -= 1,
///             _ => {}
///         }
///     }
/// }
///
/// let trial = Trial::of(|_| Counter::default()).prepare(|sim| {
///     sim.invariant("the counter is right", |sim| {
///         // Who does not look at its events cannot know what they say.
///         let mut knowing = sim.living().filter(|node| sim.is_awake(*node) && !sim.is_slow(*node));
///         let wrong = knowing.find(|node| sim.app(*node).peers != sim.node(*node).peers().count());
///         wrong.map_or(Ok(()), |node| Err(format!("not at node {node}")))
///     });
/// });
/// let report = trial.run(&Scenario::swarm(1));
/// assert!(report.violations.is_empty(), "{report}");
/// ```
#[must_use = "nothing happens before `run`"]
pub struct Trial<A> {
    make: Rc<Make<A>>,
    configure: Rc<Configure>,
    prepare: Box<Visit<A>>,
    finishes: Vec<(String, Box<Finish<A>>)>,
    quiet: bool,
    trace: bool,
    lives: bool,
    drain: Drain,
}

impl Trial<()> {
    /// Nodes whose applications do nothing of their own: the operations of the scenario are all that happens, so in the end
    /// the cluster must be quiet.
    pub fn of_nodes() -> Self {
        Self { quiet: true, ..Self::of(|_| ()) }
    }
}

impl<A: App + 'static> Trial<A> {
    /// Nodes with these applications.
    pub fn of(make: impl Fn(usize) -> A + 'static) -> Self {
        Self {
            make: Rc::new(make),
            configure: Rc::new(|_, config| {
                // Little room, so that it is soon used up.
                config.limits.send_queue = 256 << 10;
                config.limits.events = 256 << 10;
            }),
            prepare: Box::new(|_| ()),
            finishes: Vec::new(),
            quiet: false,
            trace: false,
            lives: false,
            drain: Drain::default(),
        }
    }

    /// Changes the configuration of each node. Without it, nodes have queues of 256 KiB, so that floods fill them.
    pub fn config(mut self, configure: impl Fn(usize, &mut Config) + 'static) -> Self {
        self.configure = Rc::new(configure);
        self
    }

    /// Called with each cluster before it begins: add invariants here.
    pub fn prepare(mut self, prepare: impl Fn(&mut Sim<A>) + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// Adds something that must be true in the end, when all is well again: `finish` may run the cluster on, and looks at
    /// its applications. An `Err` is a violation, and so is a panic, there or in the applications.
    ///
    /// ```
    /// # use zre_engine::{app::App, sim::{Scenario, Trial, secs}};
    /// # struct Copy { entries: Vec<String> }
    /// # impl App for Copy {}
    /// let trial = Trial::of(|_| Copy { entries: Vec::new() }).finish("all copies are equal", |sim| {
    ///     sim.run_for(secs(10));
    ///     let copies: Vec<_> = sim.living().map(|node| &sim.app(node).entries).collect();
    ///     let differs = copies.iter().position(|copy| copy != &copies[0]);
    ///     differs.map_or(Ok(()), |at| Err(format!("{:?} and {:?}", copies[0], copies[at])))
    /// });
    /// # assert!(trial.run(&Scenario::new(1, 2)).violations.is_empty());
    /// ```
    pub fn finish(mut self, name: &str, finish: impl Fn(&mut Sim<A>) -> Result<(), String> + 'static) -> Self {
        self.finishes.push((name.to_owned(), Box::new(finish)));
        self
    }

    /// Whether a healed cluster must be quiet: not when applications talk by themselves.
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Writes down all that happens ([`Report::trace`]).
    pub fn trace(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// Writes down the lives of all nodes ([`Sim::life`]), for [`finish`](Self::finish).
    pub fn record_lives(mut self, lives: bool) -> Self {
        self.lives = lives;
        self
    }

    /// In which order actions and events are taken from the nodes; it makes no difference.
    pub fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// The cluster of a scenario, at time zero. Its operations are not carried out: [`run`](Self::run) does that.
    pub fn build(&self, scenario: &Scenario) -> Sim<A> {
        let (make, configure) = (self.make.clone(), self.configure.clone());
        let (plan, nodes) = (scenario.discovery, scenario.nodes);
        let mut builder = Sim::builder(scenario.seed)
            .nodes(scenario.nodes, move |node| make(node))
            .config(move |node, config| configure(node, config))
            .hubs(plan.hubs())
            .discovery(move |machine| plan.of(machine, nodes))
            .network(scenario.network.clone())
            .hostile(scenario.hostile)
            .trace(self.trace)
            .record_lives(self.lives)
            .drain(self.drain)
            .keep_going(true);
        for group in &scenario.contest {
            builder = builder.contest(group);
        }
        let mut sim = builder.build();
        (self.prepare)(&mut sim);
        sim
    }

    /// Runs a scenario: first its operations, in which no invariant may be violated; then all is healed, hubs that are down
    /// start again, and within 50 s (100 s, where other things than beacons lead nodes to each other) every view must be
    /// exact; then each group that somebody wants to lead must have one leader, and what was sent must have arrived.
    pub fn run(&self, scenario: &Scenario) -> Report {
        self.run_seen(scenario, |_| ())
    }

    /// As [`run`](Self::run), and `see` is called now and then, for those who watch.
    pub fn run_seen(&self, scenario: &Scenario, mut see: impl FnMut(&Sim<A>)) -> Report {
        let mut sim = self.build(scenario);
        let mut healed_in = None;
        let run = AssertUnwindSafe(|| {
            self.go_wrong(scenario, &mut sim, &mut see);
            let within = if scenario.discovery == Plan::Beacons { HEALED_WITHIN } else { FOUND_WITHIN };
            healed_in = self.go_well(within, &mut sim, &mut see);
        });
        if let Err(panic) = catch_unwind(run) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
            sim.violated(Rule::Yours("no panic".into()), None, text.to_owned());
        }
        Report {
            scenario: scenario.clone(),
            digest: sim.digest(),
            simulated: sim.now(),
            full_mesh: sim.full_mesh(),
            mesh_times: sim.mesh_times(),
            curve: sim.curve().to_vec(),
            healed_in,
            totals: sim.totals().clone(),
            violations: sim.violations().to_vec(),
            trace: sim.take_trace(),
        }
    }

    fn go_wrong(&self, scenario: &Scenario, sim: &mut Sim<A>, see: &mut impl FnMut(&Sim<A>)) {
        for (number, operation) in scenario.operations.iter().enumerate() {
            run_seen(sim, operation.at, see);
            operation.what.apply(sim, number);
        }
        run_seen(sim, scenario.duration, see);
    }

    fn go_well(&self, within: Duration, sim: &mut Sim<A>, see: &mut impl FnMut(&Sim<A>)) -> Option<Duration> {
        sim.calm();
        for hub in sim.len()..sim.nodes_and_hubs() {
            if !sim.is_awake(hub) {
                // Without it nobody would find those who come from now on.
                sim.restart(hub, Identity::New);
            }
        }
        let healed_in = sim.assert_converges(within)?;
        see(sim);
        // Until what broke has come to its end: what is exact at one moment need not be so at the next, and what was sent
        // on a connection that died without a word is missing until the silence is noticed.
        let end = sim.now() + ARRIVED_WITHIN + within;
        run_seen(sim, end, see);
        sim.assert_converges(within)?;
        sim.assert_led(ELECTED_WITHIN);
        sim.check_arrivals(ARRIVED_WITHIN);
        sim.check_answers();
        if self.quiet {
            sim.check_connections();
            sim.assert_quiet(QUIET);
        }
        for (name, finish) in &self.finishes {
            if let Err(what) = finish(sim) {
                sim.violated(Rule::Yours(name.clone()), None, what);
            }
        }
        Some(healed_in)
    }
}

/// Runs to a time, in small steps so that somebody can watch.
fn run_seen<A: App>(sim: &mut Sim<A>, to: Duration, see: &mut impl FnMut(&Sim<A>)) {
    const STEP: Duration = Duration::from_millis(100);
    while sim.now() < to {
        sim.run_for(STEP.min(to - sim.now()));
        see(sim);
    }
}

impl<A> fmt::Debug for Trial<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("quiet", &self.quiet).finish_non_exhaustive()
    }
}

/// What came of a scenario.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The scenario.
    pub scenario: Scenario,
    /// A number that stands for everything that happened.
    pub digest: u64,
    /// How much time passed in the cluster.
    pub simulated: Duration,
    /// When for the first time every node saw every other.
    pub full_mesh: Option<Duration>,
    /// For each node, when for the first time it saw every other, since its own start.
    pub mesh_times: Vec<Option<Duration>>,
    /// How many pairs there were to see each other, and how many did, over time.
    pub curve: Vec<Sample>,
    /// How long the views took to become exact once all was healed.
    pub healed_in: Option<Duration>,
    /// What was counted.
    pub totals: Totals,
    /// The invariants that did not hold.
    pub violations: Vec<Violation>,
    /// What was written down, where it was asked for.
    pub trace: Option<Trace>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.violations.len() {
            0 => "all invariants hold".to_owned(),
            1 => "1 violation".to_owned(),
            count => format!("{count} violations"),
        };
        let (seed, nodes) = (self.scenario.seed, self.scenario.nodes);
        write!(
            f,
            "seed {seed}, {nodes} nodes, {:?} simulated, digest {:016x}: {verdict}",
            self.simulated, self.digest
        )?;
        self.violations.iter().try_for_each(|violation| write!(f, "\n  {violation}"))?;
        if !self.violations.is_empty() {
            write!(f, "\n  to see it again: {}", self.scenario.reproduction())?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Runs the scenario with nodes whose applications do nothing of their own.
    pub fn run(&self) -> Report {
        Trial::of_nodes().run(self)
    }

    /// When it is healed.
    pub fn heals_at(&self) -> Duration {
        let last = self.operations.iter().map(|operation| operation.at).max().unwrap_or_default();
        last.max(self.duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healing_comes_after_the_last_operation() {
        let scenario = Scenario::swarm(3);
        assert!(scenario.operations.is_sorted_by_key(|operation| operation.at));
        assert_eq!(scenario.heals_at(), scenario.operations.last().unwrap().at);
    }
}
