"""A small data-parallel training job, a process a rank, each traced by its own torch.profiler; run by the Python of PyTorch.

    python job.py RANK WORLD STORE TRACES PLANTED

PLANTED: what is wrong with the job: nothing, slow-rank (rank 2 sleeps in its forward pass), slow-input (rank 1 waits for its
next batch), slow-collective (each step ends with an all-reduce of 16 MiB, which all ranks enter at the same time), pinned (by the
caller, which keeps a rank on a processor that others use: all steps compute for tens of milliseconds then, for a rank that
computes for less than a turn of the processor's scheduler is not held up, and there are more of them, for turns differ).
"""

import sys
import time
from pathlib import Path

STEPS = 12
SLEEP_S = 0.03


def main() -> None:
    import torch  # here, since the tests read the constants without PyTorch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel
    from torch.profiler import ProfilerActivity, profile, record_function, schedule

    rank, world, store, traces, planted = (
        int(sys.argv[1]),
        int(sys.argv[2]),
        sys.argv[3],
        Path(sys.argv[4]),
        sys.argv[5],
    )
    torch.set_num_threads(1)
    torch.manual_seed(7)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    batch, width, steps = (2048, 2048, 3 * STEPS) if planted == "pinned" else (16, 64, STEPS)
    model = DistributedDataParallel(
        torch.nn.Sequential(torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 8))
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    large = torch.zeros(4 << 20)

    def done(profiler):
        profiler.export_chrome_trace(str(traces / f"rank{rank}.json"))

    with profile(
        activities=[ProfilerActivity.CPU],
        schedule=schedule(wait=0, warmup=2, active=steps),
        on_trace_ready=done,
        record_shapes=True,
    ) as profiler:
        for _ in range(steps + 2):
            with record_function("data"):
                if planted == "slow-input" and rank == 1:
                    time.sleep(SLEEP_S)
                images, labels = torch.randn(batch, 64), torch.randint(8, (batch,))
            with record_function("forward"):
                if planted == "slow-rank" and rank == 2:
                    time.sleep(SLEEP_S)
                loss = torch.nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if planted == "slow-collective":
                dist.all_reduce(large)
            profiler.step()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
