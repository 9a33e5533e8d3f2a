// The other side of processes.js: node process-main.js LIFELINE_FD MODULE EXPORT JSON.

import './underloop.js'; // says what to do when nothing has been built

const [lifelineFd, moduleUrl, name, args] = process.argv.slice(2);

// However the parent ends, even by SIGKILL: a native thread sees its pipe end, also while JavaScript is blocked.
const { startLifeline } = await import('../../dist/workload/process.js');
startLifeline(Number(lifelineFd));
process.on('disconnect', () => process.exit(0));

async function answer(id, work) {
  try {
    process.send({ id, value: await work() });
  } catch (error) {
    process.send({ id, error: { message: error.message, code: error.code } });
  }
}

let calls = {};
process.on('message', ({ id, method, values }) => void answer(id, () => calls[method](...values)));
await answer(0, async () => {
  const result = await (await import(moduleUrl))[name](JSON.parse(args));
  calls = result?.calls ?? {};
  return result?.calls === undefined ? result : result.ready;
});
