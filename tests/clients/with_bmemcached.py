"""python-binary-memcached: binary protocol, quiet batches ended by a noop."""

import bmemcached
import check
from bmemcached.exceptions import MemcachedException
from check import equal, holds, raises

client = bmemcached.Client([check.ADDRESS], socket_timeout=10)
client.flush_all()

equal(client.get("k"), None)
holds(client.set("k", "one"))
equal(client.get("k"), "one")
for value in [b"bytes", 7, {"a": [1, 2.5, None]}, "grüße"]:
    holds(client.set("typed", value))
    equal(client.get("typed"), value)
holds(not client.add("k", "two"))
holds(client.add("new", "two"))
holds(client.replace("k", "three"))
holds(not client.replace("absent", "x"))

value, stamp = client.gets("k")
equal(value, "three")
holds(stamp)
holds(client.cas("k", "four", stamp))
holds(not client.cas("k", "five", stamp))
equal(client.get("k"), "four")
holds(not client.delete("k", cas=stamp))
equal(client.get("k"), "four")

equal(client.incr("n", 5), 0)  # the first sets the default
equal(client.incr("n", 5), 5)
equal(client.decr("n", 2), 3)
equal(client.decr("n", 20), 0)
equal(client.incr("from", 5, default=100), 100)

many = {f"many:{i}": f"value {i}" for i in range(100)}
equal(client.set_multi(many), [])
equal(client.get_multi(list(many) + ["absent"]), many)
found = client.get_multi(list(many), get_cas=True)
equal({key: value for key, (value, _) in found.items()}, many)
holds(client.delete_multi(list(many)))
equal(client.get_multi(list(many)), {})

holds(client.set("t", "v", time=2592001))  # a moment that is past
equal(client.get("t"), None)
holds(client.set("t", "v", time=100))
equal(client.get("t"), "v")

holds(client.set("big", "small"))
raises(MemcachedException, client.set, "big", b"x" * (1024 * 1024), compress_level=0)
equal(client.get("big"), None)
holds(client.delete("k"))
equal(client.get("k"), None)
holds("curr_items" in next(iter(client.stats().values())))
holds(client.flush_all())
equal(client.get("t"), None)
client.disconnect_all()

check.done("python-binary-memcached")
