# Brings epoll sets into random states for ever: sockets, eventfds, pipes, duplicates, phantoms, every trigger.
import ctypes
import os
import platform
import random
import select
import socket
import sys
import time

rng = random.Random(int(sys.argv[1]))
sets = [select.epoll(), select.epoll()]
opened = []
LIBC = ctypes.CDLL(None, use_errno=True)
ADD, MODIFY = 1, 3


class Event(ctypes.Structure):
    if platform.machine() == "x86_64":
        _pack_ = 1
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]


# Each registration has data of its own: Python itself would give the number, which a phantom may share with another.
data = 0


def control(chosen, operation, fd, events):
    global data
    data += 1
    event = Event(events, data)
    LIBC.epoll_ctl(chosen.fileno(), operation, fd, ctypes.byref(event))


FLAGS = [0, 0, select.EPOLLET, select.EPOLLONESHOT, select.EPOLLET | select.EPOLLONESHOT]


def add():
    kind = rng.randrange(4)
    if kind == 0:
        made = [one.detach() for one in socket.socketpair()]
    elif kind == 1:
        made = list(os.pipe())
    elif kind == 2:
        made = [os.eventfd(rng.randrange(2), os.EFD_NONBLOCK)]
    else:
        made = [socket.create_server(("127.0.0.1", 0)).detach()]
    opened.extend(made)


def step():
    if len(opened) < 4:
        return add()
    fd = rng.choice(opened)
    chosen = rng.choice(sets)
    what = rng.randrange(10)
    if what < 2 and len(opened) < 60:
        add()
    elif what < 5:
        events = rng.choice([1, 4, 5, 0x2001]) | rng.choice(FLAGS)
        if rng.randrange(8) == 0:
            events = 1 | (1 << 28)
        control(chosen, ADD, fd, events)
    elif what == 5:
        control(chosen, MODIFY, fd, rng.choice([0, 1, 4]) | rng.choice(FLAGS))
    elif what == 6:
        chosen.unregister(fd)
    elif what == 7:
        opened.remove(fd)
        os.close(fd)
    elif what == 8 and len(opened) < 60:
        opened.append(os.dup(fd))
    else:
        chosen.poll(0)


print("ready", flush=True)
while True:
    try:
        step()
    except OSError:
        pass  # refused: registered already, not registered, not allowed with EPOLLEXCLUSIVE
    if rng.randrange(20) == 0:
        time.sleep(0.001)
