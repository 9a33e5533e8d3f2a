// A reactor on a ring, where there are rings.
import { Reactor } from '../../../dist/index.js';
import { ringKernel, unavailable } from '../../../dist/uring/kernel.js';

if (unavailable() !== null) console.log('no rings');
else {
  try {
    new Reactor({ kernel: ringKernel() });
  } catch (error) {
    console.log(error.code, error.message);
  }
}
