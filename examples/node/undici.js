// undici, and so fetch, over the reactor: node examples/node/undici.js URL

import { Agent, fetch } from 'undici';
import { undiciConnect } from '../../dist/node/index.js'; // in a program of yours: from 'underloop/node'

const connect = undiciConnect({ rejectUnauthorized: false }); // the example's certificate is nobody's
const dispatcher = new Agent({ connect });
const response = await fetch(process.argv[2] ?? 'http://127.0.0.1:8080/', { dispatcher });
console.log(`${response.status} ${(await response.text()).trim()}`);
await dispatcher.close();
