//! All that was measured.

use crate::{contestant::Contestant, stats::Spread, work::Work};

/// What is measured of a contestant: `p50`, `rate`, …
pub type Metric = &'static str;

/// One figure, each time that it was taken.
#[derive(Debug)]
pub struct Figure {
    pub work: Work,
    /// Which case of the work: `1 KiB`, …
    pub case: String,
    pub contestant: Contestant,
    pub metric: Metric,
    pub values: Vec<f64>,
}

/// All figures, in the order in which they were first taken.
#[derive(Debug, Default)]
pub struct Results(Vec<Figure>);

impl Results {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Figure> {
        self.0.iter()
    }

    /// Adds what a figure was this time.
    pub fn add(&mut self, work: Work, case: &str, contestant: Contestant, metric: Metric, value: f64) {
        let is_it = |found: &&mut Figure| {
            (found.work, &*found.case, found.contestant, found.metric) == (work, case, contestant, metric)
        };
        match self.0.iter_mut().find(is_it) {
            Some(found) => found.values.push(value),
            None => self.0.push(Figure { work, case: case.into(), contestant, metric, values: vec![value] }),
        }
    }

    /// What a figure came to.
    pub fn spread(&self, work: Work, case: &str, contestant: Contestant, metric: Metric) -> Option<Spread> {
        let is_it = |found: &&Figure| {
            (found.work, &*found.case, found.contestant, found.metric) == (work, case, contestant, metric)
        };
        Spread::of(&self.0.iter().find(is_it)?.values)
    }

    /// Its median.
    pub fn median(&self, work: Work, case: &str, contestant: Contestant, metric: Metric) -> Option<f64> {
        Some(self.spread(work, case, contestant, metric)?.median)
    }

    /// The best median that one of these has.
    pub fn best(&self, work: Work, case: &str, of: &[Contestant], metric: Metric) -> Option<f64> {
        let medians = of.iter().filter_map(|one| self.median(work, case, *one, metric));
        if work.less_is_better() { medians.min_by(f64::total_cmp) } else { medians.max_by(f64::total_cmp) }
    }

    /// The cases of a work.
    pub fn cases(&self, work: Work) -> Vec<&str> {
        let mut cases = Vec::new();
        for figure in self.0.iter().filter(|figure| figure.work == work) {
            if !cases.contains(&&*figure.case) {
                cases.push(&*figure.case);
            }
        }
        cases
    }

    /// Who has figures in a case of a work.
    pub fn contestants(&self, work: Work, case: &str) -> Vec<Contestant> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .filter(|figure| figure.work == work && figure.case == case)
            .map(|figure| figure.contestant)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
