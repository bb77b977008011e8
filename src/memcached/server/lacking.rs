//! Switches and options of memcached's that this server does not honour, as data.

use clap::{Arg, ArgAction, ArgMatches};

/// What becomes of who asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A warning: nobody will miss it.
    Ignored,
    /// The server does not start: whoever asked relies on it.
    Refused,
}

/// A switch that has no effect here.
pub(super) struct Switch {
    pub(super) letter: char,
    long: &'static str,
    takes_value: bool,
    pub(super) verdict: Verdict,
    pub(super) text: &'static str,
}

const fn ignored(
    letter: char,
    long: &'static str,
    takes_value: bool,
    text: &'static str,
) -> Switch {
    Switch { letter, long, takes_value, verdict: Verdict::Ignored, text }
}

const fn refused(
    letter: char,
    long: &'static str,
    takes_value: bool,
    text: &'static str,
) -> Switch {
    Switch { letter, long, takes_value, verdict: Verdict::Refused, text }
}

pub(super) const SWITCHES: &[Switch] = &[
    ignored('u', "user", true, "the server keeps the user who started it"),
    ignored('k', "lock-memory", false, "memory is not locked"),
    ignored('L', "enable-largepages", false, "there are no large pages"),
    ignored('R', "max-reqs-per-event", true, "connections take turns by another measure"),
    ignored('r', "enable-coredumps", false, "the system's limit for core files holds"),
    ignored('f', "slab-growth-factor", true, "there are no slabs"),
    ignored('n', "slab-min-size", true, "there are no slabs"),
    ignored('D', "stats-delimiter", true, "prefixes in `stats detail` end at a colon"),
    ignored('W', "disable-watch", false, "there is no watch to disable"),
    ignored('N', "napi-ids", true, "threads are not chosen by network queue"),
    refused('U', "udp-port", true, "there is no UDP"),
    refused('d', "daemon", false, "start it in the background, it does not go there by itself"),
    refused('S', "enable-sasl", false, "there is no SASL"),
    refused('Y', "auth-file", true, "there is no authentication"),
    refused('A', "enable-shutdown", false, "there is no shutdown command; send SIGTERM"),
    refused('X', "disable-dumping", false, "dumps cannot be disabled"),
    refused('e', "memory-file", true, "nothing is kept in files"),
    refused('x', "proxy", true, "there is no proxy"),
];

/// What the help says of them.
pub(super) const HELP: &str = "\
Accepted with a warning, and without effect: -u -k -L -R -r -f -n -D -W -N, most of -o.
Not to be had, and refused: -d (daemon), -U (UDP), -S and -Y (authentication), -A (shutdown),
-X (no dumps), -e and -o ext_… (storage in files), -o proxy_…, -o ssl_… other than the two above.";

/// Options of `-o`, by the beginning of their names.
const OPTIONS: &[(&str, Verdict)] = &[
    ("ext_", Verdict::Refused),
    ("proxy_", Verdict::Refused),
    ("ssl_", Verdict::Refused),
    ("drop_privileges", Verdict::Refused),
    ("hash", Verdict::Ignored),
    ("hot_", Verdict::Ignored),
    ("inline_ascii_resp", Verdict::Ignored),
    ("lru_", Verdict::Ignored),
    ("maxconns_fast", Verdict::Ignored),
    ("modern", Verdict::Ignored),
    ("no_", Verdict::Ignored),
    ("read_buf_mem_limit", Verdict::Ignored),
    ("relaxed_privileges", Verdict::Ignored),
    ("resp_obj_mem_limit", Verdict::Ignored),
    ("slab_", Verdict::Ignored),
    ("tail_repair_time", Verdict::Ignored),
    ("temporary_ttl", Verdict::Ignored),
    ("track_sizes", Verdict::Ignored),
    ("warm_", Verdict::Ignored),
    ("watcher_", Verdict::Ignored),
    ("worker_", Verdict::Ignored),
];

/// What becomes of the option `name`; `None` if memcached has none of that name.
pub(super) fn option(name: &str) -> Option<Verdict> {
    let row = OPTIONS.iter().find(|(beginning, _)| name.starts_with(beginning));
    row.map(|&(_, verdict)| verdict)
}

impl Switch {
    pub(super) fn argument(&self) -> Arg {
        let argument = Arg::new(self.long).short(self.letter).long(self.long).hide(true);
        argument.action(if self.takes_value { ArgAction::Append } else { ArgAction::Count })
    }

    /// Whether it is on the command line. `-U 0` says that there is to be no UDP.
    pub(super) fn is_given(&self, matches: &ArgMatches) -> bool {
        if !self.takes_value {
            return matches.get_count(self.long) > 0;
        }
        let mut values = matches.get_many::<String>(self.long).into_iter().flatten();
        values.any(|value| !(self.letter == 'U' && value == "0"))
    }
}
