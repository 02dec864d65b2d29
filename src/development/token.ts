import { ConfigurationError, loadProcessSettings } from '../platform/config/index.js';
import { tokenFor } from './token-command.js';

// The command itself: the token alone on standard output, so that a shell can take it; what is wrong on the other.
try {
  const { settings } = loadProcessSettings();
  process.stdout.write(`${await tokenFor(process.argv.slice(2), settings)}\n`);
} catch (error) {
  const sentence =
    error instanceof ConfigurationError
      ? `The configuration is incomplete or wrong: ${error.problems.join('; ')}`
      : (error as Error).message;
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}
