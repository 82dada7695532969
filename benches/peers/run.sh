#!/bin/sh
# Measures the peers side by side and writes results.json, docs/performance.md's tables and docs/charts.
#
#   benches/peers/run.sh [DIR] [--quick] [--cases mse,huber] [--dtypes f32] [--threads 1]
#
# DIR is where install.sh has put the environment. What is left out of a run keeps its earlier figures. With --quick all
# that is written goes into DIR/quick.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case ${1:-} in
"" | -*) dir=$here/../../target/peers ;;
*) dir=$1 && shift ;;
esac
python=$dir/venv/bin/python
if ! [ -x "$python" ]; then
    echo "there is no environment in $dir; make it first: benches/peers/install.sh $dir" >&2
    exit 2
fi
# Some machines have it set for old builds of OpenBLAS, and it slows new ones down.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
dir=$(cd "$dir" && pwd)
# What is measured is this checkout, not the one that was installed.
(cd "$here" && CARGO_TARGET_DIR=$dir/target cargo build --release --locked --bin fused_loss --bin memory)
"$python" "$here/python/measure.py" "$dir" "$@"
