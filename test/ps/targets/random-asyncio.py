# An asyncio server and its own clients, which come, speak and go at random: what selectors registers with epoll.
import asyncio
import logging
import random
import sys

logging.disable()  # it warns of writes to a peer that has gone
rng = random.Random(int(sys.argv[1]))


async def serve(reader, writer):
    try:
        while data := await reader.read(4096):
            writer.write(data * rng.randrange(1, 50))
            if rng.randrange(4) == 0:
                await asyncio.sleep(0.002)
    except OSError:
        pass
    writer.close()


async def client(port):
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(rng.randrange(6)):
                writer.write(b"x" * rng.randrange(1, 20000))
                if rng.randrange(2) == 0:
                    await reader.read(1000)
                await asyncio.sleep(rng.random() * 0.005)
            writer.close()
        except OSError:
            pass
        await asyncio.sleep(rng.random() * 0.005)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print("ready", flush=True)
    await asyncio.gather(*(client(port) for _ in range(12)))


asyncio.run(main())
