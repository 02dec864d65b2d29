import { ConfigurationError, loadProcessSettings } from '../../platform/config/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { show, UsageError, type OutputOptions } from './command-output.js';

/** Prints the token alone, so that a shell can take it. */
export async function printToken(args: readonly string[], options: OutputOptions): Promise<void> {
  const { tokenFor, WrongTokenOptions } = await import('../../development/index.js');
  try {
    const { settings } = loadProcessSettings();
    const token = await tokenFor(args, settings);
    show(options, { token }, () => token);
  } catch (error) {
    if (error instanceof WrongTokenOptions) throw new UsageError(error.message);
    throw error instanceof ConfigurationError ? new OperatorError(inOneSentence(error)) : error;
  }
}

/** Most likely a production configuration of which this shell knows a part. */
function inOneSentence({ problems }: ConfigurationError): string {
  const what = problems.map((problem) => problem.split('. ')[0]).join('; ');
  return `The configuration is incomplete or wrong (${what}); the development issuer needs no DATABASE_URL, or GATEHOUSE_DEV=1.`;
}
