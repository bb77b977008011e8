//! Shows that the loom models and the shuttle mixes can fail: each mutant is a small fault planted
//! in a copy of the sources, and the model or mix named beside it must catch it.
//!
//! A mutant is an exact piece of source text and what replaces it (`table.rs`), so the shipped
//! code carries no trace of them, and a mutant whose text has changed fails instead of rotting.
//! Ignored by default, because it builds the crate once for each mutant:
//!
//! ```sh
//! cargo test --test mutants -- --ignored --nocapture
//! ```

mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use table::{EQUIVALENT, IN_MIXES, MUTANTS, Mutant, OF_EPOCH, OVER_EPOCH};

/// Who is to catch a mutant.
#[derive(Clone, Copy, Debug)]
enum Checker {
    /// With at most so many preemptions.
    Loom(u32),
    /// Likewise, over `crossbeam-epoch` instead of the stand-in.
    LoomOverEpoch(u32),
    /// Likewise, of our own epoch by itself.
    LoomOfEpoch(u32),
    /// Its schedules are random, as many as `tests/shuttle` makes of its own accord.
    Shuttle,
}

impl Checker {
    /// The test program.
    fn program(self) -> &'static str {
        match self {
            Self::Loom(_) | Self::LoomOverEpoch(_) => "--test=loom",
            Self::LoomOfEpoch(_) => "--lib",
            Self::Shuttle => "--test=shuttle",
        }
    }

    fn flags(self) -> &'static str {
        match self {
            Self::Loom(_) => "--cfg caskade_loom --cap-lints allow",
            Self::LoomOverEpoch(_) => "--cfg caskade_loom --cfg crossbeam_loom",
            Self::LoomOfEpoch(_) => "--cfg caskade_loom --cfg caskade_epoch --cap-lints allow",
            Self::Shuttle => "--cfg caskade_shuttle",
        }
    }
}

/// A fault that keeps a model from ending has been noticed as well.
const MOST_SECONDS: &str = "300";

/// How `timeout` says that it came to that.
const TIMED_OUT: i32 = 124;

/// A copy of the sources that may be spoilt.
struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Checkers differ in their flags, so each has a target folder of its own. None shares one with
    /// the sources themselves: cargo would not notice that what it built there has a fault.
    fn new(target: &str) -> Self {
        let target = target_dir().join(target);
        let root = target.join("copy");
        let _ = fs::remove_dir_all(&root);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["Cargo.toml", "Cargo.lock", "README.md", "src", "tests", "examples", "benches"]
        {
            copy_tree(&source.join(part), &root.join(part));
        }
        // The checkers need no database, which takes longer to build than all the rest.
        let manifest = root.join("Cargo.toml");
        let full = fs::read_to_string(&manifest).expect("copied above");
        let lines = full.lines().filter(|line| !line.starts_with("rusqlite"));
        fs::write(manifest, lines.collect::<Vec<_>>().join("\n")).expect("the copy is ours");
        Self { root, target }
    }

    fn cargo_test(&self, checker: Checker, arguments: &[&str]) -> Output {
        let mut cargo = Command::new("timeout");
        cargo
            .args([MOST_SECONDS, env!("CARGO"), "test", "--release", checker.program()])
            .args(arguments)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUSTFLAGS", checker.flags())
            // To build takes longer than to run.
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        if let Checker::Loom(bound) | Checker::LoomOverEpoch(bound) | Checker::LoomOfEpoch(bound) =
            checker
        {
            cargo.env("LOOM_MAX_PREEMPTIONS", bound.to_string());
        }
        cargo.output().expect("cargo runs")
    }

    /// Plants the mutant, runs the test that should notice, takes it out again.
    fn verdict(&self, mutant: &Mutant, checker: Checker, test: &str) -> Verdict {
        let path = self.root.join("src").join(mutant.file);
        let sound = fs::read_to_string(&path).expect("the file exists");
        let count = sound.matches(mutant.find).count();
        assert_eq!(count, 1, "{}: its text stands {count} times in {}", mutant.name, mutant.file);
        fs::write(&path, sound.replace(mutant.find, mutant.replace)).expect("the copy is ours");
        let built = self.cargo_test(checker, &["--no-run"]);
        let verdict = if built.status.success() {
            let run = self.cargo_test(checker, &["--", "--exact", test]);
            let report = String::from_utf8_lossy(&run.stdout).into_owned();
            let did_end = run.status.code() != Some(TIMED_OUT);
            if !did_end || report.contains("test result: FAILED") || !report.contains("test result")
            {
                Verdict::Caught
            } else if report.contains("test result: ok") {
                Verdict::Survived
            } else {
                Verdict::Broken(report)
            }
        } else {
            Verdict::Broken(String::from_utf8_lossy(&built.stderr).into_owned())
        };
        fs::write(&path, sound).expect("the copy is ours");
        verdict
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Caught,
    Survived,
    /// It did not build, or its test does not exist.
    Broken(String),
}

fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from)
}

fn copy_tree(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("the target folder is ours");
        for entry in fs::read_dir(from).expect("readable") {
            let name = entry.expect("readable").file_name();
            copy_tree(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::create_dir_all(to.parent().expect("inside the copy")).expect("the folder is ours");
        fs::copy(from, to).expect("the target folder is ours");
    }
}

/// A mutant whose text is gone would plant nothing.
#[test]
fn every_mutant_still_fits() {
    let all = [MUTANTS, OVER_EPOCH, OF_EPOCH, EQUIVALENT].concat();
    for Mutant { name, file, find, .. } in all {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        let source = fs::read_to_string(path).expect("the file exists");
        assert_eq!(source.matches(find).count(), 1, "{name}: its text in {file}");
    }
}

/// Plants those of `mutants` that are asked for; the names of those that were not caught.
fn not_caught<'m>(
    copy: &Copy,
    mutants: impl Iterator<Item = (&'m Mutant, Checker, &'m str)>,
) -> Vec<&'m str> {
    let only = env::var("CASKADE_MUTANT").unwrap_or_default();
    let mut wrong = Vec::new();
    for (mutant, checker, test) in mutants.filter(|(mutant, ..)| mutant.name.contains(&only)) {
        let verdict = copy.verdict(mutant, checker, test);
        println!("{:40} {:10} {:?}", mutant.name, format!("{checker:?}"), verdict);
        if verdict != Verdict::Caught {
            wrong.push(mutant.name);
        }
    }
    wrong
}

#[test]
#[ignore = "builds the crate once for each mutant"]
fn every_mutant_is_caught() {
    let by_models =
        MUTANTS.iter().map(|mutant| (mutant, Checker::Loom(mutant.bound), mutant.model));
    assert_eq!(not_caught(&Copy::new("mutants"), by_models), [""; 0]);
}

#[test]
#[ignore = "builds the crate once for each mutant"]
fn every_fault_in_the_use_of_the_epoch_is_caught() {
    let by_models = OVER_EPOCH.iter().map(|it| (it, Checker::LoomOverEpoch(it.bound), it.model));
    assert_eq!(not_caught(&Copy::new("mutants-epoch"), by_models), [""; 0]);
}

#[test]
#[ignore = "builds the crate once for each mutant"]
fn every_fault_in_the_epoch_is_caught() {
    let tests: Vec<_> = OF_EPOCH.iter().map(|it| format!("epoch::models::{}", it.model)).collect();
    let by_models = OF_EPOCH.iter().zip(&tests);
    let by_models = by_models.map(|(it, test)| (it, Checker::LoomOfEpoch(it.bound), &**test));
    assert_eq!(not_caught(&Copy::new("mutants-of-epoch"), by_models), [""; 0]);
}

#[test]
#[ignore = "builds the crate once for each mutant"]
fn the_mixes_can_fail() {
    let by_mixes = IN_MIXES.iter().map(|&(name, mix)| {
        let mutant = MUTANTS.iter().find(|mutant| mutant.name == name);
        (mutant.expect("one of the mutants"), Checker::Shuttle, mix)
    });
    assert_eq!(not_caught(&Copy::new("mutants-shuttle"), by_mixes), [""; 0]);
}

#[test]
#[ignore = "builds the crate once for each mutant"]
fn equivalent_programs_pass() {
    let copy = Copy::new("mutants");
    for mutant in EQUIVALENT {
        let verdict = copy.verdict(mutant, Checker::Loom(mutant.bound), mutant.model);
        println!("{:40} bound {}  {:?}", mutant.name, mutant.bound, verdict);
        assert_eq!(verdict, Verdict::Survived, "{} was thought to be equivalent", mutant.name);
    }
}
