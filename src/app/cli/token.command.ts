import { ConfigurationError, loadProcessSettings } from '../../platform/config/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { print } from './command-output.js';

/** Prints the token alone, so that a shell can take it. */
export async function printToken(args: readonly string[]): Promise<void> {
  try {
    const { settings } = loadProcessSettings();
    const { tokenFor } = await import('../../development/index.js');
    print(await tokenFor(args, settings));
  } catch (error) {
    throw error instanceof ConfigurationError ? new OperatorError(inOneSentence(error)) : error;
  }
}

/** Most likely a production configuration of which this shell knows a part. */
function inOneSentence({ problems }: ConfigurationError): string {
  const what = problems.map((problem) => problem.split('. ')[0]).join('; ');
  return `The configuration is incomplete or wrong (${what}); the development issuer needs no DATABASE_URL, or GATEHOUSE_DEV=1.`;
}
