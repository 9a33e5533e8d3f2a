import { READABLE, Reactor, descriptors } from 'underloop';

const reactor = new Reactor({ poller: 'epoll' });

class Recorder {
  bytes = 0;
  attach(fd) {
    this.fd = descriptors.duplicate(fd);
  }
  stop() {
    descriptors.close(this.fd);
  }
}

class Terminal {
  shown = 0;
  ghosts = 0;
  open = true;

  constructor(recorder) {
    [this.master, this.slave] = descriptors.openPty();
    this.screen = Buffer.alloc(1024);
    recorder.attach(this.master);
    this.onScreen = this.onScreen.bind(this);
    this.watch = reactor.watch(this.master, READABLE, this.onScreen);
  }

  onScreen() {
    if (!this.open) {
      this.ghosts++;
      return;
    }
    const count = descriptors.read(this.master, this.screen);
    if (count !== null) this.shown += count;
  }

  type(text) {
    descriptors.write(this.slave, Buffer.from(text));
  }

  disconnect() {
    this.open = false;
    descriptors.close(this.master);
  }

  dispose() {
    this.watch.close();
    descriptors.close(this.slave);
  }
}

const recorder = new Recorder();
const terminal = new Terminal(recorder);

let line = 0;
const typing = setInterval(() => terminal.type(`$ make target-${line++}\n`), 25);
setTimeout(() => terminal.disconnect(), 550);

const spectators = new Map();
function countSpectators() {
  spectators.set('now', (spectators.get('now') ?? 0) + 1);
  reactor.setTimer(15, countSpectators);
}
countSpectators();

reactor.setTimer(1900, () => {
  clearInterval(typing);
  terminal.dispose();
  recorder.stop();
  const { shown, ghosts } = terminal;
  console.log(JSON.stringify({ fault: ghosts >= 300, evidence: { shown, ghosts, line } }));
  reactor.close();
});

await reactor.run();
