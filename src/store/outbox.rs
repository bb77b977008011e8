//! Removals on their way to the listener: told outside all locks, in the order they happened.
//!
//! A removal is noted under the stripe lock. Whoever leaves the lock next tells the listener, unless
//! somebody is telling already: then that one goes on. So the removals of a key are told in order,
//! and a listener that uses the cache does not call itself.

use std::collections::VecDeque;

use crate::raw::{Cleared, Retired, Unlinked};
use crate::removal::{Cause, Removal};
use crate::stamp::Cas;
use crate::swallow::swallow_panic;

use super::{HeldStripe, Store, StripeOf};

/// Is told of every removal.
pub(crate) type Listener<K, V> = dyn Fn(&Removal<'_, K, V>) + Send + Sync;

/// Entries that are gone, of which the listener has not been told.
pub(super) struct Outbox<K, V> {
    gone: VecDeque<Gone<K, V>>,
    telling: bool,
}

pub(super) enum Gone<K, V> {
    One { node: Unlinked<K, V>, weight: u32, cause: Cause },
    All { nodes: Cleared<K, V>, weight: u64 },
}

impl<K, V> Default for Outbox<K, V> {
    fn default() -> Self {
        Self { gone: VecDeque::new(), telling: false }
    }
}

impl<K, V> Outbox<K, V> {
    pub(super) fn push(&mut self, gone: Gone<K, V>) {
        self.gone.push_back(gone);
    }

    /// What is to be told by the caller, who asks again afterwards.
    fn take(&mut self, by_teller: bool) -> Option<VecDeque<Gone<K, V>>> {
        if self.telling != by_teller {
            return None;
        }
        self.telling = !self.gone.is_empty();
        self.telling.then(|| std::mem::take(&mut self.gone))
    }

    /// Whether there is something to tell.
    #[inline(always)]
    pub(super) fn is_filled(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Whether whoever leaves the lock has something to tell.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_filled() && !self.telling
    }

    /// As [`take`](Self::take), for whoever leaves the lock.
    pub(super) fn leaving(&mut self) -> Option<VecDeque<Gone<K, V>>> {
        if self.is_filled() { self.take(false) } else { None }
    }
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// What has just been unlinked goes to the listener first, if there is one.
    #[inline(always)]
    pub(super) fn see_off(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        node: Unlinked<K, V>,
        weight: u32,
        cause: Cause,
    ) {
        if self.listener.is_some() {
            held.outbox.push(Gone::One { node, weight, cause });
        } else {
            held.retire(node, weight.into());
        }
    }

    /// Tells the listener of `gone`, and of what goes meanwhile.
    pub(super) fn tell(&self, stripe: &StripeOf<K, V>, mut gone: VecDeque<Gone<K, V>>) {
        loop {
            let mut told = Retired::empty();
            for one in gone {
                self.tell_of(one, &mut told);
            }
            self.limbo.take(told);
            match stripe.hold().outbox.take(true) {
                Some(more) => gone = more,
                None => return,
            }
        }
    }

    fn tell_of(&self, gone: Gone<K, V>, told: &mut Retired<K, V>) {
        match gone {
            Gone::One { node, weight, cause } => {
                self.call_listener(node.key(), &node.value(), node.stamp(), cause);
                told.push(node, weight.into());
            }
            Gone::All { nodes, weight } => {
                for (key, value, stamp) in nodes.iter() {
                    self.call_listener(key, &value, stamp, Cause::Cleared);
                }
                told.push_all(nodes, weight);
            }
        }
    }

    fn call_listener(&self, key: &K, value: &V, stamp: u64, cause: Cause) {
        if let Some(listener) = &self.listener {
            let cas = Cas::issued(stamp);
            swallow_panic(|| listener(&Removal::new(key, value, cas, cause)));
        }
    }
}
