"""The LSTM's forward pass and gradients against torch's, to 1e-5.

    lstm_torch.py LSTM_NUMBERS
"""
import json
import subprocess
import sys

try:
    import torch
except ImportError:
    print("SKIPPED: torch is missing (apt-get install python3-torch)", file=sys.stderr)
    sys.exit(77)

SHAPES = [(1, 4, 1, 3), (5, 16, 1, 9), (21, 64, 2, 672), (24, 33, 2, 131)]
MOST = 1e-5


def load(net, head, layers, flat):
    """The order of lstm.h; torch has two biases for each gate, of which the second is left 0."""
    at = 0
    for layer in range(layers):
        for name in ("weight_ih", "weight_hh", "bias_ih"):
            p = getattr(net, f"{name}_l{layer}")
            yield p, at
            p.data.copy_(flat[at:at + p.numel()].view_as(p))
            at += p.numel()
        getattr(net, f"bias_hh_l{layer}").data.zero_()
    for p in (head.weight, head.bias):
        yield p, at
        p.data.copy_(flat[at:at + p.numel()].view_as(p))
        at += p.numel()
    assert at == flat.numel(), f"{at} weights of {flat.numel()}"


def check(program, inputs, units, layers, outputs):
    said = json.loads(subprocess.run([program, *map(str, (inputs, units, layers, outputs))], check=True, stdout=subprocess.PIPE).stdout)
    ours = {name: torch.tensor(values, dtype=torch.float32) for name, values in said.items()}
    net, head = torch.nn.LSTM(inputs, units, layers), torch.nn.Linear(units, outputs)
    parts = list(load(net, head, layers, ours["weight"]))
    out = head(net(ours["x"].view(-1, 1, inputs))[0]).view(-1, outputs)
    out.backward(ours["d_out"].view_as(out))
    apart = (out - ours["out"].view_as(out)).abs().max().item()
    assert apart <= MOST, f"outputs are {apart:.2g} apart"
    worst = 0.0
    for p, at in parts:
        own = ours["gradient"][at:at + p.numel()].view_as(p)
        worst = max(worst, ((p.grad - own).abs() / (1 + p.grad.abs())).max().item())
    assert worst <= MOST, f"gradients are {worst:.2g} apart"
    print(f"{inputs} inputs, {units} units, {layers} layers, {outputs} outputs: outputs within {apart:.2g}, gradients within {worst:.2g}")


for shape in SHAPES:
    check(sys.argv[1], *shape)
