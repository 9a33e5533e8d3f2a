// A copy of the project in a temporary folder, in which sources are changed, built and put back.

import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as os from 'node:os';
import * as path from 'node:path';
import { ROOT, mutated } from './catalogue.js';
import { runCommand } from './command.js';

const require = createRequire(import.meta.url);
/** A build of the addon from nothing, on a machine that has other things to do. */
const BUILD_MS_MAX = 600_000;

export class Workspace {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'underloop-mutants-'));
  /** What puts the last mutant's changes back. */
  undo = [];

  /** Copies the project and builds it. */
  async prepare() {
    const left = new Set(['node_modules', '.git', 'coverage']);
    const filter = (file) => !left.has(path.relative(ROOT, file));
    fs.cpSync(ROOT, this.root, { recursive: true, preserveTimestamps: true, filter });
    fs.symlinkSync(fs.realpathSync(path.join(ROOT, 'node_modules')), this.at('node_modules'));
    await this.buildAddon();
    await this.command([this.at('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']);
    fs.cpSync(this.at('build'), this.at('build.unchanged'), { recursive: true, preserveTimestamps: true });
  }

  at(file) {
    return path.join(this.root, file);
  }

  /** Applies a mutant and builds what is made from its source. A mutant that does not compile throws. */
  async apply(mutant) {
    const { file, before, after } = mutated(mutant, this.root);
    this.keep(file);
    fs.writeFileSync(this.at(file), after);
    if (file.startsWith('native/')) {
      this.undo.push(() => {
        const options = { recursive: true, preserveTimestamps: true, force: true };
        fs.cpSync(this.at('build.unchanged'), this.at('build'), options);
      });
      await this.buildAddon();
    } else if (file.startsWith('src/')) {
      // Tests take src/ as it stands; the programs that they start take dist/.
      const compiled = file.replace(/^src\/(.*)\.ts$/, 'dist/$1.js');
      this.keep(compiled);
      if (this.compile(before) !== withoutMap(fs.readFileSync(this.at(compiled), 'utf8')))
        throw new Error(`${compiled} is not what ${file} compiles to without the mutant`);
      fs.writeFileSync(this.at(compiled), this.compile(after));
    }
  }

  /** One module, as the whole project's compilation has it: the types play no part (isolatedModules). */
  compile(text) {
    const ts = require('typescript'); // here, for it takes a second
    const { config } = ts.readConfigFile(this.at('tsconfig.json'), ts.sys.readFile);
    const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, this.root);
    const compilerOptions = { ...options, module: ts.ModuleKind.ESNext };
    return withoutMap(ts.transpileModule(text, { compilerOptions }).outputText);
  }

  /** Puts back what the last mutant has changed, with the times of the files, so that nothing is compiled for it. */
  restore() {
    for (const undo of this.undo.splice(0)) undo();
  }

  remove() {
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  keep(file) {
    const bytes = fs.readFileSync(this.at(file));
    const { atime, mtime } = fs.statSync(this.at(file));
    this.undo.push(() => {
      fs.writeFileSync(this.at(file), bytes);
      fs.utimesSync(this.at(file), atime, mtime);
    });
  }

  async buildAddon() {
    await this.command([this.at('scripts/install.js'), '--force']);
  }

  async command(args) {
    const { code, output } = await runCommand(args, { cwd: this.root, limitMs: BUILD_MS_MAX });
    if (code !== 0) throw new Error(`node ${args.join(' ')} failed:\n${output.trim().slice(-2000)}`);
  }
}

function withoutMap(text) {
  return text.replace(/\/\/# sourceMappingURL=.*\n?$/, '');
}
