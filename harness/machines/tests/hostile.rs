//! Packages and kernel images with bytes changed, cut out or doubled: a kernel or a refusal, in no time and little memory.
//!
//! A slice of what `harness/fuzz` does for as long as one likes, from the same seeds.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tcpconform_machines::Kernel;

/// Plays of each reader; the same every time.
const PLAYS: u32 = 400;

/// Where, how many bytes are cut out, how many are doubled, and what is written.
type Change = (u16, usize, usize, Vec<u8>);

fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (place, cut, doubled, written) in changes {
        let at = usize::from(*place) % (bytes.len() + 1);
        let end = |bytes: &[u8], len: usize| (at + len).min(bytes.len());
        let piece = bytes[at..end(&bytes, *doubled)].to_vec();
        let last = end(&bytes, *cut);
        bytes.splice(at..last, piece.into_iter().chain(written.iter().copied()));
    }
    bytes
}

/// Gives the reader the seeds of a fuzz target, each changed in many ways, as a file of this name.
fn hostile(target: &str, name: &str) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut seeds: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| fs::read(path).unwrap()).collect();
    let piece = prop::collection::vec(any::<u8>(), 0..6);
    let change = (any::<u16>(), 0..6usize, 0..6usize, piece);
    let input = (prop::sample::select(seeds), prop::collection::vec(change, 0..4));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    let config = Config { cases: PLAYS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let read = |(seed, changes): (Vec<u8>, Vec<Change>)| {
        fs::write(&file, changed(&seed, &changes)).unwrap();
        if let Err(refused) = Kernel::find(file.to_str().unwrap()) {
            prop_assert!(!refused.to_string().is_empty());
        }
        Ok(())
    };
    runner.run(&input, read).unwrap();
}

#[test]
fn any_package_is_a_kernel_or_refused() {
    hostile("package", "some.deb");
}

#[test]
fn any_image_is_a_kernel_or_refused() {
    hostile("image", "vmlinuz");
}
