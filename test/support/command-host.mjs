// Runs commands of the command line one after another in one process, so that their modules are loaded once. Each sees the
// folder, environment and standard input that it is sent, and nothing of the previous one.
import path from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const { runCommandLine } = await import(pathToFileURL(path.resolve('dist/app/cli/command-line.js')).href);
const keepWriting = { stdout: process.stdout.write, stderr: process.stderr.write };

process.on('message', async ({ args, cwd, env, input }) => {
  process.chdir(cwd);
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  process.exitCode = undefined;
  Object.defineProperty(process, 'stdin', { configurable: true, value: Readable.from(input === '' ? [] : [input]) });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    process[name].write = (text) => {
      said[name] += String(text);
      return true;
    };
  }
  await runCommandLine(args);
  for (const name of ['stdout', 'stderr']) process[name].write = keepWriting[name];
  const status = process.exitCode ?? 0;
  process.exitCode = undefined;
  process.send({ status, ...said });
});
process.on('disconnect', () => process.exit());
process.send('ready');
