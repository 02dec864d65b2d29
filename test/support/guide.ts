/** The programs of a page, each run unchanged. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

export interface Program {
  readonly language: string;
  readonly code: string;
}

interface Interpreter {
  readonly command: string;
  readonly args: readonly string[];
  readonly ending: string;
}

/** Debian's Python finds Debian's packages; another one earlier on the PATH may not. */
export const PYTHON = ['/usr/bin/python3', 'python3'].find(
  (python) => spawnSync(python, ['-c', 'import requests']).status === 0,
);

const INTERPRETERS: Readonly<Record<string, Interpreter>> = {
  sh: { command: 'sh', args: ['-e'], ending: 'sh' },
  js: { command: process.execPath, args: [], ending: 'mjs' },
  ts: { command: process.execPath, args: ['--disable-warning=ExperimentalWarning'], ending: 'mts' },
  python: { command: PYTHON ?? 'python3', args: [], ending: 'py' },
};

const FENCE = /^```(\w+)\n(.*?)^```$/gms;

export class Guide {
  /** The programs' environment, besides PATH. */
  environment: Record<string, string> = {};
  /** Headings whose programs have run. */
  readonly ran = new Set<string>();
  private readonly children: ChildProcess[] = [];
  private count = 0;

  private constructor(
    readonly page: string,
    readonly text: string,
    private readonly folder: string,
    private readonly cwd: string,
  ) {}

  /** @param cwd where the programs run; absent: in an empty folder */
  static async open(page: string, cwd?: string): Promise<Guide> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-guide-'));
    // For the programs' imports.
    await symlink(path.resolve('node_modules'), path.join(folder, 'node_modules'));
    return new Guide(page, await readFile(page, 'utf8'), folder, cwd ?? folder);
  }

  async close(): Promise<void> {
    for (const child of this.children) child.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The headings that have a program to run. */
  get headings(): string[] {
    return this.sections()
      .filter(({ text }) => programsIn(text).some(({ language }) => language in INTERPRETERS))
      .map(({ heading }) => heading);
  }

  /** Every program of the page. */
  all(): Program[] {
    return programsIn(this.text);
  }

  /** The programs under a heading, in one language or in any. */
  programs(heading: string, language?: string): Program[] {
    const section = this.sections().find((each) => each.heading === heading);
    return programsIn(section?.text ?? '').filter((program) => language === undefined || program.language === language);
  }

  /** Runs the one program under a heading, or the one in a language; returns its output. */
  async run(heading: string, language?: string): Promise<string> {
    const programs = this.programs(heading, language).filter((each) => each.language in INTERPRETERS);
    const [program] = programs;
    if (program === undefined || programs.length > 1) {
      throw new Error(`${this.page} has not one ${language ?? ''} program under "${heading}".`);
    }
    this.ran.add(heading);
    return this.runProgram(program, heading);
  }

  async json<T>(heading: string, language?: string): Promise<T> {
    return JSON.parse(await this.run(heading, language)) as T;
  }

  async runProgram(program: Program, what: string): Promise<string> {
    const child = await this.spawn(program);
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
    const [status] = (await once(child, 'close')) as [number | null];
    if (status !== 0) throw new Error(`${this.page}, ${what}: ${status} ${said}`);
    return said.trim();
  }

  /**
   * Runs every program of the page, or those under some headings, in order and as if in one shell: later programs see the
   * variables that earlier ones export. Returns each output, by heading.
   */
  async walk(headings: readonly string[] = this.headings): Promise<Map<string, string[]>> {
    const said = new Map<string, string[]>();
    const exported = path.join(this.folder, 'exported.sh');
    await writeFile(exported, '');
    for (const heading of headings) {
      const programs = this.programs(heading).filter(({ language }) => language in INTERPRETERS);
      if (programs.length === 0) throw new Error(`${this.page} has no program under "${heading}".`);
      this.ran.add(heading);
      for (const program of programs) {
        const { command, args, file } = await this.write(program);
        const code =
          program.language === 'sh'
            ? `. '${exported}'\n. '${file}'\nexport -p > '${exported}'\n`
            : `. '${exported}'\nexec '${command}' ${args.join(' ')} '${file}'\n`;
        const output = await this.runProgram({ language: 'sh', code }, heading);
        said.set(heading, [...(said.get(heading) ?? []), output]);
      }
    }
    return said;
  }

  /** Starts a program that runs until the guide is closed. `env` is added to the environment. */
  async start(program: Program, env: Readonly<Record<string, string>> = {}): Promise<{ output: () => string }> {
    const child = await this.spawn(program, env);
    this.children.push(child);
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
    return { output: () => output };
  }

  private async write({ language, code }: Program): Promise<Interpreter & { readonly file: string }> {
    const interpreter = INTERPRETERS[language];
    if (interpreter === undefined) throw new Error(`Nothing here runs ${language}.`);
    const file = path.join(this.folder, `program-${(this.count += 1)}.${interpreter.ending}`);
    await writeFile(file, code);
    return { ...interpreter, file };
  }

  private async spawn(program: Program, env: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
    const { command, args, file } = await this.write(program);
    return spawn(command, [...args, file], {
      cwd: this.cwd,
      env: { PATH: process.env['PATH'] ?? '', ...this.environment, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  private sections(): { heading: string; text: string }[] {
    return this.text.split(/^##+ /m).map((text) => ({ heading: text.split('\n')[0]!.trim(), text }));
  }
}

function programsIn(text: string): Program[] {
  return [...text.matchAll(FENCE)].map(([, language = '', code = '']) => ({ language, code }));
}
