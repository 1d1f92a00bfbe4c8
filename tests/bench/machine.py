"""What this computer is, how fast it multiplies matrices, and how things are timed: in turns, and the best counts."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from charlm.jobs import cores

GEMM_SIZE = 2048


@dataclass(frozen=True)
class Machine:
    """The computer, as the results tell it."""

    processor: str
    cores: int
    system: str
    python: str
    torch: str
    numpy: str
    threads: int
    environment: str  # settings of OpenMP, where there are such
    fp32_gflops: float
    bf16_gflops: float | None  # None: bf16 would be emulated
    load: float  # mean number of busy processes in the minute before
    gpu: str


def describe(repeats: int) -> Machine:
    """Looked up and measured here and now."""
    chosen = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(("OMP_", "MKL_"))]
    has_bf16 = torch.cpu.get_capabilities().get("avx512_bf16", False)
    load = os.getloadavg()[0]
    return Machine(
        processor=_processor(),
        cores=cores(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=str(torch.__version__),
        numpy=np.__version__,
        threads=torch.get_num_threads(),
        environment=" ".join(chosen),
        fp32_gflops=gemm_gflops(torch.float32, repeats),
        bf16_gflops=gemm_gflops(torch.bfloat16, repeats) if has_bf16 else None,
        load=load,
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else "",
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def stolen_seconds() -> float:
    """Of this machine's processors, since its start, that its host gave to other machines; 0 where it does not tell."""
    table = Path("/proc/stat")
    total = table.read_text().splitlines()[0].split() if table.exists() else []  # cpu user nice system ... steal
    return int(total[8]) / os.sysconf("SC_CLK_TCK") if len(total) > 8 else 0.0


def gemm(kind: torch.dtype) -> Callable[[], object]:
    """One square product, ready to be timed."""
    left, right = (torch.randn(GEMM_SIZE, GEMM_SIZE).to(kind) for _ in range(2))
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out)


def gemm_gflops(kind: torch.dtype, repeats: int) -> float:
    """GFLOP/s of a square product of 2048: the best of several."""
    return 2 * GEMM_SIZE**3 / in_turns({"gemm": gemm(kind)}, repeats + 1)["gemm"] / 1e9


def in_turns(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The shortest time of each, in seconds. One after the other, again and again, so that a busy moment hits all."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(repeats):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - began)
    return best
