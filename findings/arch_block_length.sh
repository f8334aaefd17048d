#!/usr/bin/env bash
# arch 8.0.0 (with numpy 2.4.6, pandas 3.1.1): the block length that it recommends, below one row, and not taken by its bootstrap.
#
# Expected: optimal_block_length gives lengths of at least one row, and CircularBlockBootstrap takes the one of its column
#           `circular`, or refuses it when it is made.
# Seen:     a series that is constant but for one outlier has a length of 0.40 rows. CircularBlockBootstrap takes any such
#           float without a word and fails in its first resample, about a sequence of integers; StationaryBootstrap takes its
#           0.35 and resamples, with a probability above one of a new block at every row.
# Output:   recommended: stationary 0.35, circular 0.40
#           circular:    TypeError: expected a sequence of integers or a single integer
#           stationary:  100 rows resampled
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check arch==8.0.0 numpy==2.4.6 pandas==3.1.1
cat > run.py <<'PY'
import numpy as np
from arch.bootstrap import CircularBlockBootstrap, StationaryBootstrap, optimal_block_length

rows = np.ones(100)
rows[50] = 2.0
found = optimal_block_length(rows).iloc[0]
print(f"recommended: stationary {found['stationary']:.2f}, circular {found['circular']:.2f}")
circular = CircularBlockBootstrap(found["circular"], rows, seed=0)
try:
    circular.apply(np.mean, 1)
except TypeError as error:
    print(f"circular:    TypeError: {str(error).partition(', got')[0]}")
(resampled,), _ = next(iter(StationaryBootstrap(found["stationary"], rows, seed=0).bootstrap(1)))
print(f"stationary:  {len(resampled)} rows resampled")
PY
env/bin/python run.py | tee output
diff output - <<'OUT'
recommended: stationary 0.35, circular 0.40
circular:    TypeError: expected a sequence of integers or a single integer
stationary:  100 rows resampled
OUT
