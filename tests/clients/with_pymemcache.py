"""pymemcache: text protocol; most writes ask for no answer unless told otherwise."""

import check
from check import equal, holds, raises
from pymemcache.client.base import Client, PooledClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError

client = Client((check.HOST, check.PORT), default_noreply=False, timeout=10)
holds(client.version())
client.flush_all()

# Storage.
equal(client.get("k"), None)
equal(client.set("k", b"one"), True)
equal(client.get("k"), b"one")
equal(client.add("k", b"two"), False)
equal(client.add("new", b"two"), True)
equal(client.replace("absent", b"x"), False)
equal(client.replace("k", b"three"), True)
equal(client.append("k", b">"), True)
equal(client.prepend("k", b"<"), True)
equal(client.get("k"), b"<three>")
equal(client.append("absent", b"x"), False)
equal(client.set("empty", b""), True)
equal(client.get("empty"), b"")
equal(client.set("bytes", bytes(range(256))), True)
equal(client.get("bytes"), bytes(range(256)))

# Stamps.
value, stamp = client.gets("k")
equal(value, b"<three>")
equal(client.cas("k", b"four", stamp), True)
equal(client.cas("k", b"five", stamp), False)
equal(client.cas("absent", b"x", stamp), None)
equal(client.get("k"), b"four")

# Counters.
equal(client.incr("n", 1), None)
equal(client.set("n", b"10"), True)
equal(client.incr("n", 5), 15)
equal(client.decr("n", 6), 9)
equal(client.get("n"), b"9 ")
equal(client.decr("n", 100), 0)
equal(client.set("n", b"18446744073709551615"), True)
equal(client.incr("n", 2), 1)
raises(MemcacheClientError, client.incr, "k", 1)

# Expiry.
equal(client.set("t", b"v", expire=-1), True)
equal(client.get("t"), None)
equal(client.set("t", b"v", expire=100), True)
equal(client.touch("t", 0), True)
equal(client.touch("absent", 0), False)
equal(client.raw_command("gat 100 t", b"END\r\n"), b"VALUE t 0 1\r\nv\r\n")
equal(client.raw_command("gat -1 t", b"END\r\n"), b"VALUE t 0 1\r\nv\r\n")
equal(client.get("t"), None)

# Many.
many = {f"many:{i}": str(i).encode() * i for i in range(100)}
equal(client.set_many(many), [])
equal(client.get_many(list(many) + ["absent"]), many)
equal(set(client.gets_many(list(many))), set(many))
equal(client.delete_many(list(many)), True)
equal(client.get_many(list(many)), {})

# Removal.
equal(client.delete("k"), True)
equal(client.delete("k"), False)

# Refusals leave the connection in step.
equal(client.set("big", b"small"), True)
raises(MemcacheServerError, client.set, "big", b"x" * (1024 * 1024))
equal(client.get("big"), None)
equal(client.set("big", b"x" * 1_000_000), True)
equal(len(client.get("big")), 1_000_000)
raises(MemcacheClientError, client.set, "t", b"v", expire="soon")
# memcached takes the value after a bad line for a command, and answers once more.
client.close()
equal(client.set("t", b"v"), True)

# Without answers, and then one that waits for all of them.
for i in range(500):
    client.set(f"quiet:{i}", str(i), noreply=True)
for i in range(0, 500, 2):
    client.delete(f"quiet:{i}", noreply=True)
client.incr("quiet:1", 41, noreply=True)
equal(client.get("quiet:1"), b"42")
equal(len(client.get_many([f"quiet:{i}" for i in range(500)])), 250)

holds(b"curr_items" in client.stats())
holds(b"tcpport" in client.stats("settings"))
equal(client.flush_all(), True)
equal(client.get("quiet:1"), None)
equal(client.raw_command("mn", b"\r\n"), b"MN")
equal(client.raw_command("verbosity 0", b"\r\n"), b"OK")
client.quit()

pool = PooledClient((check.HOST, check.PORT), max_pool_size=4)
pool.set("pooled", b"v")
equal(pool.get("pooled"), b"v")
pool.close()

check.done("pymemcache")
