// The workloads that can be compared, by name. A new one is a file of its own and a line here.

import type { WorkloadName } from './report.js';
import type { ComparedWorkload } from './workload.js';
import { active } from './workloads/active.js';
import { churn } from './workloads/churn.js';
import { cpu } from './workloads/cpu.js';
import { echo } from './workloads/echo.js';
import { idle } from './workloads/idle.js';
import { mixed } from './workloads/mixed.js';
import { saturate } from './workloads/saturate.js';
import { slow } from './workloads/slow.js';
import { wait } from './workloads/wait.js';

export const workloads: Readonly<Record<WorkloadName, ComparedWorkload>> = {
  idle,
  wait,
  echo,
  active,
  churn,
  cpu,
  mixed,
  saturate,
  slow,
};
