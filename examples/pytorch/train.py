"""A small training script in PyTorch, as anybody has one, which leaves a trace for record.py and the guides.

    python train.py TRACE.json [--fused] [--gelu]

--fused: Adam as one operator. --gelu: an activation written by hand, as if somebody had changed it. Eight steps are recorded.
"""

import sys

import torch
from torch import nn
from torch.profiler import profile, record_function, schedule

STEPS = 8


class Gelu(nn.Module):
    def forward(self, x):
        return 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x**3)))


class Block(nn.Module):
    def __init__(self, width, activation):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.activation = activation
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(self.activation(self.up(self.norm(x))))


def main(trace, options):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    activation = Gelu() if "--gelu" in options else nn.ReLU()
    model = nn.Sequential(nn.Linear(64, 128), Block(128, activation), Block(128, activation), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), fused="--fused" in options)
    loss = nn.CrossEntropyLoss()
    inputs, labels = torch.randn(256, 64), torch.randint(0, 10, (256,))
    plan = schedule(wait=20, warmup=5, active=STEPS, repeat=1)
    with profile(
        schedule=plan, with_stack=True, with_modules=True, on_trace_ready=lambda done: done.export_chrome_trace(trace)
    ) as profiler:
        for _ in range(25 + STEPS):
            with record_function("data"):
                x, y = inputs.clone(), labels.clone()
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
            profiler.step()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
