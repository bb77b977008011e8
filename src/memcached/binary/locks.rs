//! Couchbase's commands: get-and-lock, unlock, and the hello that asks for their statuses.

use std::time::Duration;

use super::execute::{Answer, Call};
use super::header::number;
use super::status::Status;
use crate::bytes::Reason;

/// The feature of a client that knows the statuses of locks.
const XERROR: [u8; 2] = [0x00, 0x07];

impl Call<'_, '_> {
    /// Locks the item and answers with it; the answer's stamp is the token.
    pub(super) fn get_locked(&mut self) {
        if self.cas().is_some() {
            return self.fail(Status::Invalid);
        }
        let extras = self.command.extras;
        let seconds = if extras.is_empty() { 0 } else { number(extras, 0) };
        let time = Duration::from_secs(u64::from(seconds));
        let locked = self.state.service.store().get_and_lock(self.command.key, time);
        self.count(|tally| tally.cmd_lock += 1);
        match locked {
            Ok(locked) => {
                let flags = locked.flags.to_be_bytes();
                let body = Answer { extras: &flags, ..Answer::default() };
                self.answer_value(body, &locked.value, locked.token);
            }
            Err(error) => {
                if matches!(error.reason(), Reason::Locked { .. }) {
                    self.count(|tally| tally.lock_errors += 1);
                }
                self.refuse(error.reason());
            }
        }
    }

    /// Opens the lock that the request's stamp is the token of.
    pub(super) fn unlock(&mut self) {
        let Some(token) = self.cas() else { return self.fail(Status::Invalid) };
        match self.state.service.store().unlock(self.command.key, token) {
            Ok(()) => self.succeed(0),
            Err(error) => self.refuse(error.reason()),
        }
    }

    /// Answers which of the features that the client names it will find here.
    pub(super) fn hello(&mut self) {
        let mut features = self.command.value.chunks_exact(2);
        let extended = features.any(|feature| feature == XERROR);
        self.state.extended_errors = extended;
        let granted: &[u8] = if extended { &XERROR } else { &[] };
        self.answer(Answer { value: granted, ..Answer::default() }, Status::Success, 0);
    }
}

#[cfg(test)]
mod tests {
    use crate::memcached::{Connection, Output, Service};

    /// A request of `opcode` for the key `k`.
    fn request(opcode: u8, cas: u8) -> Vec<u8> {
        let mut bytes = vec![0x80, opcode, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        bytes.resize(23, 0);
        bytes.extend([cas, b'k']);
        bytes
    }

    #[test]
    fn locks_are_counted() {
        let service = Service::new();
        let mut connection = Connection::new(&service);
        let mut counted = |request: &[u8]| {
            let _ = connection.feed(request, &mut Output::new());
            let stats = service.stats();
            (stats.cmd_lock.get(), stats.lock_errors.get())
        };
        assert_eq!(counted(&request(0x94, 0)), (1, 0)); // absent
        service.store().set("k", "v", 0, 0).expect("there is room");
        assert_eq!(counted(&request(0x94, 0)), (2, 0));
        assert_eq!(counted(&request(0x94, 0)), (3, 1));
        assert_eq!(counted(&request(0x94, 5)), (3, 1)); // refused for its stamp
        assert_eq!(counted(&request(0x95, 5)), (3, 1));
    }
}
