"""meta-memcache: the meta commands alone, with leases."""

import logging
import os

import check
from check import equal, holds, raises
from meta_memcache import CacheClient, Key, ServerAddress
from meta_memcache.errors import MemcacheServerError
from meta_memcache.configuration import (
    LeasePolicy,
    RecachePolicy,
    StalePolicy,
    connection_pool_factory_builder,
)

logging.disable()  # it tells of refusals, which are wanted here

client = CacheClient.cache_client_from_servers(
    servers=[ServerAddress(check.HOST, check.PORT)],
    connection_pool_factory_fn=connection_pool_factory_builder(),
)

names = [Key(f"many:{i}") for i in range(100)]
for name in ["k", "n", "t", "lease", "big", "stale"]:
    client.delete(Key(name))

# Storage.
equal(client.get(Key("k")), None)
equal(client.set(Key("k"), "one", ttl=100), True)
equal(client.get(Key("k")), "one")
for value in [b"bytes", 7, {"a": [1, 2.5, None]}, "grüße"]:
    equal(client.set(Key("typed"), value, ttl=100), True)
    equal(client.get(Key("typed")), value)
equal(client.set(Key("grüße"), "a key in base64", ttl=100), True)
equal(client.get(Key("grüße")), "a key in base64")
equal(client.set(Key("k"), "quiet", ttl=100, no_reply=True), True)
equal(client.get(Key("k")), "quiet")

# Stamps.
value, stamp = client.get_cas(Key("k"))
equal(value, "quiet")
equal(client.set(Key("k"), "two", ttl=100, cas_token=stamp), True)
equal(client.set(Key("k"), "three", ttl=100, cas_token=stamp), False)
equal(client.get(Key("k")), "two")

# Many.
for place, name in enumerate(names):
    client.set(name, place, ttl=100, no_reply=True)
equal(client.multi_get(names), {name: place for place, name in enumerate(names)})
for name in names:
    client.delete(name, no_reply=True)
equal(client.multi_get(names), {name: None for name in names})

# Counters.
equal(client.delta(Key("n"), 5), False)
equal(client.delta_initialize(Key("n"), 5, initial_value=10, initial_ttl=100), True)
equal(client.delta_and_get(Key("n"), 5), 15)
equal(client.delta_and_get(Key("n"), -6), 9)
equal(client.delta_initialize_and_get(Key("n"), 1, initial_value=0, initial_ttl=100), 10)
equal(client.delta(Key("n"), -100), True)
equal(client.delta_and_get(Key("n"), 0), 0)

# Expiry.
equal(client.set(Key("t"), "v", ttl=100), True)
equal(client.touch(Key("t"), ttl=200), True)
equal(client.touch(Key("absent"), ttl=200), False)
equal(client.get(Key("t"), touch_ttl=300), "v")

# A lease: the first who misses is to load, with a stamp that is good for that.
policy = LeasePolicy(ttl=30, miss_retries=1, miss_retry_wait=0.001)
value, stamp = client.get_or_lease_cas(Key("lease"), policy)
equal(value, None)
holds(stamp)
equal(client.get_or_lease(Key("lease"), policy), None)  # taken
equal(client.set(Key("lease"), "loaded", ttl=100, cas_token=stamp), True)
equal(client.get_or_lease(Key("lease"), policy), "loaded")

# Stale: after an invalidation one reader is told to load, the others get what there is.
equal(client.set(Key("stale"), "old", ttl=100), True)
equal(client.invalidate(Key("stale"), stale_policy=StalePolicy(mark_stale_on_deletion_ttl=30)), True)
recache = RecachePolicy(ttl=30)
value, stamp = client.get_cas(Key("stale"), recache_policy=recache)
equal(value, None)  # this one is to load
equal(client.get(Key("stale"), recache_policy=recache), "old")
equal(client.set(Key("stale"), "new", ttl=100, cas_token=stamp), True)
equal(client.get(Key("stale"), recache_policy=recache), "new")

# Refusals.
equal(client.set(Key("big"), b"small", ttl=100), True)
# It would compress others.
raises(MemcacheServerError, client.set, Key("big"), os.urandom(1024 * 1024), ttl=100)
equal(client.get(Key("big")), None)
equal(client.delete(Key("k")), True)
equal(client.delete(Key("k")), False)

check.done("meta-memcache")
