"""python-memcached: text protocol, with a blank at the end of lines; flags tell the type."""

import check
import memcache
from check import equal, holds

client = memcache.Client([check.ADDRESS], cache_cas=True, socket_timeout=10)
holds(client.get_stats())
client.flush_all()

equal(client.get("k"), None)
holds(client.set("k", "text"))
equal(client.get("k"), "text")
for value in [b"bytes", 7, 2**70, True, {"a": [1, 2.5, None]}, "grüße"]:
    holds(client.set("typed", value))
    equal(client.get("typed"), value)
holds(not client.add("k", "x"))
holds(client.add("new", "x"))
holds(client.replace("k", "y"))
holds(not client.replace("absent", "y"))
holds(client.append("k", ">"))
holds(client.prepend("k", "<"))
equal(client.get("k"), "<y>")

equal(client.gets("k"), "<y>")
holds(client.cas("k", "z"))
equal(client.gets("k"), "z")
holds(client.set("k", "meanwhile"))
holds(not client.cas("k", "lost"))
equal(client.get("k"), "meanwhile")

holds(client.set("n", 10))
equal(client.incr("n"), 11)
equal(client.decr("n", 4), 7)
equal(client.decr("n", 40), 0)
equal(client.incr("absent"), None)

holds(client.set("t", "v", time=-1))
equal(client.get("t"), None)
holds(client.set("t", "v", time=100))
holds(client.touch("t", 0))
holds(not client.touch("absent", 0))
equal(client.get("t"), "v")

many = {str(i): i for i in range(100)}
equal(client.set_multi(many, key_prefix="many:"), [])
equal(client.get_multi(list(many), key_prefix="many:"), many)
equal(client.delete_multi(list(many), key_prefix="many:"), 1)
equal(client.get_multi(list(many), key_prefix="many:"), {})

client.server_max_value_length = 0  # no check of its own
holds(client.set("big", "small"))
holds(not client.set("big", "x" * (1024 * 1024)))
equal(client.get("big"), None)
client.set("quiet", "v", noreply=True)
client.delete("k", noreply=True)
equal(client.get("quiet"), "v")
equal(client.get("k"), None)
holds(client.delete("quiet"))
equal(client.get("quiet"), None)
holds(client.get_slab_stats() is not None)
client.flush_all()
equal(client.get("n"), None)
client.disconnect_all()

check.done("python-memcached")
