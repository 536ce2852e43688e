"""``python -m hso.evaluation`` and ``accelerate launch -m hso.evaluation``: ``hso compare``, or one of its processes.

``accelerate launch`` starts several processes with ``--multi_gpu --num_processes N``, without a GPU too; with ``--cpu`` it
starts one, unless an MPI is installed and ``--mpirun_hostfile`` given.
"""

from __future__ import annotations

import importlib
import sys

if __name__ == "__main__":
    # The command line is a layer above this one, so it is looked up by name.
    sys.exit(importlib.import_module("hso.cli").main(["compare", *sys.argv[1:]]))
