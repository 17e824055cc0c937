"""A small training script in PyTorch, as anybody has one, for the guides.

    python train.py [--fused] [--gelu] [--trace FILE.json]

--fused: Adam as one operator. --gelu: an activation written by hand, as if somebody had changed it. --trace: records eight of its
first steps with torch.profiler and ends; without it 20 000 steps are trained.
"""

import argparse

import torch
from torch import nn
from torch.profiler import profile, record_function, schedule

STEPS = 20_000
WAIT, WARMUP, ACTIVE = 20, 5, 8


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


class Training:
    def __init__(self, fused, gelu):
        torch.manual_seed(0)
        activation = Gelu() if gelu else nn.ReLU()
        blocks = [Block(128, activation), Block(128, activation)]
        self.model = nn.Sequential(nn.Linear(64, 128), *blocks, nn.Linear(128, 10))
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=fused)
        self.loss = nn.CrossEntropyLoss()
        self.inputs, self.labels = torch.randn(256, 64), torch.randint(0, 10, (256,))

    def step(self):
        with record_function("data"):
            x, y = self.inputs.clone(), self.labels.clone()
        self.optimizer.zero_grad()
        self.loss(self.model(x), y).backward()
        self.optimizer.step()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fused", action="store_true")
    parser.add_argument("--gelu", action="store_true")
    parser.add_argument("--trace")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    training = Training(asked.fused, asked.gelu)
    if not asked.trace:
        for _ in range(STEPS):
            training.step()
        return
    plan = schedule(wait=WAIT, warmup=WARMUP, active=ACTIVE, repeat=1)
    with profile(schedule=plan, with_stack=True, with_modules=True) as profiler:
        for _ in range(WAIT + WARMUP + ACTIVE - 1):
            training.step()
            profiler.step()
        training.step()
    profiler.export_chrome_trace(asked.trace)


if __name__ == "__main__":
    main()
