"""What Windows does otherwise: a job object for the programs that dubkit starts, and whether a
process runs.

Windows ends what is in a job object, and all that it has started, when the last handle to it is
closed, which is when dubkit ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import subprocess
from typing import Any

KILL_ON_JOB_CLOSE = 0x2000
EXTENDED_LIMIT_INFORMATION = 9
SYNCHRONIZE = 0x100000
INVALID_PARAMETER = 87


class _Limits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


@functools.cache
def _job() -> tuple[Any, ctypes.c_void_p]:
    """The kernel's functions, and this process's job. Raises OSError if it cannot be made."""
    kernel: Any = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
    limits = _Limits(LimitFlags=KILL_ON_JOB_CLOSE)
    size = ctypes.sizeof(limits)
    if not job or not kernel.SetInformationJobObject(
        job, EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), size
    ):
        raise OSError("no job object")
    return kernel, job


def assign(child: subprocess.Popen[bytes]) -> None:
    """Put a program into the job; where Windows refuses, it runs without."""
    with contextlib.suppress(OSError, AttributeError):
        kernel, job = _job()
        kernel.AssignProcessToJobObject(job, ctypes.c_void_p(int(child._handle)))  # type: ignore[attr-defined]


def is_running(pid: int) -> bool:
    """Whether there is a process of that number; True if that cannot be known."""
    with contextlib.suppress(OSError, AttributeError):
        kernel, _ = _job()
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(kernel.OpenProcess(SYNCHRONIZE, False, pid))
        if not handle:
            wrong: int = ctypes.get_last_error()  # type: ignore[attr-defined]
            return wrong != INVALID_PARAMETER
        ended = kernel.WaitForSingleObject(handle, 0) == 0
        kernel.CloseHandle(handle)
        return not ended
    return True
