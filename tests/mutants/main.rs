//! Shows that the loom models can fail: each mutant is a small fault planted in a copy of the
//! sources, and the model named beside it must catch it.
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

use table::{EQUIVALENT, MUTANTS, Mutant};

/// A copy of the sources that may be spoilt.
struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let target = target_dir().join("mutants");
        let root = target.join("copy");
        let _ = fs::remove_dir_all(&root);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["Cargo.toml", "Cargo.lock", "README.md", "src", "tests", "examples", "benches"]
        {
            copy_tree(&source.join(part), &root.join(part));
        }
        Self { root, target }
    }

    fn cargo_test(&self, bound: u32, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO"))
            .args(["test", "--release", "--test", "loom"])
            .args(arguments)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUSTFLAGS", "--cfg caskade_loom --cap-lints allow")
            .env("LOOM_MAX_PREEMPTIONS", bound.to_string())
            .output()
            .expect("cargo runs")
    }

    /// Plants the mutant, runs its model, takes it out again.
    fn verdict(&self, mutant: &Mutant) -> Verdict {
        let path = self.root.join("src").join(mutant.file);
        let sound = fs::read_to_string(&path).expect("the file exists");
        let count = sound.matches(mutant.find).count();
        assert_eq!(count, 1, "{}: its text stands {count} times in {}", mutant.name, mutant.file);
        fs::write(&path, sound.replace(mutant.find, mutant.replace)).expect("the copy is ours");
        let built = self.cargo_test(mutant.bound, &["--no-run"]);
        let verdict = if built.status.success() {
            let run = self.cargo_test(mutant.bound, &["--", "--exact", mutant.model]);
            let report = String::from_utf8_lossy(&run.stdout).into_owned();
            if report.contains("test result: FAILED") || !report.contains("test result") {
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
    /// It did not build, or its model does not exist.
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
    for Mutant { name, file, find, .. } in MUTANTS.iter().chain(EQUIVALENT) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        let source = fs::read_to_string(path).expect("the file exists");
        assert_eq!(source.matches(find).count(), 1, "{name}: its text in {file}");
    }
}

#[test]
#[ignore = "builds the crate once for each mutant"]
fn every_mutant_is_caught() {
    let only = env::var("CASKADE_MUTANT").unwrap_or_default();
    let copy = Copy::new();
    let chosen = MUTANTS.iter().filter(|mutant| mutant.name.contains(&only));
    let mut wrong = Vec::new();
    for mutant in chosen {
        let verdict = copy.verdict(mutant);
        println!("{:40} bound {}  {:?}", mutant.name, mutant.bound, verdict);
        if verdict != Verdict::Caught {
            wrong.push(mutant.name);
        }
    }
    assert!(wrong.is_empty(), "not caught: {wrong:?}");
}

#[test]
#[ignore = "builds the crate once for each mutant"]
fn equivalent_programs_pass() {
    let copy = Copy::new();
    for mutant in EQUIVALENT {
        let verdict = copy.verdict(mutant);
        println!("{:40} bound {}  {:?}", mutant.name, mutant.bound, verdict);
        assert_eq!(verdict, Verdict::Survived, "{} was thought to be equivalent", mutant.name);
    }
}
