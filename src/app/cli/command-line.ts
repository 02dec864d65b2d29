import 'reflect-metadata';
import { CommanderError } from 'commander';
import { Fault, OperatorError } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import { UsageError } from './command-output.js';
import { program } from './program.js';

/** 0: done. 1: refused, failed, or something found wrong. 2: the command was written wrong. */
const FAILED = 1;
const WRONG_USAGE = 2;

/** Runs one command, as its arguments say; `process.exitCode` tells how it ended. Never rejects. */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  // What the service would log is told in sentences here.
  logger.level = 'silent';
  try {
    await program().parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said what is wrong, or shown the help that was asked for.
      process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE;
    } else {
      process.stderr.write(`${sentenceOf(error)}\n`);
      process.exitCode = error instanceof UsageError ? WRONG_USAGE : FAILED;
    }
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof OperatorError || error instanceof Fault) return error.message;
  return error instanceof Error ? error.message : 'The command failed.';
}
