//! The command line.

use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: hit_ratio [FOLDER] [--sizes 0.5,2,8,20] [--plots FOLDER] [--threads N] [--no-zipf]
       hit_ratio generate FILE";

/// What is wanted.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Generate(PathBuf),
    Replay(Options),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) plots: Option<PathBuf>,
    pub(crate) sizes: Vec<f64>,
    pub(crate) threads: Option<usize>,
    pub(crate) zipf: bool,
}

impl Default for Options {
    fn default() -> Self {
        let sizes = vec![0.5, 2.0, 8.0, 20.0];
        Self { folder: None, plots: None, sizes, threads: None, zipf: true }
    }
}

/// What the arguments ask for, or what is wrong with them.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options::default();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "generate" if options.folder.is_none() => {
                return Ok(Command::Generate(value()?.into()));
            }
            "--plots" => options.plots = Some(value()?.into()),
            "--sizes" => options.sizes = sizes(&value()?)?,
            "--threads" => options.threads = Some(threads(&value()?)?),
            "--no-zipf" => options.zipf = false,
            option if option.starts_with('-') => return Err(format!("unknown option {option}")),
            _ if options.folder.is_some() => return Err("one folder is enough".into()),
            folder => options.folder = Some(folder.into()),
        }
    }
    Ok(Command::Replay(options))
}

fn sizes(list: &str) -> Result<Vec<f64>, String> {
    let size = |text: &str| match text.trim().parse() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err(format!("{text:?} is no percentage above 0 and up to 100")),
    };
    list.split(',').map(size).collect()
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => Ok(threads),
        _ => Err(format!("{text:?} is no number of threads from 1 to 1024")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn everything_can_be_said() {
        let all = Options {
            folder: Some("traces".into()),
            plots: Some("out".into()),
            sizes: vec![1.0, 2.5],
            threads: Some(8),
            zipf: false,
        };
        let line = "--plots out traces --sizes 1,2.5 --threads 8 --no-zipf";
        assert_eq!(parsed(line), Ok(Command::Replay(all)));
        assert_eq!(parsed(""), Ok(Command::Replay(Options::default())));
        assert_eq!(parsed("generate it"), Ok(Command::Generate("it".into())));
        assert_eq!(parsed("traces --help"), Ok(Command::Help));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "a b",
            "--plots",
            "--wat",
            "--sizes 0",
            "--sizes 1,x",
            "--sizes 101",
            "--sizes nan",
            "--threads 0",
            "--threads many",
            "generate",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
