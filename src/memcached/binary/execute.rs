//! Carrying out commands.

use bytes::Bytes;

use super::header::{Lengths, long_number};
use super::opcode::Action;
use super::status::{Asker, Status};
use super::{Command, Fault};
use crate::bytes::{Count, Delete, Hit, Mode, Put, Reason, StoreError, Stored};
use crate::memcached::connection::State;
use crate::memcached::stats::{self, Tally};
use crate::memcached::{Flow, Output};

/// The expiry time that forbids to make a counter that is not there.
const NO_NEW_COUNTER: i64 = 0xffff_ffff;

/// A command that is being carried out.
pub(super) struct Call<'c, 'b> {
    pub(super) command: &'c Command<'b>,
    pub(super) state: &'c mut State,
    pub(super) out: &'c mut Output,
}

/// The body of an answer.
#[derive(Clone, Copy, Default)]
pub(super) struct Answer<'a> {
    pub(super) extras: &'a [u8],
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

impl Call<'_, '_> {
    #[inline]
    pub(super) fn run(mut self) -> Flow {
        if let Some(fault) = self.command.fault {
            return self.answer_fault(fault);
        }
        match self.command.op.action {
            Action::Get { with_key } => self.get(with_key),
            Action::GetAndTouch { with_key } => self.get_and_touch(with_key),
            Action::Touch => self.touch(),
            Action::Put(mode) => self.put(mode),
            Action::Delete => self.delete(),
            Action::Count { down } => self.count_by(down),
            Action::Flush => self.flush(),
            Action::Noop => self.succeed(0),
            Action::Version => self.version(),
            Action::Stat => self.stat(),
            Action::Quit => {
                self.succeed(0);
                return Flow::Close;
            }
            Action::GetLocked => self.get_locked(),
            Action::Unlock => self.unlock(),
            Action::Hello => self.hello(),
            Action::ListMechanisms | Action::Authenticate | Action::Unknown => {
                self.fail(Status::Unknown);
            }
        }
        Flow::More
    }

    #[cold]
    fn answer_fault(&mut self, fault: Fault) -> Flow {
        match fault {
            Fault::Magic => {}
            Fault::Lengths => self.fail(Status::Unknown),
            Fault::Shape => self.fail(Status::Invalid),
            Fault::TooLarge => {
                self.drop_unstorable();
                self.fail(Status::TooLarge);
                return Flow::More;
            }
        }
        Flow::Close
    }

    // Reads.

    fn get(&mut self, with_key: bool) {
        self.count(|tally| tally.cmd_get += 1);
        match self.state.service.store().get(self.command.key) {
            Ok(Some(hit)) => {
                self.count(|tally| tally.get_hits += 1);
                self.answer_hit(&hit, with_key);
            }
            Ok(None) => {
                self.count(|tally| tally.get_misses += 1);
                self.answer_miss(with_key);
            }
            Err(error) => self.refuse(error.reason()),
        }
    }

    fn get_and_touch(&mut self, with_key: bool) {
        match self.touched() {
            Ok(Some(hit)) => self.answer_hit(&hit, with_key),
            Ok(None) => self.answer_miss(with_key),
            Err(error) => self.refuse(error.reason()),
        }
    }

    /// The answer has the item's flags, as if it were a read's.
    fn touch(&mut self) {
        match self.touched() {
            Ok(Some(hit)) => {
                let flags = hit.flags.to_be_bytes();
                let cas = self.shown(hit.cas);
                self.answer(Answer { extras: &flags, ..Answer::default() }, Status::Success, cas);
            }
            Ok(None) => self.answer_miss(false),
            Err(error) => self.refuse(error.reason()),
        }
    }

    fn touched(&mut self) -> Result<Option<Hit>, StoreError> {
        let (key, exptime) = (self.command.key, self.command.exptime());
        let touched = self.state.service.store().get_and_touch(key, exptime);
        self.count(|tally| {
            tally.cmd_touch += 1;
            match touched {
                Ok(Some(_)) => tally.touch_hits += 1,
                Ok(None) => tally.touch_misses += 1,
                Err(_) => {}
            }
        });
        touched
    }

    // Writes.

    fn put(&mut self, mode: Mode) {
        let command = self.command;
        let put = Put {
            // A stamp turns add and replace, too, into what depends on nothing else.
            mode: if self.cas().is_some() && !joins(mode) { Mode::Set } else { mode },
            value: Bytes::copy_from_slice(command.value),
            flags: command.flags(),
            exptime: command.exptime(),
            cas: self.cas(),
            ..Put::default()
        };
        let stored = if self.state.service.config().cas {
            self.state.service.store().put(command.key, put)
        } else {
            self.put_without_stamps(mode, put)
        };
        self.count_put(mode, &stored);
        match stored {
            Ok(stored) => self.succeed(self.shown(stored.cas)),
            Err(error) => {
                if error.reason() == Reason::Full {
                    self.drop_unstorable();
                }
                self.refuse(error.reason());
            }
        }
    }

    /// Where items have no stamps, the one that a request names is not looked at, unless a lock is
    /// to be opened with it.
    fn put_without_stamps(&self, mode: Mode, put: Put) -> Result<Stored, StoreError> {
        let store = self.state.service.store();
        let Put { flags, exptime, cas, .. } = put;
        let plain = Put { mode, cas: None, ..put };
        match store.put(self.command.key, plain) {
            Err(error) if cas.is_some() && matches!(error.reason(), Reason::Locked { .. }) => {
                let value = error.into_value();
                let put = Put { mode, value, flags, exptime, cas, ..Put::default() };
                store.put(self.command.key, put)
            }
            stored => stored,
        }
    }

    fn count_put(&mut self, mode: Mode, stored: &Result<Stored, StoreError>) {
        let is_cas = self.cas().is_some() && !joins(mode) && self.state.service.config().cas;
        let failed = stored.as_ref().err().map(StoreError::reason);
        self.count(|tally| {
            tally.cmd_set += 1;
            tally.total_items += u64::from(failed.is_none());
            match failed {
                _ if !is_cas => {}
                None => tally.cas_hits += 1,
                Some(Reason::Absent) => tally.cas_misses += 1,
                Some(Reason::Changed | Reason::Locked { .. }) => tally.cas_badval += 1,
                Some(_) => {}
            }
        });
    }

    /// The old value goes although the new one cannot be stored, whatever stamp the request names.
    fn drop_unstorable(&self) {
        if self.command.op.action == Action::Put(Mode::Set) {
            self.state.service.store().forget_overwritten(self.command.key);
        }
    }

    fn delete(&mut self) {
        let delete = Delete { cas: self.cas(), ..Delete::default() };
        match self.state.service.store().remove(self.command.key, delete) {
            Ok(()) => {
                self.count(|tally| tally.delete_hits += 1);
                self.succeed(0);
            }
            Err(error) => {
                if error.reason() == Reason::Absent {
                    self.count(|tally| tally.delete_misses += 1);
                }
                self.refuse(error.reason());
            }
        }
    }

    fn count_by(&mut self, down: bool) {
        let exptime = self.command.exptime();
        let count = Count {
            down,
            delta: long_number(self.command.extras, 0),
            vivify: (exptime != NO_NEW_COUNTER).then_some(exptime),
            initial: long_number(self.command.extras, 8),
            cas: self.cas(),
            ..Count::default()
        };
        match self.state.service.store().count(self.command.key, count) {
            Ok(counted) => {
                self.count(|tally| match (counted.is_new, down) {
                    (true, _) => tally.total_items += 1,
                    (false, false) => tally.incr_hits += 1,
                    (false, true) => tally.decr_hits += 1,
                });
                if !self.command.op.is_quiet {
                    let (number, cas) = (counted.number.to_be_bytes(), self.shown(counted.cas));
                    let body = Answer { value: &number, ..Answer::default() };
                    self.answer(body, Status::Success, cas);
                }
            }
            Err(error) => {
                if error.reason() == Reason::Absent {
                    self.count(|tally| match down {
                        false => tally.incr_misses += 1,
                        true => tally.decr_misses += 1,
                    });
                }
                self.refuse(error.reason());
            }
        }
    }

    fn flush(&mut self) {
        if !self.state.service.config().flush {
            return self.fail(Status::Auth);
        }
        let delay = self.command.extras_number(0).unwrap_or(0);
        self.state.service.store().flush_all(delay);
        self.count(|tally| tally.cmd_flush += 1);
        self.succeed(0);
    }

    // What the server tells of itself.

    fn version(&mut self) {
        let version = self.state.service.config().compat.version();
        let body = Answer { value: version.as_bytes(), ..Answer::default() };
        self.answer(body, Status::Success, 0);
    }

    /// One answer for each statistic, and an empty one behind them.
    fn stat(&mut self) {
        let (header, out) = (&self.command.header, &mut *self.out);
        let is_known = stats::visit(self.command.key, self.state, &mut |name, value| {
            let key = u16::try_from(name.len()).unwrap_or(u16::MAX);
            let lengths = Lengths { extras: 0, key, value: value.len() };
            out.push(&header.answer(Status::Success as u16, lengths, 0));
            out.push(&name[..usize::from(key)]);
            out.push(value);
        });
        if !is_known {
            return self.fail(Status::NotFound);
        }
        self.succeed(0);
    }

    // Answers.

    fn answer_hit(&mut self, hit: &Hit, with_key: bool) {
        let flags = hit.flags.to_be_bytes();
        let key = if with_key { self.command.key } else { &[] };
        let cas = self.shown(hit.cas);
        self.answer_value(Answer { extras: &flags, key, value: &[] }, &hit.value, cas);
    }

    /// Where the key is asked for, it stands in the place of a text.
    fn answer_miss(&mut self, with_key: bool) {
        if !with_key {
            return self.refuse(Reason::Absent);
        }
        if !self.command.op.is_quiet {
            let body = Answer { key: self.command.key, ..Answer::default() };
            self.answer(body, Status::NotFound, 0);
        }
    }

    /// Success with nothing to tell but the stamp.
    pub(super) fn succeed(&mut self, cas: u64) {
        if !self.command.op.is_quiet {
            self.answer(Answer::default(), Status::Success, cas);
        }
    }

    /// What the store has refused. A read that is quiet does not tell of a miss.
    pub(super) fn refuse(&mut self, reason: Reason) {
        let action = self.command.op.action;
        let reads = matches!(action, Action::Get { .. } | Action::GetAndTouch { .. });
        if reads && self.command.op.is_quiet && reason == Reason::Absent {
            return;
        }
        let (has_cas, extended) = (self.cas().is_some(), self.state.extended_errors);
        self.fail(Asker { action, has_cas, extended }.status(reason));
    }

    /// A failure, with its text. Nobody is quiet about it.
    pub(super) fn fail(&mut self, status: Status) {
        let text = status.text(self.command.op.action);
        self.answer(Answer { value: text.as_bytes(), ..Answer::default() }, status, 0);
    }

    pub(super) fn answer(&mut self, body: Answer<'_>, status: Status, cas: u64) {
        self.answer_head(body, status, body.value.len(), cas);
        self.out.push(body.value);
    }

    /// Success with an item's value behind the rest of the body.
    pub(super) fn answer_value(&mut self, body: Answer<'_>, value: &Bytes, cas: u64) {
        self.answer_head(body, Status::Success, value.len(), cas);
        self.out.push_value(value);
    }

    fn answer_head(&mut self, body: Answer<'_>, status: Status, value: usize, cas: u64) {
        // Extras are an item's flags, and a key is one that was asked for.
        let lengths =
            Lengths { extras: body.extras.len() as u8, key: body.key.len() as u16, value };
        self.out.push(&self.command.header.answer(status as u16, lengths, cas));
        self.out.push(body.extras);
        self.out.push(body.key);
    }

    // What the request says, and what is noted of it.

    /// The stamp that the request names; zero is none.
    pub(super) fn cas(&self) -> Option<u64> {
        Some(self.command.header.cas).filter(|&cas| cas != 0)
    }

    /// The stamp as clients are to see it.
    fn shown(&self, cas: u64) -> u64 {
        if self.state.service.config().cas { cas } else { 0 }
    }

    pub(super) fn count(&mut self, note: impl FnOnce(&mut Tally)) {
        note(&mut self.state.tally);
        self.state.tally.is_dirty = true;
    }
}

/// Whether `mode` keeps what is there.
fn joins(mode: Mode) -> bool {
    matches!(mode, Mode::Append | Mode::Prepend)
}
