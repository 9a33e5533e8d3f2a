// A connection on reactor.watch() and bare system calls: as little as possible between the reactor and the program.

const READABLE = 1;
const WRITABLE = 2;
const HANGUP = 16;
const ERROR = 32;
const EAGAIN = -11;
const SHUT_WRITE = 1;
const READS_MAX = 16;
const READ_BYTES_MAX = 65_536;

/** Calls the same handlers as a `Connection` does, from a watched descriptor; see docs/handlers.md. */
export class RawConnection {
  context = undefined;
  bytesWritten = 0;
  queuedBytes = 0; // it has no queue: what the kernel does not take, the caller keeps
  closed = false;
  #reactor;
  #kernel;
  #handlers;
  #watch;
  #edge;
  #connecting;
  #wantsWrite;
  #paused = false;
  #readEnded = false;
  #writeEnded = false;

  constructor(reactor, fd, connecting, handlers, trigger) {
    this.fd = fd;
    this.#reactor = reactor;
    this.#kernel = reactor.kernel;
    this.#handlers = handlers;
    this.#edge = trigger === 'edge';
    this.#connecting = connecting;
    this.#wantsWrite = connecting;
    this.#watch = reactor.watch(fd, connecting ? WRITABLE : READABLE, (readiness) => this.#ready(readiness), {
      trigger,
    });
    this.#watch.owner = this;
  }

  write(bytes, start, end) {
    if (this.#connecting) return this.#want(0);
    const sent = this.#kernel.sendBytes(this.fd, bytes, start, end - start);
    if (sent < 0 && sent !== EAGAIN) {
      // As Connection does: what the peer sent before it reset is read first, and its end tells.
      this.#writeEnded = true;
      this.failed = sent;
      if (this.#readEnded || this.#paused) this.#shut(sent);
      return 0;
    }
    const taken = Math.max(sent, 0);
    this.bytesWritten += taken;
    return taken === end - start ? taken : this.#want(taken);
  }

  get paused() {
    return this.#paused;
  }
  get writable() {
    return !this.closed && !this.#writeEnded;
  }

  #want(taken) {
    this.#wantsWrite = true;
    this.#update();
    return taken;
  }

  pause() {
    this.#paused = true;
    this.#update();
  }
  resume() {
    this.#paused = false;
    this.#update();
  }
  end() {
    if (this.closed || this.#writeEnded) return;
    this.#writeEnded = true;
    this.#kernel.shutdown(this.fd, SHUT_WRITE);
    if (this.#readEnded) this.#shut(0);
  }
  close() {
    this.#shut(0);
  }
  reset() {
    if (this.closed) return;
    this.#kernel.setOption(this.fd, 'lingerS', 0);
    this.#shut(0);
  }

  #shut(error) {
    if (this.closed) return;
    this.closed = true;
    const { fd } = this;
    this.#watch.close();
    this.fd = -1;
    this.#kernel.close(fd);
    this.#reactor.closing(() => this.#handlers.close(this, error === 0 ? null : error));
  }

  #update() {
    if (this.closed) return;
    const read = this.#paused || this.#readEnded || this.#connecting ? 0 : READABLE;
    // Setting the same interest again costs a call only on an edge, which it rearms.
    this.#watch.interest = read | (this.#wantsWrite ? WRITABLE : 0);
  }

  #ready(readiness) {
    if (!this.#handlers.ready(this)) return;
    if (this.#connecting) {
      const error = -this.#kernel.getOption(this.fd, 'error');
      if (error !== 0) return this.#shut(error);
      this.#connecting = this.#wantsWrite = false;
      this.#update();
      this.#handlers.open(this);
    } else if ((readiness & WRITABLE) !== 0 && this.#wantsWrite) {
      this.#wantsWrite = false;
      this.#handlers.drain(this);
      if (!this.#wantsWrite) this.#update();
    }
    if (this.closed || this.#paused || this.#readEnded) {
      // An error or a hang-up that nobody reads would be reported for ever.
      if ((readiness & (ERROR | HANGUP)) !== 0) this.#hungUp();
      return;
    }
    if ((readiness & ~WRITABLE) !== 0) this.#read();
  }

  #hungUp() {
    if (this.closed) return;
    const error = -this.#kernel.getOption(this.fd, 'error');
    if (error !== 0 || this.#readEnded) this.#shut(error);
  }

  #read() {
    const kernel = this.#kernel;
    for (let reads = 1; ; reads++) {
      const count = kernel.recv(this.fd, 0, READ_BYTES_MAX);
      if (count === EAGAIN) return;
      if (count < 0) return this.#shut(count);
      if (count === 0) return this.#ended();
      this.#handlers.data(this, kernel.buffer, 0, count);
      if (this.closed || this.#paused || !this.#edge) return;
      if (reads === READS_MAX) return this.#update();
    }
  }

  #ended() {
    this.#readEnded = true;
    if (this.failed !== undefined) return this.#shut(this.failed);
    this.#update();
    this.#handlers.readClosed(this);
    if (this.#writeEnded) this.#shut(0);
  }
}
