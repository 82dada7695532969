"""Who is measured. A peer is a line here and a file of its own."""

from dataclasses import dataclass

# Tells glibc to keep what is freed instead of handing it back to the system, whose fresh pages cost more than most losses.
KEEPING = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(1 << 28),
    "MALLOC_ARENA_MAX": "1",
    "PEER_KEPT": "1",
}


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    # A Python file beside this one, or a program of the Rust package with its argument.
    file: str = ""
    program: tuple = ()
    # Built for the CPU at hand, where the program is not the crate's own.
    native: bool = False
    # Measured a second time with memory kept from call to call.
    keeps: bool = False
    # A loop written for this comparison, and no library.
    loop: bool = False
    value_only: bool = False


SUBJECT = Peer("fused-loss", "fused-loss", program=("fused_loss",))
# As it is called with arrays that no one has aligned; no contender.
OFF_LINE = Peer("fused-loss-off-line", "fused-loss, 16 bytes off", program=("fused_loss", "off-line"))
MEMORY = (
    Peer("memory-plain", "memory test, plain stores", program=("memory", "plain")),
    Peer("memory-streaming", "memory test, streaming stores", program=("memory", "streaming")),
)
PEERS = (
    Peer("torch-eager", "PyTorch, autograd", file="torch_eager.py", keeps=True),
    Peer("torch-compile", "torch.compile", file="torch_compile.py", keeps=True),
    Peer("torch-closed", "PyTorch by hand, out=", file="torch_closed.py"),
    Peer("jax", "JAX jit", file="jax_jit.py", keeps=True),
    Peer("numpy", "NumPy by hand, out=", file="numpy_closed.py"),
    Peer("candle", "candle", program=("candle",), native=True, keeps=True),
    Peer("burn", "burn flex", program=("burn",), native=True, keeps=True),
    Peer("loop", "Rust loop, one sum", program=("loops", "plain"), native=True, loop=True),
    Peer("loop-lanes", "Rust loop, 32 sums", program=("loops", "lanes"), native=True, loop=True),
    Peer("numkong", "numkong (value alone)", file="numkong_kl.py", value_only=True),
)
EVERYONE = (SUBJECT, OFF_LINE, *MEMORY, *PEERS)
