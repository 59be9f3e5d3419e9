# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the controller in the middle of the task whose number PROOF_KILL_AT has: nothing can be cleaned up."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kill
type: notification
short_description: Kill the controller in the middle of a task
description: SIGKILL, a moment after the task began whose number the variable PROOF_KILL_AT has.
"""

# The module is on its way to the machine then, or at work there.
SECONDS = 1.2


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kill"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._left = int(os.environ["PROOF_KILL_AT"])

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._left -= 1
        if self._left == 0:
            threading.Timer(SECONDS, os.kill, (os.getpid(), signal.SIGKILL)).start()
