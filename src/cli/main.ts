#!/usr/bin/env node
// The command line: `underloop COMMAND`. Each command is a file of its own; none has logic of its own.

import { Command, CommanderError } from 'commander';
import { SystemError, UnderloopError } from '../errors.js';
import { adviseCommand } from './advise.js';
import { compareCommand } from './compare.js';
import { crossoverCommand } from './crossover.js';
import { doctorCommand } from './doctor.js';
import { psCommand } from './ps.js';
import { recordCommand } from './record.js';
import { replayCommand } from './replay.js';
import { stepCommand } from './step.js';
import { tourCommand } from './tour.js';
import { traceCommand } from './trace.js';
import { EXIT } from './exit.js';
import { packageVersion } from './version.js';

const program = new Command('underloop')
  .description('An event loop you can see through.')
  .version(packageVersion)
  .enablePositionalOptions() // what follows the script of `step` is the script's own
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .addHelpText(
    'after',
    `
Examples:
  $ underloop tour                              three minutes through what compare shows
  $ underloop compare idle                      what an idle connection costs, model by model
  $ underloop compare wait                      five requests of 2 s: 10 s or 2 s
  $ underloop compare echo --models threads,epoll,node
  $ underloop crossover --quick                 which model wins where
  $ underloop advise --connections 500 --wait 20ms --cpu 2ms --memory 512M
  $ underloop step examples/echo-reactor.js     hold the loop between two readiness events
  $ underloop record server.js                  keep what comes in; underloop replay runs it again
  $ underloop doctor server.js                  mistakes in how a program waits, with remedy
  $ underloop ps 4242                           what any process waits for (Linux)
  $ underloop trace export app.trace            what a recorded reactor did

Exit status: 0 all well; 1 something failed, and the report says what; 2 a mistake in the arguments;
130 interrupted (the report of what was measured is still printed).`,
  );
for (const make of [
  compareCommand,
  crossoverCommand,
  adviseCommand,
  stepCommand,
  recordCommand,
  replayCommand,
  doctorCommand,
  psCommand,
  traceCommand,
  tourCommand,
])
  program.addCommand(make().exitOverride());

// `| head` reads no more: that is no error of ours, and whoever prints has its own way to end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`underloop: ${error.message}\n`); // a disk that is full
  process.exit(EXIT.failed);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  else if (error instanceof UnderloopError || error instanceof SystemError) {
    process.stderr.write(`underloop: ${error.message}\n`);
    process.exitCode = error.code === 'ERR_ARGUMENT' ? EXIT.usage : EXIT.failed;
  } else if ((error as NodeJS.ErrnoException).syscall !== undefined) {
    process.stderr.write(`underloop: ${(error as Error).message}\n`); // a report that cannot be written
    process.exitCode = EXIT.failed;
  } else throw error;
}
