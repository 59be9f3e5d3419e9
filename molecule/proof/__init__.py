# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of several scenarios share: looking at machines, running playbooks, I/O from both sides."""
