// The workloads that can be compared, by name. A new one is a file of its own and a line here.

import type { WorkloadName } from './report.js';
import type { ComparedWorkload } from './workload.js';
import { echo } from './workloads/echo.js';
import { idle } from './workloads/idle.js';
import { wait } from './workloads/wait.js';

export const workloads: Readonly<Record<WorkloadName, ComparedWorkload>> = { idle, wait, echo };
