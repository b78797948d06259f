"""Has libvirt's test driver define domains; runs under the system's Python, which is the one with libvirt's bindings.

A line in: {"xml": domain}. A line out: {"xml": the domain as libvirt writes it} or {"error": its message}.
"""

import json
import sys

import libvirt  # type: ignore[import-not-found]  # of the system's Python


def main() -> None:
    """Answer each line of standard input; the version of the library goes first."""
    # By default every error is also printed.
    libvirt.registerErrorHandler(lambda context, error: None, None)
    connection = libvirt.open("test:///default")
    print(json.dumps({"version": libvirt.getVersion()}))
    for line in sys.stdin:
        try:
            domain = connection.defineXML(json.loads(line)["xml"])
            answer = {"xml": domain.XMLDesc()}
            domain.undefine()
        except libvirt.libvirtError as error:
            answer = {"error": error.get_error_message()}
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
