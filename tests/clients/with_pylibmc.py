"""pylibmc, which is libmemcached: text and binary."""

import check
import pylibmc
from check import equal, holds, raises


def suite(binary):
    client = pylibmc.Client([check.ADDRESS], binary=binary, behaviors={"cas": True, "tcp_nodelay": True})
    client.flush_all()
    equal(client.get("k"), None)
    holds(client.set("k", "one"))
    equal(client.get("k"), "one")
    for value in [b"bytes", 7, True, {"a": [1, 2.5, None]}, "grüße"]:
        holds(client.set("typed", value))
        equal(client.get("typed"), value)
    holds(not client.add("k", "two"))
    holds(client.add("new", "two"))
    holds(client.replace("k", "three"))
    if binary:
        raises(pylibmc.NotFound, client.replace, "absent", "x")
    else:
        holds(not client.replace("absent", "x"))
    holds(client.append("k", ">"))
    holds(client.prepend("k", "<"))
    equal(client.get("k"), "<three>")

    value, stamp = client.gets("k")
    equal(value, "<three>")
    holds(client.cas("k", "four", stamp))
    holds(not client.cas("k", "five", stamp))
    raises(pylibmc.NotFound, client.cas, "absent", "x", stamp)
    equal(client.get("k"), "four")

    holds(client.set("n", 10))
    equal(client.incr("n", 5), 15)
    equal(client.decr("n", 6), 9)
    equal(client.decr("n", 100), 0)
    raises(pylibmc.NotFound, client.incr, "absent")

    holds(client.set("t", "v", time=2592001))  # a moment that is past
    equal(client.get("t"), None)
    holds(client.set("t", "v", time=100))
    if not binary:  # libmemcached waits for nothing after a touch that has hit
        holds(client.touch("t", 0))
    holds(not client.touch("absent", 0))
    equal(client.get("t"), "v")

    many = {f"many:{i}": i for i in range(100)}
    equal(client.set_multi(many), [])
    equal(client.get_multi(list(many) + ["absent"]), many)
    holds(client.delete_multi(list(many)))
    equal(client.get_multi(list(many)), {})
    equal(client.incr_multi(["n"], delta=3), None)
    equal(client.get("n"), 3)

    holds(client.set("big", "small"))
    raises(pylibmc.Error, client.set, "big", "x" * (1024 * 1024 + 1))
    equal(client.get("big"), None)
    holds(client.delete("k"))
    holds(not client.delete("k"))
    holds(client.get_stats()[0][1]["curr_items"])
    client.flush_all()
    equal(client.get("n"), None)
    client.disconnect_all()


suite(binary=False)
suite(binary=True)
check.done("pylibmc")
