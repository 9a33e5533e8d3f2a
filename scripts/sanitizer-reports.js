// Reads what the sanitizers have left in their log files, and tells the reports that are ours from the runtime's own.
import * as fs from 'node:fs';
import * as path from 'node:path';

/** A stack's lines, innermost first, without number and address: "function file:line" or "function (module+offset)". */
function framesOf(text) {
  return text.split('\n').flatMap((line) => /^\s+#\d+ (?:0x[0-9a-f]+ in )?(.*)$/.exec(line)?.[1] ?? []);
}

/**
 * Whether the innermost code of a stack that has a say is ours: allocators, the standard library and Node-API act on
 * behalf of their caller. Stacks that reach us only by way of V8 are V8's.
 */
function isOurs(frames, ourCode) {
  for (const frame of frames) {
    if (ourCode.some((folder) => frame.includes(folder))) return true;
    const isOnBehalf =
      /^(napi_|operator |__interceptor_|std::|__gnu_cxx::|void std::|<null>)|libsanitizer|libstdc\+\+|\/c\+\+\/|^(malloc|free|calloc|realloc|mem\w+|str\w+|read|write|close|pthread_\w+)\b/.test(
        frame,
      );
    if (!isOnBehalf) return false;
  }
  return false;
}

/** The reports in one log file: `{ title, text, isOurs }`. An error in memory is always ours to explain. */
function parse(log, ourCode) {
  const reports = [];
  for (const text of log.split(/^=+$/m)) {
    if (text.includes('LeakSanitizer: detected memory leaks')) {
      // A leak that hangs on another one says nothing new.
      for (const leak of text.split('\n\n').filter((part) => part.startsWith('Direct leak')))
        reports.push({ title: 'leak', text: leak, isOurs: isOurs(framesOf(leak), ourCode) });
      if (!text.includes('Direct leak'))
        reports.push({
          title: 'leak',
          text,
          isOurs: text.split('\n\n').some((part) => isOurs(framesOf(part), ourCode)),
        });
    } else if (text.includes('WARNING: ThreadSanitizer')) {
      const title = /ThreadSanitizer: ([\w\s-]*)/.exec(text)[1].trim();
      // A race has two sides, whose stacks come first, and is ours if both are. Of the runtime, which is not instrumented,
      // only intercepted calls are seen and not what orders them: its side of a race is no evidence.
      const sides = text.split('\n\n').slice(0, title === 'data race' ? 2 : 1);
      // Descriptors that JavaScript hands from one thread to another are ordered by its messages, which are not seen either.
      const isHandedOver =
        text.includes('Location is file descriptor') &&
        sides.every((stack) => /v8impl::|node_napi_env__/.test(stack));
      const isOursAlone = sides.every((stack) => isOurs(framesOf(stack), ourCode));
      reports.push({ title, text, isOurs: isOursAlone && !isHandedOver });
    } else if (/ERROR: (Address|Thread)Sanitizer|runtime error:/.test(text)) {
      const title = /(?:Sanitizer|runtime error): ?([\w -]*)/.exec(text)?.[1] ?? '';
      reports.push({ title: title.trim(), text, isOurs: true });
    }
  }
  return reports;
}

/** All reports of the log files in a folder; each with the file's name. */
export function readReports(folder, ourCode) {
  return fs.readdirSync(folder).flatMap((name) => {
    const log = fs.readFileSync(path.join(folder, name), 'utf8');
    return parse(log, ourCode).map((report) => ({ file: name, ...report }));
  });
}
