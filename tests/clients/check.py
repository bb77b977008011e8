"""What the suites in Python share: an address, and checks that say where they failed."""

import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 11211
ADDRESS = f"{HOST}:{PORT}"

count = 0


def equal(found, expected):
    global count
    count += 1
    if found != expected:
        raise AssertionError(f"found {found!r}, expected {expected!r}")


def holds(condition):
    equal(bool(condition), True)


def raises(kind, call, *arguments, **options):
    """Calls, and fails unless that raises such an exception."""
    global count
    count += 1
    try:
        result = call(*arguments, **options)
    except kind:
        return
    raise AssertionError(f"found {result!r}, expected {kind}")


def done(client):
    print(f"{client}: {count} checks")
