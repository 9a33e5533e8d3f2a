# Runs a command on a pseudo-terminal of its own: pty.py COLUMNS ROWS COMMAND [ARGUMENT...]. Lines of JSON in: {"input": TEXT},
# {"resize": [COLUMNS, ROWS]}, {"signal": NUMBER}. Out: {"output": TEXT}, and in the end {"status", "before", "after"}: the
# exit status (-N: ended by signal N), and the terminal's settings before the command and after it.
import codecs, fcntl, json, os, select, signal, struct, sys, termios


def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def tell(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def settings(fd):
    return repr(termios.tcgetattr(fd))


master, slave = os.openpty()
resize(slave, int(sys.argv[1]), int(sys.argv[2]))
before = settings(slave)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.closerange(3, 256)
    os.execvp(sys.argv[3], sys.argv[3:])

signal.alarm(60)  # whatever happens, nothing is left over
decoder = codecs.getincrementaldecoder("utf-8")("replace")
commands = b""
status = None
while status is None:
    ready, _, _ = select.select([master, 0], [], [], 0.02)
    if master in ready:
        tell(output=decoder.decode(os.read(master, 65536)))
    if 0 in ready:
        read = os.read(0, 65536)
        if read == b"":  # whoever started us has gone
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            sys.exit(0)
        commands += read
        *lines, commands = commands.split(b"\n")
        for line in map(json.loads, lines):
            if "input" in line:
                os.write(master, line["input"].encode())
            elif "resize" in line:
                resize(slave, *line["resize"])
            elif "signal" in line:
                os.kill(child, line["signal"])
    if not ready:
        pid, ended = os.waitpid(child, os.WNOHANG)
        if pid == child:
            status = os.waitstatus_to_exitcode(ended)
tell(status=status, before=before, after=settings(slave))
