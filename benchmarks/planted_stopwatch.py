"""What a planted cause adds to a step, by the clock alone: the plain network and the planted one in one process, in turns.

Run by the Python of a framework's environment (so: the child's rules), with the path of a request that
benchmarks/planted_causes.py wrote, and the path of the JSON to write. Neither dlprof's trials nor its profilers take part:
bursts of steps alternate in random order, each step waits for its end, and time.perf_counter is read around it.
"""

import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "dlprof" / "runner"))

ROUNDS = 24
BURST = 6
WARM = 20


def main(request_path, out):
    import numpy as np
    from dlprof_child.backend import no_span
    from dlprof_child.feed import Feed
    from dlprof_child.session import check, load_adapter

    request = check(json.loads(Path(request_path).read_text()))
    planted = bool(request["options"].get("plant"))
    backend = load_adapter(request["adapter"]).create(request)
    description = request["workload"]
    with np.load(request["inputs"]["weights"]) as stored:
        weights = {name: stored[name] for name in stored.files}
    feed = Feed(request["inputs"], description["data"], int(description["run"]["batch_size"]))
    networks = {"plain": (backend.plain_network if planted else backend.network)(description, weights)}
    if planted:
        networks["planted"] = backend.network(description, weights)
    taken = dict.fromkeys(networks, 0)

    def burst(name, steps):
        walls = []
        for _ in range(steps):
            began = time.perf_counter()
            network = networks[name]
            network.sync(network.train(feed.train(taken[name], 1), no_span)[-1])
            walls.append(time.perf_counter() - began)
            taken[name] += 1
        return walls

    for name in networks:
        burst(name, WARM)
    found = {name: [] for name in networks}
    for _ in range(ROUNDS):
        order = list(networks)
        random.shuffle(order)
        for name in order:
            walls = burst(name, BURST + 1)[1:]
            found[name].append(sum(walls) / len(walls))
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
