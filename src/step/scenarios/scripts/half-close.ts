// The script of half-close: the end of what one side sends is not the end of the connection.

import type { TraceEvent } from '../../../trace/format.js';
import { bytesOf, callsOf, count, type Lesson, type Program, type Scenario } from '../lesson.js';

/** Everything of one run of the program that the script looks at. */
async function ask(
  lesson: Lesson,
  mode: 'answer' | 'close',
): Promise<{ sent: number; received: number; eof: boolean }> {
  const program = await lesson.start(mode);
  const client = await clientOf(program);
  await program.command(
    'The client sends its question and then a FIN (shutdown). Look at what is reported next.',
    't',
  );
  await program.command('Run on until the server reads. What does its recv() give?', 's');
  const serverReads = reads(program.events).filter(({ fd }) => fd !== client);
  program.say(
    `${count(serverReads.length, 'read')} of the server until now: ${serverReads.map(({ result }) => String(result)).join(', ')} bytes.`,
  );
  const end = await program.command('Run to the end. Who sends and reads what after the FIN?', 'c');
  const server = reads(program.events).find(({ fd }) => fd !== client)?.fd ?? -1;
  const sent = bytesOf([
    ...callsOf(program.events, 'sendBytes', server),
    ...callsOf(program.events, 'send', server),
  ]);
  const answers = callsOf(program.events, 'recv', client);
  const received = bytesOf(answers);
  const eof = answers.at(-1)?.result === 0 && end.held === null;
  program.say(
    `The server sent ${count(sent, 'byte')} after the client had ended its half; the client read ${String(received)}.`,
  );
  return { sent, received, eof };
}

type Call = Extract<TraceEvent, { type: 'call' }>;

function reads(events: readonly TraceEvent[]): Call[] {
  return events.filter((event): event is Call => event.type === 'call' && event.name === 'recv');
}

/** Steps until the client is about to ask, and gives its descriptor. */
async function clientOf(program: Program): Promise<number> {
  const client = program.fd('askAndEnd');
  const { next } = program.held;
  if (next[0].name !== 'askAndEnd') {
    await program.command(
      'The listener has a connection to accept. Run on until the client asks.',
      'u handler askAndEnd',
    );
  }
  return client;
}

export const halfClose: Scenario = {
  title: 'the end of one half',
  about:
    'A client sends its question, ends its half of the connection, and waits. Two servers get the same end-of-file: one ' +
    'answers and then ends, the other takes the end of the question for the end of the connection.',

  async play(lesson) {
    const good = await ask(lesson, 'answer');
    const bad = await ask(lesson, 'close');
    return {
      shown: good.received > 0 && good.received === good.sent && good.eof && bad.received === 0,
      text:
        `After the client had ended its half, the first server sent ${count(good.sent, 'byte')} and the client read ` +
        `${String(good.received)}, then ${good.eof ? 'the end' : 'no end'}: a FIN closes one direction only. The second server ` +
        `closed when it read the FIN, and the client got ${count(bad.received, 'byte')} of an answer. recv() = 0 says that the ` +
        'peer sends no more, not that it reads no more.',
      figures: {
        answeredBytes: good.sent,
        receivedBytes: good.received,
        receivedAfterCloseBytes: bad.received,
      },
    };
  },
};
