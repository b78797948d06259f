"""Cython's plugin of coverage, taught that a .pxd is compiled into several modules: `plugins = tools.kernel_lines`.

Cython's own looks a .pxd up in the C file that it read last, and knows none before it has read one. So a header's report
would depend on the order of files. Here all C files of the kernel are read first, and a header's executable lines are
those of all modules that compile it. The C files are Cython's output and lie beside the sources.
"""

from pathlib import Path
from typing import Any

from Cython.Coverage import Plugin

__all__ = ["KernelLines", "coverage_init"]

KERNEL = Path(__file__).resolve().parents[1] / "_fastfit"


class KernelLines(Plugin):  # type: ignore[misc]  # Cython has no types
    """Reports lines of .pyx and .pxd files."""

    #: source -> C file, name, executable lines; Cython's own attribute
    _c_files_map: dict[str, tuple[str, str, dict[int, str]]]

    def _read_source_lines(self, c_file: str, sourcefile: str) -> Any:  # noqa: ARG002 - one file is not enough
        """Read every C file the first time; `_c_files_map` then has each header once, with the lines of all."""
        if self._parsed_c_files is None:
            lines: dict[str, dict[int, str]] = {}
            for path in sorted(KERNEL.glob("*.c")):
                super()._read_source_lines(str(path), sourcefile)
                for source, (_, _, code) in self._c_files_map.items():
                    lines.setdefault(source, {}).update(code)
            self._c_files_map = {
                source: (path, name, lines[source]) for source, (path, name, _) in self._c_files_map.items()
            }
        return self._c_files_map.get(sourcefile, (None, None, None))[1:]

    def file_reporter(self, filename: str) -> Any:
        """Of a header too, whichever file is asked for first."""
        self._read_source_lines("", filename)
        return super().file_reporter(filename)


def coverage_init(registry: Any, options: dict[str, Any]) -> None:  # noqa: ARG001 - coverage's signature
    """Coverage calls this when it loads the plugin."""
    registry.add_file_tracer(KernelLines())
