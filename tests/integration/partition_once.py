# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of virtiofs_partition in a process of its own, to be killed: its argument is a JSON file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from disk_lab import DiskLab


def main() -> int:
    given = json.loads(Path(sys.argv[1]).read_text())
    lab = DiskLab(Path(given["directory"]), there=True)
    outcome = lab.undisturbed(*given["items"])
    if outcome.failed:
        print(outcome.msg)
    return int(outcome.failed)


if __name__ == "__main__":
    raise SystemExit(main())
