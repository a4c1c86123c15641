//! A node in a process of its own, to be attacked by the tests `hostile_*`: see `zre_tests::hostile`.

fn main() {
    zre_tests::hostile::target::main();
}
