import { ConfigurationError, loadProcessSettings } from '../platform/config/index.js';
import { tokenFor } from './token-command.js';

// The command itself: the token alone on standard output, so that a shell can take it; what is wrong on the other.
try {
  const { settings } = loadProcessSettings();
  process.stdout.write(`${await tokenFor(process.argv.slice(2), settings)}\n`);
} catch (error) {
  const sentence = error instanceof ConfigurationError ? inOneSentence(error) : (error as Error).message;
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}

/** Most likely a production configuration of which this shell knows a part. */
function inOneSentence({ problems }: ConfigurationError): string {
  const what = problems.map((problem) => problem.split('. ')[0]).join('; ');
  return `The configuration is incomplete or wrong (${what}); the development issuer needs no DATABASE_URL, or GATEHOUSE_DEV=1.`;
}
