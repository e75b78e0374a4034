"""Settings and compilation for a GPU, as far as they can be tested on a CPU."""

import warnings

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils._python_dispatch import TorchDispatchMode

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.ranking.train import RankingObjective
from tracklearn.settings.ranking import Augment, Loss
from tracklearn.training import gpu
from tracklearn.training.gpu import compiled, set_precision
from tracklearn.training.log import Means
from tracklearn.training.softmax import SoftmaxObjective
from tracklearn.training.solver import Solver

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
ON_GPU = pytest.mark.gpu
OBJECTIVES = {
    "paper": RankingObjective(loss_settings=Loss(), random_iterations=4, seed=1),
    "infonce": RankingObjective(
        loss_settings=Loss(form="infonce", augment=Augment(crop=(0.5, 1.0), colour=0.4, grey=0.5, blur=0.5)),
        random_iterations=0,
        seed=1,
    ),
    "fork": RankingObjective(loss_settings=Loss(form="fork", margin=1.0), random_iterations=4, seed=1),
    "softmax": SoftmaxObjective(dropout=0.5, seed=1, background=True),
}


def net():
    return CaffeNet(width=1 / 16, input_size=67, fc7=32, outputs=3, conv_std=0.05, fc_std=0.05, bias=0.0, seed=1)


def batch(name):
    generator = torch.Generator().manual_seed(0)
    patches = torch.randint(0, 256, (8, 2, 67, 67, 3), dtype=torch.uint8, generator=generator)
    return (patches.flatten(0, 1), torch.arange(16) % 3) if name == "softmax" else (patches, torch.arange(8) // 2)


def whole_batch(name, iteration, device):
    """A batch and the draws of an iteration."""
    return tuple(tensor.to(device) for tensor in (*batch(name), *OBJECTIVES[name].draw(net(), batch(name), iteration)))


def settings():
    backends = torch.backends
    return backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision, backends.cudnn.benchmark


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_gpu_rounds_to_tf32_for_that_precision_alone_and_within_the_block_alone(precision):
    before, rounded = settings(), precision == "tf32"
    with warnings.catch_warnings(action="error"), pytest.raises(ZeroDivisionError), set_precision(GPU, precision):
        products, convolutions, trying = settings()
        assert (products == "tf32", convolutions == "tf32", trying) == (rounded, rounded, True)
        # The older interface, which torch.compile reads, agrees.
        assert torch.get_float32_matmul_precision() == ("high" if rounded else "highest")
        assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == rounded
        raise ZeroDivisionError
    assert [name == "tf32" for name in settings()] == [name == "tf32" for name in before]


@pytest.mark.parametrize(
    ("precision", "lines"),
    [
        ("fp32", []),
        ("tf32", ["precision is 'tf32' and there is no GPU; computing in fp32"]),
    ],
)
def test_on_a_cpu_nothing_changes_and_tf32_is_mentioned(precision, lines, caplog):
    before = settings(), torch.get_float32_matmul_precision()
    with set_precision(CPU, precision):
        assert (settings(), torch.get_float32_matmul_precision()) == before
    assert [record.getMessage() for record in caplog.records] == lines


def test_nothing_is_compiled_on_a_cpu(caplog):
    objective = OBJECTIVES["paper"]
    assert compiled(objective, CPU) is objective
    assert caplog.messages == ["schedule: compile is true and there is no GPU; not compiled"]


def test_compiling_needs_triton(monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^schedule: compile is true and Triton, which it needs, is not installed; "):
        compiled(OBJECTIVES["paper"], GPU)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_compiled_objective_has_the_same_loss_gradients_and_names(name, monkeypatch):
    """With the backend that computes the compiled graphs by torch's own operations."""
    monkeypatch.setattr(gpu, "find_spec", lambda name: "here")
    torch.compiler.reset()
    plain_net, traced_net, examples = net(), net(), batch(name)
    plain = OBJECTIVES[name]
    traced = compiled(plain, GPU, backend="aot_eager")
    graphs = []
    for iteration in range(8):
        results = []
        for trained, objective in ((plain_net, plain), (traced_net, traced)):
            trained.zero_grad()
            loss, measurements = objective(trained, examples, iteration)
            loss.backward()
            results.append((loss.detach(), measurements))
        assert results[0][0] > 0
        torch.testing.assert_close(results[1], results[0])
        for parameter, (traced_name, other) in zip(plain_net.parameters(), traced_net.named_parameters(), strict=True):
            if parameter.grad is not None:
                torch.testing.assert_close(other.grad, parameter.grad, msg=traced_name)
                assert other.grad.stride() == other.stride()  # the fused update reads both in the order of memory
        graphs.append(counters["stats"]["unique_graphs"])
    assert list(traced_net.state_dict()) == list(net().state_dict())
    assert graphs[0] > 0
    assert graphs[4] == graphs[7]  # no iteration is compiled anew
    torch.compiler.reset()


class Operations(TorchDispatchMode):
    """Collects the names of the operations that torch does."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **kwargs or {})


def iterate(name, device, iteration, watched):
    """Do one iteration as the loop does."""
    trained, examples = net().to(device), whole_batch(name, iteration, device)
    solver, means = Solver(trained, momentum=0.9, weight_decay=5e-4), Means()
    with watched:
        loss, measurements = OBJECTIVES[name](trained, examples, iteration)
        loss.backward()
        solver.step(0.01)
        means.add({"loss": loss, **measurements})
    return means.means()


# item, float, int, bool of a tensor; sizes that depend on values; values that come from Python's memory
WAITING = {"_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "_unique2", "lift_fresh"}


@pytest.mark.parametrize("iteration", [0, 4])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_nothing_in_an_iteration_would_wait_for_a_gpu(name, iteration):
    operations = Operations()
    assert iterate(name, CPU, iteration, operations)["loss"] > 0
    assert {"convolution", "convolution_backward", "mul_"} <= operations.names
    assert not operations.names & WAITING


class Erring:
    """Within the block, an operation that waits for the GPU raises."""

    def __enter__(self):
        torch.cuda.set_sync_debug_mode("error")

    def __exit__(self, *_):
        torch.cuda.set_sync_debug_mode("default")


@ON_GPU
@pytest.mark.parametrize("iteration", [0, 4])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_nothing_in_an_iteration_waits_for_the_gpu(name, iteration):
    with set_precision(GPU, "fp32"):
        assert iterate(name, GPU, iteration, Erring())["loss"] > 0


@ON_GPU
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_gpu_gives_the_cpu_s_activations(precision):
    images = torch.randn(4, 3, 67, 67) * 50
    expected = net()(images)
    with set_precision(GPU, precision), torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
        activations = net().to(GPU)(images.to(GPU)).float().cpu()
    error = (activations - expected).norm() / expected.norm()
    assert error < {"fp32": 1e-5, "tf32": 1e-2, "bf16": 5e-2}[precision]


@ON_GPU
def test_a_gpu_steps_as_caffe_does():
    def stepped(device, fused):
        trained = net().to(device)
        solver = Solver(trained, momentum=0.9, weight_decay=0.05, fused=fused)
        for turn in range(1, 5):
            for parameter in trained.parameters():
                parameter.grad = parameter.detach().sin() * turn
            solver.step(1e-3)
        return [parameter.detach().cpu() for parameter in trained.parameters()]

    for on_gpu, on_cpu in zip(stepped(GPU, None), stepped(CPU, False), strict=True):
        torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-5, atol=1e-7)


@ON_GPU
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_for_the_gpu_it_is_the_same_to_rounding(precision):
    examples = whole_batch("paper", 0, GPU)
    traced = compiled(OBJECTIVES["paper"], GPU)
    with set_precision(GPU, precision), torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
        loss, _ = OBJECTIVES["paper"](net().to(GPU), examples, 0)
        traced_loss, _ = traced(net().to(GPU), examples, 0)
    torch.testing.assert_close(traced_loss, loss, rtol=1e-2 if precision == "bf16" else 1e-4, atol=1e-4)
