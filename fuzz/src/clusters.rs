//! Clusters, and the lives of their nodes.

use arbitrary::Unstructured;
use zre_engine::sim::{Scenario, Trial};
use zre_tests::{
    lives::{Manner, Player, cluster},
    trouble::{Trouble, troubled},
};

/// Whatever happens to a cluster: the invariants of the simulator hold, and when all is healed everything becomes right.
pub fn scenario(data: &[u8]) {
    let Ok(scenario) = Unstructured::new(data).arbitrary::<Scenario>() else { return };
    let report = Trial::of_nodes().run(&scenario);
    assert!(report.violations.is_empty(), "{report}");
}

/// The most troubles in a life.
const TROUBLES: u8 = 40;

/// What no driver does and no honest peer sends, in the life of a node of any cluster: it does not panic, a peer's fault is
/// no error, ENTER and EXIT come in turns, and no deadline is met twice.
pub fn life(data: &[u8]) {
    if let Ok((node, troubles, scenario)) = life_of(&mut Unstructured::new(data)) {
        let mut lives = cluster(&scenario);
        let (life, _) = lives.swap_remove(usize::from(node) % lives.len());
        Player::live(&troubled(life, &troubles), &Manner::default());
    }
}

/// Whose life it is, its troubles, and the cluster.
fn life_of(source: &mut Unstructured<'_>) -> arbitrary::Result<(u8, Vec<Trouble>, Scenario)> {
    let (node, count) = (source.arbitrary()?, source.int_in_range(0..=TROUBLES)?);
    let mut troubles = Vec::new();
    for _ in 0..count {
        let (when, kind, choice) = source.arbitrary()?;
        // Not all octets in one: some are left for those that follow.
        let length = source.int_in_range(0u8..=64)?;
        let octets = source.bytes(source.len().min(length.into()))?.to_vec();
        troubles.push(Trouble { when, kind, choice, octets });
    }
    Ok((node, troubles, source.arbitrary()?))
}
