// The other side of processes.js: node process-main.js LIFELINE_FD MODULE EXPORT.

import './underloop.js'; // says what to do when nothing has been built

const [lifelineFd, moduleUrl, name] = process.argv.slice(2);

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

let calls = {
  async start(args) {
    const result = await (await import(moduleUrl))[name](args);
    if (result?.calls === undefined) return result;
    ({ calls } = result);
    return result.ready;
  },
};
process.on('message', ({ id, method, values }) => void answer(id, () => calls[method](...values)));
