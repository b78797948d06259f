"""`python -m tests.unit.http.crowd PORT COUNT`: so many connections, each from a loopback address of its own, until killed.

A third say nothing, the others ask for metrics; whoever is cut connects again after a second. Prints a line when all
have connected once.
"""

import asyncio
import contextlib
import resource
import sys

METRICS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


async def stranger(port: int, number: int, connected: asyncio.Semaphore) -> None:
    """One of them, for ever."""
    source = f"127.0.{1 + number // 250}.{1 + number % 250}"
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            connected.release()
            if number % 3:
                writer.write(METRICS)
            await reader.read()
            writer.transport.abort()
        await asyncio.sleep(1.0)


async def main(port: int, count: int) -> None:
    """All of them."""
    connected = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(stranger(port, number, connected)) for number in range(count)]
    for _ in range(count):
        await connected.acquire()
    print("all have connected", flush=True)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
