"""How setuptools compiles the kernel. All compiler directives are here.

FASTFIT_DEBUG=1 checks bounds and overflow; FASTFIT_SANITIZE=1 builds with the address and undefined-behaviour
sanitizers (run it with their libraries preloaded). FASTFIT_TRACE=1 reports every line to a tracer, for coverage. No
source file changes, so each of them forces a rebuild.
"""

import os
import platform
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from setuptools.command.build_ext import build_ext

__all__ = ["BuildKernel"]

#: No fused multiply-add: floating-point results must equal the plain kernel's bit for bit.
_RELEASE = ["-O3", "-g0", "-ffp-contract=off", "-fno-strict-aliasing"]
#: Every x86 server since 2009 has POPCNT; compilers use it only with this flag.
_X86 = ["-mpopcnt"]
#: The trace calls cost far more than what they are between.
_TRACE = ["-O1", "-g0", "-ffp-contract=off", "-fno-strict-aliasing"]
_SANITIZE = ["-O1", "-g", "-ffp-contract=off", "-fno-strict-aliasing", "-fsanitize=address,undefined"]


def _wanted(name: str) -> bool:
    return os.environ.get(name, "") not in {"", "0"}


class BuildKernel(build_ext):  # type: ignore[misc]  # setuptools has no types
    """build_ext with our directives and flags."""

    force: bool | None

    def finalize_options(self) -> None:
        """Turn the .pyx sources into C before setuptools looks at them."""
        debug, sanitize, trace = (_wanted(f"FASTFIT_{kind}") for kind in ("DEBUG", "SANITIZE", "TRACE"))
        force = debug or sanitize or trace
        headers = [str(path) for path in Path("_fastfit").glob("*.pxd")]
        machine = _X86 if platform.machine() in {"x86_64", "AMD64"} else []
        for extension in self.distribution.ext_modules:
            extension.extra_compile_args = (_SANITIZE if sanitize else _TRACE if trace else _RELEASE) + machine
            extension.extra_link_args = ["-fsanitize=address,undefined"] if sanitize else []
            extension.depends = headers
            if trace:
                # Without the second macro Cython leaves functions without the GIL out, which is most of the kernel.
                extension.define_macros = [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]
        directives: dict[str, Any] = {
            "language_level": 3,
            "binding": True,
            "cdivision": True,
            "wraparound": False,
            "boundscheck": debug,
            "initializedcheck": debug,
            "overflowcheck": debug,
            "linetrace": trace,
            "embedsignature": False,
            "warn.unused": True,
            "freethreading_compatible": False,
        }
        self.distribution.ext_modules = cythonize(  # type: ignore[no-untyped-call]
            self.distribution.ext_modules, compiler_directives=directives, force=force, quiet=True
        )
        super().finalize_options()
        self.force = bool(self.force) or force
